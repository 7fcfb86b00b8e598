"""DeepInsight with UMAP: neighbours among features stay neighbours.

Sharma et al., Sci Rep 9 (2019), through pyDeepInsight, with the defaults of UMAP (McInnes, Healy,
Melville 2018: 15 neighbours, Euclidean, min_dist 0.1). The image (224 x 224 by default) goes to the
CNN of `deepmapper`, with its settings.
Limits: at least 4 features. Features that share a pixel share its value. 56,537 genes of 364
samples took 58 s on two cores, with compilation, which is now in `warm_up`.
"""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import Pipeline

from baselines._deepinsight import DeepInsightConverter, Params, build_with, supports
from datasets.table import Table

REQUIRES = {"pyDeepInsight": "pydeepinsight[cam]", "umap": "umap-learn"}

MANY = 4096  # from this number of points on, UMAP searches for neighbours approximately

__all__ = ["Params", "build", "supports", "warm_up"]


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: UMAP of the features, pixels, CNN."""
    return build_with(_UMAP(seed), params, device=device, seed=seed)


def warm_up(table: Table) -> None:
    """Let numba compile what UMAP needs for this table, on a small one of the same types."""
    umap = _UMAP(0, approximate=table.n_features >= MANY)
    # More features than a leaf of a search tree holds, so that the split of trees is compiled.
    X = np.random.default_rng(0).normal(size=(20, 100)).astype(np.float32)
    DeepInsightConverter(umap, 8).fit(X)


class _UMAP(TransformerMixin, BaseEstimator):
    """UMAP, imported when used, with fewer neighbours than points.

    `approximate` forces the approximate search for neighbours, which many points get anyway.
    """

    def __init__(self, random_state: int = 0, approximate: bool = False) -> None:
        self.random_state = random_state
        self.approximate = approximate

    def fit_transform(self, X: Any, y: object = None, **fit_params: Any) -> np.ndarray:
        """Map (n_features, n_samples) to (n_features, 2)."""
        from umap import UMAP

        neighbours = min(15, X.shape[0] - 1)
        umap = UMAP(
            neighbours,
            random_state=self.random_state,
            n_jobs=1,
            force_approximation_algorithm=self.approximate,
        )
        return umap.fit_transform(X)
