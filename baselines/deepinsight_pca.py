"""DeepInsight with PCA: features placed by their first two loadings.

Sharma et al., Sci Rep 9 (2019), through pyDeepInsight. The image (224 x 224 by default) goes to the
CNN of `deepmapper`, with its settings.
Limits: at least 4 features. Features that share a pixel
share its value. 56,537 genes of 364 samples took 8 s on two cores.
"""

from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline

from baselines._deepinsight import Params, build_with, supports

REQUIRES = {"pyDeepInsight": "pydeepinsight[cam]"}

__all__ = ["Params", "build", "supports"]


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: PCA of the features, pixels, CNN."""
    extractor = PCA(n_components=2, random_state=seed)
    return build_with(extractor, params, device=device, seed=seed)
