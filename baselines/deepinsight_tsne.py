"""DeepInsight with t-SNE: similar features become neighbours.

Sharma et al., Sci Rep 9 (2019), through pyDeepInsight, with t-SNE on cosine distances as in the
notebooks of Ersavas et al. 2024. The image (224 x 224 by default) goes to the CNN of `deepmapper`,
with its settings. recipe="published" has DeepInsight's own.
Limits: at least 4 features. Features that share a pixel share its value. t-SNE took over 240 s for
56,537 genes of 364 samples on two cores, and 38 s in all for 10,000.
"""

from sklearn.manifold import TSNE
from sklearn.pipeline import Pipeline

from baselines._deepinsight import Params, build_with, supports

REQUIRES = {"pyDeepInsight": "pydeepinsight[cam]"}

__all__ = ["Params", "build", "supports"]


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: t-SNE of the features, pixels, CNN."""
    extractor = _TSNE(metric="cosine", init="random", random_state=seed)
    return build_with(extractor, params, device=device, seed=seed)


class _TSNE(TSNE):
    """t-SNE with a perplexity below the number of points."""

    def fit_transform(self, X, y=None):
        perplexity = min(30.0, (len(X) - 1) / 3)
        return TSNE(**self.get_params() | {"perplexity": perplexity}).fit_transform(X)
