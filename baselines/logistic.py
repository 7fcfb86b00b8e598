"""Logistic regression with an L2, L1 or elastic-net penalty.

Cox, J R Stat Soc B 20 (1958). L2 with scikit-learn's lbfgs, the others (Tibshirani 1996, Zou and
Hastie 2005) along a path of falling penalties (`baselines/_elastic_net.py`). Log loss over three
training folds chooses the strength.
Limits: it sees single features and their sums, no pairs and no variances. With L2 a wide table is
fitted in the space of its rows: 56,537 genes of 364 samples took 0.9 s on two cores.
"""

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import Pipeline

from baselines._classifier import SeededClassifier
from baselines._elastic_net import path, strengths_of
from baselines._folds import folds, is_past_minimum
from baselines._row_space import RowSpace
from deepmapper.images.scaling import FeatureScaler

L1_RATIOS = {"l1": 1.0, "elasticnet": 0.5}


@dataclass(frozen=True)
class Params:
    """Candidates for the choice of the penalty, by mean log loss over the folds.

    Attributes
    ----------
    penalty : {"l2", "l1", "elasticnet"}
        The norm of the coefficients.
    strengths : tuple of float
        Values of C (the inverse of an L2 penalty), tried in ascending order until the loss has been
        above its minimum three times in a row.
    n_folds : int
        Number of folds of the training rows.
    max_iter : int
        Maximum number of lbfgs iterations.
    n_strengths : int
        Penalties of an L1 or elastic-net path. The first leaves no feature. The path ends when the
        loss has been above its minimum three times in a row.
    last_strength : float, optional
        Last penalty as a share of the first. Default: 0.01, or 0.001 with more samples than
        features.
    """

    penalty: Literal["l2", "l1", "elasticnet"] = "l2"
    strengths: tuple[float, ...] = (
        *(1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2),
        *(0.1, 0.3, 1.0, 3.0, 10.0),
    )
    n_folds: int = 3
    max_iter: int = 500
    n_strengths: int = 20
    last_strength: float | None = None


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: standardise, then choose the penalty."""
    classifier = RidgeLogistic if params.penalty == "l2" else SparseLogistic
    return Pipeline([("convert", FeatureScaler()), ("model", classifier(params, seed))])


class RidgeLogistic(SeededClassifier):
    """Logistic regression with an L2 penalty `C_`, in the space of the training rows.

    `coef_` (n_classes, n_features) and `intercept_` (n_classes,) have one row for two classes.
    """

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        self.classes_, codes = np.unique(y, return_inverse=True)
        self._space = RowSpace().fit(X)
        rows = self._space.coordinates(X)
        parts = folds(codes, self.params.n_folds, self.random_state)
        strengths, losses = sorted(self.params.strengths), []
        for C in strengths:  # larger C take longer
            losses.append(float(np.mean([self._loss(rows, codes, *part, C) for part in parts])))
            if is_past_minimum(losses):
                break
        self.C_ = strengths[int(np.argmin(losses))]
        self._model = self._regression(self.C_).fit(rows, codes)
        self.coef_, self.intercept_ = self._space.weights(self._model.coef_), self._model.intercept_
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        return self._model.predict_proba(self._space.coordinates(X))

    def _loss(
        self, X: np.ndarray, codes: np.ndarray, training: np.ndarray, held: np.ndarray, C: float
    ) -> float:
        model = self._regression(C).fit(X[training], codes[training])
        return log_loss(codes[held], model.predict_proba(X[held]), labels=model.classes_)

    def _regression(self, C: float) -> LogisticRegression:
        max_iter = self.params.max_iter
        return LogisticRegression(C=C, max_iter=max_iter, tol=1e-4, random_state=self.random_state)


class SparseLogistic(SeededClassifier):
    """Multinomial logistic regression at the best strength of its path.

    `n_steps_` is its position on the path: 1 is the first, without features.
    """

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        self.classes_, codes = np.unique(y, return_inverse=True)
        hot = np.eye(len(self.classes_), dtype=np.float32)[codes]
        l1_ratio = L1_RATIOS[self.params.penalty]
        last = self.params.last_strength or (0.01 if X.shape[0] < X.shape[1] else 1e-3)
        strengths = strengths_of(X, hot, l1_ratio, self.params.n_strengths, last)
        self.n_steps_ = self._best_step(X, codes, hot, strengths, l1_ratio)
        for weights, intercepts in path(X, hot, strengths[: self.n_steps_], l1_ratio):
            self.coef_, self.intercept_ = weights.T, intercepts
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        return softmax(X @ self.coef_.T + self.intercept_, axis=1)

    def _best_step(
        self,
        X: np.ndarray,
        codes: np.ndarray,
        hot: np.ndarray,
        strengths: list[float],
        l1_ratio: float,
    ) -> int:
        """Return the step with the lowest mean loss. All folds are fitted step by step."""
        parts = folds(codes, self.params.n_folds, self.random_state)
        paths = [path(X[rows], hot[rows], strengths, l1_ratio) for rows, _ in parts]
        losses: list[float] = []
        for models in zip(*paths, strict=True):
            of_folds = [
                log_loss(hot[held], softmax(X[held] @ weights + intercepts, axis=1))
                for (weights, intercepts), (_, held) in zip(models, parts, strict=True)
            ]
            losses.append(float(np.mean(of_folds)))
            if is_past_minimum(losses):
                break
        return int(np.argmin(losses)) + 1
