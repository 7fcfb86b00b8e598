"""A linear support vector machine, one class against the rest; its C chosen on training folds.

Cortes and Vapnik, Machine Learning 20 (1995); scikit-learn's LinearSVC (liblinear; squared hinge
loss). Probabilities: softmax of the decision values times one factor, fitted to decision values of
rows that were held out (temperature scaling; Guo et al., ICML 2017). It leaves the decision as it
is and takes one number, where Platt's sigmoid takes two a class from few held-out rows.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.pipeline import Pipeline
from sklearn.svm import LinearSVC

from baselines._folds import folds
from baselines._row_space import RowSpace
from deepmapper.images.scaling import FeatureScaler


@dataclass(frozen=True)
class Params:
    """strengths: values of C (the inverse penalty) to choose from, by log loss over the folds."""

    strengths: tuple[float, ...] = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0)
    n_folds: int = 3
    tolerance: float = 1e-2  # liblinear's own default is 1e-1


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Standardise, then choose C."""
    model = LinearSvm(params.strengths, params.n_folds, params.tolerance, random_state=seed)
    return Pipeline([("convert", FeatureScaler()), ("model", model)])


class LinearSvm(ClassifierMixin, BaseEstimator):
    """LinearSVC in the space of the training rows, with probabilities.

    Attributes:
        coef_, intercept_: (n_classes, n_features), (n_classes,); a single row for two classes.
        C_, temperature_: as chosen; decision values are divided by the temperature.
    """

    def __init__(
        self,
        strengths: tuple[float, ...] = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0),
        n_folds: int = 3,
        tolerance: float = 1e-2,
        random_state: int = 0,
    ) -> None:
        self.strengths = strengths
        self.n_folds = n_folds
        self.tolerance = tolerance
        self.random_state = random_state

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """X (n_samples, n_features), y (n_samples,)."""
        self.classes_, codes = np.unique(y, return_inverse=True)
        space = RowSpace().fit(X)
        rows = space.coordinates(X)
        parts = folds(codes, self.n_folds, self.random_state)
        best_loss = np.inf
        for C in sorted(self.strengths):  # weaker penalties take longer, and the loss has one dip
            loss, temperature = self._held_out(rows, codes, parts, C)
            if loss > best_loss:
                break
            best_loss, self.temperature_, self.C_ = loss, temperature, C
        best = self._machine(self.C_).fit(rows, codes)
        self.coef_, self.intercept_ = space.weights(best.coef_), best.intercept_
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probabilities (n_samples, n_classes)."""
        return softmax(_logits(X @ self.coef_.T + self.intercept_) / self.temperature_, axis=1)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Labels (n_samples,)."""
        return self.classes_[self.predict_proba(X).argmax(1)]

    def _held_out(
        self, X: np.ndarray, codes: np.ndarray, parts: list, C: float
    ) -> tuple[float, float]:
        """(log loss, temperature) over rows that the machine of their fold did not see."""
        judged = np.concatenate([rows for _, rows in parts])
        logits = np.concatenate(
            [
                _logits(self._machine(C).fit(X[r], codes[r]).decision_function(X[rows]))
                for r, rows in parts
            ]
        )

        def loss(log_temperature: float) -> float:
            scores = log_softmax(logits / np.exp(log_temperature), axis=1)
            return -float(scores[np.arange(len(judged)), codes[judged]].mean())

        found = minimize_scalar(loss, bounds=(-8, 8), method="bounded")
        return float(found.fun), float(np.exp(found.x))

    def _machine(self, C: float) -> LinearSVC:
        return LinearSVC(C=C, tol=self.tolerance, random_state=self.random_state)


def _logits(decision: np.ndarray) -> np.ndarray:
    """One column a class: (n,) or (n, 1) -> (n, 2); (n, n_classes) stays."""
    decision = decision.reshape(len(decision), -1)
    return np.hstack([-decision, decision]) if decision.shape[1] == 1 else decision
