"""DeepInsight with UMAP: neighbours among features stay neighbours; the CNN of `deepmapper`.

Sharma et al., Sci Rep 9 (2019), through pyDeepInsight, with UMAP's defaults as in its documentation
(McInnes, Healy, Melville 2018: 15 neighbours, Euclidean, min_dist 0.1).

The first use in a process compiles. `python -m bench run growth` measures time and memory.
"""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import Pipeline

from baselines._deepinsight import Params, build_with, supports

REQUIRES = {"pyDeepInsight": "pydeepinsight[cam]", "umap": "umap-learn"}

__all__ = ["Params", "build", "supports"]


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """UMAP of the features, binned to pixels."""
    return build_with(_UMAP(seed), params, device=device, seed=seed)


class _UMAP(TransformerMixin, BaseEstimator):
    """UMAP, imported on use, with fewer neighbours than points."""

    def __init__(self, random_state: int = 0) -> None:
        self.random_state = random_state

    def fit_transform(self, X: Any, y: object = None, **fit_params: Any) -> np.ndarray:
        """(n_features, n_samples) -> (n_features, 2)."""
        from umap import UMAP

        neighbours = min(15, X.shape[0] - 1)
        return UMAP(neighbours, random_state=self.random_state, n_jobs=1).fit_transform(X)
