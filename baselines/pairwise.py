"""Boosted trees on the best pairs of features and the best single features.

A plain method for interactions (XOR needles): a screen of all pairs (`baselines/_pair_screen.py`),
an F-test of each feature, then boosted trees of depth three (Friedman, Annals of Statistics 29,
2001, scikit-learn). Log loss on training rows that neither screen nor trees use chooses the numbers
of pairs and of features.
Limits: at most 20,000 features, because time grows with their square.
10,000 genes of 364 samples took 2 s on two cores. It does not see interactions of three features.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.feature_selection import f_classif
from sklearn.metrics import log_loss
from sklearn.pipeline import Pipeline

from baselines._classifier import SeededClassifier
from baselines._folds import held_out
from baselines._pair_screen import strongest_pairs
from datasets.table import Table
from deepmapper.images.scaling import FeatureScaler

MAX_FEATURES = 20_000  # time grows with their square


@dataclass(frozen=True)
class Params:
    """Settings of the screen and of the trees.

    Attributes
    ----------
    n_best : tuple of int
        Candidate numbers of pairs, and of single features.
    n_trees : int
        Number of trees.
    max_depth : int
        Depth of the trees.
    """

    n_best: tuple[int, ...] = (1, 5, 20, 100)
    n_trees: int = 50
    max_depth: int = 3


def supports(table: Table) -> str | None:
    """Refuse tables with too many features: there are p^2 / 2 pairs."""
    if table.n_features > MAX_FEATURES:
        return f"compares all pairs of at most {MAX_FEATURES:,} features, got {table.n_features:,}"
    return None


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: standardise, screen, grow trees."""
    return Pipeline([("convert", FeatureScaler()), ("model", PairwiseClassifier(params, seed))])


class PairwiseClassifier(SeededClassifier):
    """Boosted trees on single features, pairs of features and their products.

    `pairs_` (m, 2) and `singles_` (m,) are selected, the strongest first. Each feature of a product
    has half of its importance.
    """

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        self.classes_, codes = np.unique(y, return_inverse=True)
        screened, held = held_out(codes, 0.2, self.random_state)
        pairs, singles = self._screen(X[screened], codes[screened])
        losses = {}
        for k in self.params.n_best:
            trees = self._grow(X[screened], codes[screened], pairs[:k], singles[:k])
            predicted = trees.predict_proba(_columns(X[held], pairs[:k], singles[:k]))
            losses[k] = log_loss(codes[held], predicted, labels=trees.classes_)
        self.n_kept_ = min(losses, key=lambda k: losses[k])
        pairs, singles = self._screen(X, codes)
        self.pairs_, self.singles_ = pairs[: self.n_kept_], singles[: self.n_kept_]
        self.trees_ = self._grow(X, codes, self.pairs_, self.singles_)
        self.feature_importances_ = self._importances(X.shape[1])
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        return self.trees_.predict_proba(_columns(X, self.pairs_, self.singles_))

    def _screen(self, X: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        most = max(self.params.n_best)
        with np.errstate(invalid="ignore", divide="ignore"):
            strength = np.nan_to_num(f_classif(X, codes)[0])
        return strongest_pairs(X, codes, most), np.argsort(-strength, kind="stable")[:most]

    def _grow(
        self, X: np.ndarray, codes: np.ndarray, pairs: np.ndarray, singles: np.ndarray
    ) -> GradientBoostingClassifier:
        trees = GradientBoostingClassifier(
            n_estimators=self.params.n_trees,
            max_depth=self.params.max_depth,
            subsample=0.8,
            max_features="sqrt",
            random_state=self.random_state,
        )
        return trees.fit(_columns(X, pairs, singles), codes)

    def _importances(self, n_features: int) -> np.ndarray:
        first, second = self.pairs_.T
        of_columns = self.trees_.feature_importances_
        of_products, rest = np.split(of_columns, [len(first)])
        importances = np.zeros(n_features)
        np.add.at(importances, np.concatenate([first, second]), np.tile(of_products / 2, 2))
        np.add.at(importances, np.concatenate([first, second, self.singles_]), rest)
        return importances


def _columns(X: np.ndarray, pairs: np.ndarray, singles: np.ndarray) -> np.ndarray:
    """Return products, pairs and singles side by side, (n_samples, 3 m + n_singles)."""
    first, second = X[:, pairs[:, 0]], X[:, pairs[:, 1]]
    return np.hstack([first * second, first, second, X[:, singles]])
