"""Features that differ between near rows of different classes (Relief).

MultiSURF: Urbanowicz et al., J Biomed Inform 85 (2018). ReliefF: Kononenko, ECML 1994. Both with
the package fast_select. A feature gains the differences of a row to its near rows of other classes
and loses those to near rows of its own class. Near rows of MultiSURF are nearer than the mean
distance of the row minus half a standard deviation. ReliefF has a fixed number a class. With more
than two classes, MultiSURF takes all other classes together and ReliefF weights them by size. Log
loss on held-out training rows chooses how many features logistic regression uses.

Differences: all features count as numbers (the package takes those of up to ten values as
categories). One thread, because sums of several threads depend on their number.
Limits: distances over all features hide few needles among many features. Work grows with
n_samples^2 * n_features. One core took 0.2 s for 150 x 2,000 values and 0.4 s for 100 x 20,000,
after a compilation of about 10 s for each algorithm.
"""

import warnings
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from sklearn.pipeline import Pipeline

from baselines._ranking import RankedClassifier, Ranking, RankingParams, positive
from datasets.table import Table
from deepmapper.images.scaling import FeatureScaler

REQUIRES = {"fast_select": "fast-select"}
MAX_DIFFERENCES = 5e11  # n_samples^2 * n_features; 1e9 of them took 0.4 s of one core


@dataclass(frozen=True)
class Params(RankingParams):
    """The algorithm.

    Attributes
    ----------
    algorithm : {"multisurf", "relieff"}
        Which rows are near.
    n_neighbours : int
        Near rows a class of ReliefF.
    """

    algorithm: Literal["multisurf", "relieff"] = "multisurf"
    n_neighbours: int = 10


def supports(table: Table) -> str | None:
    """Refuse tables whose pairs of rows take too long."""
    n, p = table.n_samples, table.n_features
    if n * n * p > MAX_DIFFERENCES:
        return f"compares all pairs of {n:,} rows in {p:,} features: at most 5e11 differences"
    return None


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: standardise, rank, keep the best."""
    return Pipeline([("convert", FeatureScaler()), ("model", Relief(params, seed))])


def warm_up(table: Table) -> None:
    """Let numba compile both algorithms on a small table."""
    X = np.random.default_rng(0).normal(size=(20, 20)).astype(np.float32)
    for algorithm in ("multisurf", "relieff"):
        Relief(Params(algorithm=algorithm)).rank(X, np.arange(20) % 2)


class Relief(RankedClassifier):
    """Logistic regression on the `n_best_` features of largest weight above 0."""

    def rank(self, X: np.ndarray, codes: np.ndarray) -> Ranking:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="n_neighbors .* is greater")
            weights = self._algorithm(len(X)).fit(X, codes).feature_importances_
        return Ranking(positive(weights.astype(np.float64)))

    def _algorithm(self, n_samples: int) -> Any:
        from fast_select import MultiSURF, ReliefF

        settings = {"backend": "cpu", "discrete_limit": 0, "n_jobs": 1}
        if self.params.algorithm == "multisurf":
            return MultiSURF(**settings)
        return ReliefF(n_neighbors=min(self.params.n_neighbours, n_samples - 1), **settings)
