"""Base of methods that rank features, with logistic regression on the best.

The number of features is chosen on training rows. The ranking is computed from 80% of them, and
log loss on the others chooses. The final ranking uses all training rows.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from baselines._classifier import SeededClassifier
from baselines._folds import held_out

HELD_OUT = 0.2  # share of the training rows that chooses the number of features


@dataclass(frozen=True)
class RankingParams:
    """Candidates for the number of features.

    Attributes
    ----------
    n_best : tuple of int
        Numbers of features to choose from, by held-out log loss.
    """

    n_best: tuple[int, ...] = (1, 2, 5, 20, 100, 500)


@dataclass(frozen=True)
class DiscoveryParams(RankingParams):
    """Candidates for the number of features, and the rate of false discoveries.

    Attributes
    ----------
    fdr : float
        Tolerated share of false features among those of `selected_`. The classifier does not use
        it.
    """

    fdr: float = 0.1


@dataclass(frozen=True, eq=False)
class Ranking:
    """The features in order, as scores.

    Attributes
    ----------
    scores : ndarray of shape (n_features,) or (n_classes, n_features)
        Evidence for each feature, 0 or more. The classifier does not use a feature of score NaN.
        Of several classes, the largest score counts.
    selected : ndarray of bool, shape (n_features,), optional
        The features that a method with control of false discoveries selects.
    q_values : ndarray of shape (n_features,), optional
        The smallest false discovery rate at which each feature is selected.
    """

    scores: np.ndarray
    selected: np.ndarray | None = None
    q_values: np.ndarray | None = None


class RankedClassifier(SeededClassifier):
    """Logistic regression with an L2 penalty on the `n_best_` features of highest score.

    Attributes
    ----------
    feature_importances_ : ndarray of shape (n_features,)
        Scores of the features, 0 for NaN. Of several classes, the largest.
    columns_ : ndarray of int, shape (n_best_,)
        The features that the classifier uses, ascending.
    selected_, q_values_ : ndarray of shape (n_features,)
        See `Ranking`. Missing if the method has none.
    """

    def rank(self, X: np.ndarray, codes: np.ndarray) -> Ranking:
        """Score the features of X (n_samples, n_features) for classes 0, 1, ... (n_samples,)."""
        raise NotImplementedError

    def inputs(self, X: np.ndarray) -> np.ndarray:
        """Return the rows for the classifier, (n_samples, n_features), each on its own."""
        return X

    def classifier(self) -> Any:
        """Return the unfitted classifier of the best features."""
        return LogisticRegression(max_iter=200)

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        self.classes_, codes = np.unique(y, return_inverse=True)
        rows = self.inputs(X)
        self.n_best_ = self._choose_n_best(X, rows, codes)
        ranking = self.rank(X, codes)
        self.scores_ = np.nan_to_num(np.atleast_2d(ranking.scores))
        self.feature_importances_ = self.scores_.max(0)
        if ranking.selected is not None:
            self.selected_ = ranking.selected
        if ranking.q_values is not None:
            self.q_values_ = ranking.q_values
        self.columns_ = _best(ranking.scores, self.n_best_)
        self.best_ = self.classifier().fit(rows[:, self.columns_], codes)
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        return self.best_.predict_proba(self.inputs(X)[:, self.columns_])

    def attribute(self, Z: Any, y: np.ndarray) -> np.ndarray:
        """Return the scores, (n_classes, n_features), or (1, n_features) if classes share them."""
        return self.scores_

    def _choose_n_best(self, X: np.ndarray, rows: np.ndarray, codes: np.ndarray) -> int:
        training, held = held_out(codes, HELD_OUT, self.random_state)
        scores = self.rank(X[training], codes[training]).scores
        losses = {}
        for k in sorted({min(k, X.shape[1]) for k in self.params.n_best}):
            columns = _best(scores, k)
            chosen = self.classifier().fit(rows[np.ix_(training, columns)], codes[training])
            predicted = chosen.predict_proba(rows[np.ix_(held, columns)])
            losses[k] = log_loss(codes[held], predicted, labels=np.arange(len(self.classes_)))
        return min(losses, key=lambda k: losses[k])


def positive(scores: np.ndarray) -> np.ndarray:
    """Replace scores of 0 or less by NaN: they are no evidence for a feature."""
    return np.where(scores > 0, scores, np.nan)


def _best(scores: np.ndarray, k: int) -> np.ndarray:
    """Return the k features of highest score, ascending. Only the first may have no score."""
    largest = np.fmax.reduce(np.atleast_2d(scores), axis=0)
    order = np.argsort(np.nan_to_num(largest, nan=-1), kind="stable")[::-1]
    n_scored = max(1, int(np.isfinite(largest).sum()))
    return np.sort(order[: min(k, n_scored)])
