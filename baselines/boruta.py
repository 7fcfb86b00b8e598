"""Features that a random forest uses more than shuffled copies of them (Boruta).

Kursa & Rudnicki, J Stat Softw 36 (2010), with the package BorutaPy. A forest is fitted to the
features and their shuffled copies, again and again. A feature scores a hit if its importance is
above that of every copy. Binomial tests of the hits select and reject features. The forest handles
several classes at once. Log loss on held-out training rows chooses how many features logistic
regression uses, in the order of mean importance (0 after a rejection).

Differences from the paper: Gini importance, and corrections of the package (Benjamini-Hochberg
among features, Bonferroni among iterations) at `fdr`, whose default there is 0.05. They control
hits by chance in a forest, not false discoveries in the strict sense. Depth 5 and the number of
trees are those that the package advises.
Limits: features that matter only together are hard to find for trees. A forest of 1,000 trees took
5.6 s of one core for 150 x 2,000 values and 9.3 s for 100 x 20,000, and up to 100 forests are
fitted twice. Tables above 2 million values are refused.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline

from baselines._ranking import DiscoveryParams, RankedClassifier, Ranking, positive
from datasets.table import Table
from deepmapper.images.scaling import FeatureScaler

REQUIRES = {"boruta": "Boruta"}
MAX_VALUES = 2_000_000  # n_samples * n_features, about 500 s of one core by extrapolation


@dataclass(frozen=True)
class Params(DiscoveryParams):
    """Settings of the forests, and the rate of false discoveries.

    Attributes
    ----------
    n_trees : int, optional
        Trees of each forest. Default: as the package advises, in proportion to the square root of
        the number of features that are not rejected.
    max_depth : int
        Depth of the trees.
    max_iterations : int
        Maximum number of forests. Undecided features are then not selected.
    """

    n_trees: int | None = None
    max_depth: int = 5
    max_iterations: int = 100


def supports(table: Table) -> str | None:
    """Refuse tables on which the forests take too long."""
    n, p = table.n_samples, table.n_features
    if n * p > MAX_VALUES:
        most = MAX_VALUES // n
        return f"fits forests many times: at most {most:,} features with {n:,} rows, got {p:,}"
    return None


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: standardise, rank, keep the best."""
    return Pipeline([("convert", FeatureScaler()), ("model", Boruta(params, seed))])


class Boruta(RankedClassifier):
    """Logistic regression on the `n_best_` features of largest mean importance."""

    def rank(self, X: np.ndarray, codes: np.ndarray) -> Ranking:
        from boruta import BorutaPy

        params = self.params
        forest = RandomForestClassifier(
            max_depth=params.max_depth, class_weight="balanced", n_jobs=-1
        )
        search = BorutaPy(
            forest,
            n_estimators=params.n_trees or "auto",
            alpha=params.fdr,
            max_iter=params.max_iterations,
            random_state=self.random_state,
        ).fit(X, codes)
        importances = np.nan_to_num(search.importance_history_[1:])  # the first row is zeros
        return Ranking(positive(importances.mean(0)), search.support_)
