"""A linear support vector machine, one class against the rest.

Cortes and Vapnik, Machine Learning 20 (1995), with scikit-learn's LinearSVC (squared hinge loss).
Log loss over three training folds chooses C. Probabilities are the softmax of the decision values
divided by a temperature, which is fitted to decision values of held-out rows (Guo et al., ICML
2017).
Limits: it sees single features and their sums, no pairs and no variances. A wide table is
fitted in the space of its rows: 56,537 genes of 364 samples took 0.5 s on two cores.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.pipeline import Pipeline
from sklearn.svm import LinearSVC

from baselines._classifier import SeededClassifier
from baselines._folds import Parts, folds, is_past_minimum
from baselines._row_space import RowSpace
from deepmapper.images.scaling import FeatureScaler


@dataclass(frozen=True)
class Params:
    """Candidates for the choice of C.

    Attributes
    ----------
    strengths : tuple of float
        Values of C (the inverse penalty), tried in ascending order until the log loss has been
        above its minimum three times in a row.
    n_folds : int
        Number of folds of the training rows.
    tolerance : float
        Stopping tolerance of liblinear.
    """

    strengths: tuple[float, ...] = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0)
    n_folds: int = 3
    tolerance: float = 1e-2  # liblinear's own default is 1e-1


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: standardise, then choose C."""
    return Pipeline([("convert", FeatureScaler()), ("model", LinearSvm(params, seed))])


class LinearSvm(SeededClassifier):
    """LinearSVC in the space of the training rows, with probabilities.

    `coef_` (n_classes, n_features) and `intercept_` (n_classes,) have one row for two classes. `C_`
    and `temperature_` are chosen. Decision values are divided by the temperature.
    """

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        self.classes_, codes = np.unique(y, return_inverse=True)
        space = RowSpace().fit(X)
        rows = space.coordinates(X)
        parts = folds(codes, self.params.n_folds, self.random_state)
        strengths, losses, temperatures = sorted(self.params.strengths), [], []
        for C in strengths:  # larger C take longer
            loss, temperature = self._held_out(rows, codes, parts, C)
            losses.append(loss)
            temperatures.append(temperature)
            if is_past_minimum(losses):
                break
        best = int(np.argmin(losses))
        self.temperature_, self.C_ = temperatures[best], strengths[best]
        machine = self._machine(self.C_).fit(rows, codes)
        self.coef_, self.intercept_ = space.weights(machine.coef_), machine.intercept_
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        return softmax(_logits(X @ self.coef_.T + self.intercept_) / self.temperature_, axis=1)

    def _held_out(
        self, X: np.ndarray, codes: np.ndarray, parts: list[Parts], C: float
    ) -> tuple[float, float]:
        """Return (log loss, temperature) over the held-out rows of all folds."""
        held = np.concatenate([rows for _, rows in parts])
        decisions = [
            self._machine(C).fit(X[training], codes[training]).decision_function(X[rows])
            for training, rows in parts
        ]
        logits = np.concatenate([_logits(decision) for decision in decisions])

        def loss(log_temperature: float) -> float:
            scores = log_softmax(logits / np.exp(log_temperature), axis=1)
            return -float(scores[np.arange(len(held)), codes[held]].mean())

        best = minimize_scalar(loss, bounds=(-8, 8), method="bounded")
        return float(best.fun), float(np.exp(best.x))

    def _machine(self, C: float) -> LinearSVC:
        return LinearSVC(C=C, tol=self.params.tolerance, random_state=self.random_state)


def _logits(decision: np.ndarray) -> np.ndarray:
    """Return one column a class: (n,) or (n, 1) -> (n, 2). (n, n_classes) stays."""
    decision = decision.reshape(len(decision), -1)
    return np.hstack([-decision, decision]) if decision.shape[1] == 1 else decision
