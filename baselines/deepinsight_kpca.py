"""DeepInsight with kernel PCA: features placed by a Gaussian kernel.

Sharma et al., Sci Rep 9 (2019), through pyDeepInsight. The image (224 x 224 by default) goes to the
CNN of `deepmapper`, with its settings. The kernel's width is scikit-learn's (gamma = 1 /
n_samples), as in pyDeepInsight's "kpca".
Limits: 4 to 20,000 features, because the kernel matrix
has an entry for each pair. 10,000 genes of 364 samples took 7 s on two cores. Features that share a
pixel share its value.
"""

from sklearn.decomposition import KernelPCA
from sklearn.pipeline import Pipeline

from baselines import _deepinsight
from baselines._deepinsight import Params, build_with
from datasets.table import Table

REQUIRES = {"pyDeepInsight": "pydeepinsight[cam]"}
MAX_FEATURES = 20_000

__all__ = ["Params", "build", "supports"]


def supports(table: Table) -> str | None:
    """Refuse tables whose kernel matrix needs too much memory."""
    if reason := _deepinsight.supports(table):
        return reason
    if table.n_features > MAX_FEATURES:
        return (
            f"the kernel between all pairs of features takes too much memory above "
            f"{MAX_FEATURES:,} features, got {table.n_features:,}"
        )
    return None


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: kernel PCA of the features, pixels, CNN."""
    extractor = KernelPCA(n_components=2, kernel="rbf", random_state=seed)
    return build_with(extractor, params, device=device, seed=seed)
