"""DeepInsight with kernel PCA: features placed by a Gaussian kernel; the CNN of `deepmapper`.

Sharma et al., Sci Rep 9 (2019), through pyDeepInsight; the kernel is the Gaussian one, its width
scikit-learn's (gamma = 1 / n_samples, which is what pyDeepInsight's "kpca" takes).

The kernel matrix has a number for each pair of features: it stops at 20,000. What it takes is
measured by `python -m bench run growth`.
"""

from sklearn.decomposition import KernelPCA
from sklearn.pipeline import Pipeline

from baselines import _deepinsight
from baselines._deepinsight import Params, build_with
from datasets.table import Table

REQUIRES = {"pyDeepInsight": "pydeepinsight[cam]"}
MOST_FEATURES = 20_000

__all__ = ["Params", "build", "supports"]


def supports(table: Table) -> str | None:
    """The kernel between all pairs of features must fit into memory."""
    if reason := _deepinsight.supports(table):
        return reason
    if table.n_features > MOST_FEATURES:
        return (
            f"the kernel between all pairs of features takes too much memory above "
            f"{MOST_FEATURES:,} features, got {table.n_features:,}"
        )
    return None


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Kernel PCA of the features, binned to pixels."""
    extractor = KernelPCA(n_components=2, kernel="rbf", random_state=seed)
    return build_with(extractor, params, device=device, seed=seed)
