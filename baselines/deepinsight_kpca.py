"""DeepInsight with kernel PCA: features placed by a Gaussian kernel; the CNN of `deepmapper`.

Sharma et al., Sci Rep 9 (2019), through pyDeepInsight. The width of the kernel is scikit-learn's
(gamma = 1 / n_samples), as in pyDeepInsight's "kpca".

The kernel matrix has an entry for each pair of features, hence the limit of 20,000 features.
`python -m bench run growth` measures time and memory.
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
    """Refuse tables whose kernel matrix takes too much memory."""
    if reason := _deepinsight.supports(table):
        return reason
    if table.n_features > MAX_FEATURES:
        return (
            f"the kernel between all pairs of features takes too much memory above "
            f"{MAX_FEATURES:,} features, got {table.n_features:,}"
        )
    return None


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Kernel PCA of the features, binned to pixels."""
    extractor = KernelPCA(n_components=2, kernel="rbf", random_state=seed)
    return build_with(extractor, params, device=device, seed=seed)
