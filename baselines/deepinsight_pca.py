"""DeepInsight with PCA: features placed by their first two loadings; the CNN of `deepmapper`.

Sharma et al., Sci Rep 9 (2019), through pyDeepInsight.
"""

from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline

from baselines._deepinsight import Params, build_with, supports

REQUIRES = {"pyDeepInsight": "pydeepinsight[cam]"}

__all__ = ["Params", "build", "supports"]


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """PCA of the features, binned to pixels."""
    extractor = PCA(n_components=2, random_state=seed)
    return build_with(extractor, params, device=device, seed=seed)
