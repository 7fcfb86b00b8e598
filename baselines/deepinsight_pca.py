"""DeepInsight with PCA: features placed by their first two loadings; the CNN of `deepmapper`.

Sharma et al., Sci Rep 9 (2019), through pyDeepInsight.
"""

from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline

from baselines._deepinsight import Params, build_with
from datasets.table import Table

REQUIRES = {"pyDeepInsight": "pydeepinsight[cam]"}

__all__ = ["Params", "build", "supports"]


def supports(table: Table) -> str | None:
    """A plane needs a few features."""
    if table.n_features < 4:
        return f"DeepInsight needs at least 4 features for a plane, got {table.n_features}"
    return None


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """PCA of the features, binned to pixels."""
    extractor = PCA(n_components=2, random_state=seed)
    return build_with(extractor, params, device=device, seed=seed)
