"""DeepInsight with t-SNE: similar features become neighbours; the CNN of `deepmapper` reads them.

Sharma et al., Sci Rep 9 (2019), through pyDeepInsight; t-SNE on cosine distances as in the
notebooks of Ersavas et al. 2024.
"""

from sklearn.manifold import TSNE
from sklearn.pipeline import Pipeline

from baselines._deepinsight import Params, build_with, supports

REQUIRES = {"pyDeepInsight": "pydeepinsight[cam]"}

__all__ = ["Params", "build", "supports"]


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """t-SNE of the features, binned to pixels."""
    extractor = _TSNE(metric="cosine", init="random", random_state=seed)
    return build_with(extractor, params, device=device, seed=seed)


class _TSNE(TSNE):
    """t-SNE with a perplexity below the number of points."""

    def fit_transform(self, X, y=None):
        perplexity = min(30.0, (len(X) - 1) / 3)
        return TSNE(**self.get_params() | {"perplexity": perplexity}).fit_transform(X)
