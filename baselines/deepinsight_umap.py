"""DeepInsight with UMAP: neighbours among features stay neighbours.

Sharma et al., Sci Rep 9 (2019), through pyDeepInsight, with the defaults of UMAP (McInnes, Healy,
Melville 2018: 15 neighbours, Euclidean, min_dist 0.1). The image (224 x 224 by default) goes to the
CNN of `deepmapper`, with its settings.
Limits: at least 4 features. Features that share a pixel share its value. The first use in a process
compiles. 56,537 genes of 364 samples took 58 s on two cores.
"""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import Pipeline

from baselines._deepinsight import Params, build_with, supports

REQUIRES = {"pyDeepInsight": "pydeepinsight[cam]", "umap": "umap-learn"}

__all__ = ["Params", "build", "supports"]


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: UMAP of the features, pixels, CNN."""
    return build_with(_UMAP(seed), params, device=device, seed=seed)


class _UMAP(TransformerMixin, BaseEstimator):
    """UMAP, imported when used, with fewer neighbours than points."""

    def __init__(self, random_state: int = 0) -> None:
        self.random_state = random_state

    def fit_transform(self, X: Any, y: object = None, **fit_params: Any) -> np.ndarray:
        """Map (n_features, n_samples) to (n_features, 2)."""
        from umap import UMAP

        neighbours = min(15, X.shape[0] - 1)
        return UMAP(neighbours, random_state=self.random_state, n_jobs=1).fit_transform(X)
