"""Logistic regression with an L2, L1 or elastic-net penalty, its strength chosen on held-out rows.

Cox, J R Stat Soc B 20 (1958); L2 by scikit-learn's lbfgs solver, the others (Tibshirani 1996; Zou
and Hastie 2005) along a path of falling strengths (`baselines/_elastic_net.py`).
"""

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, StratifiedShuffleSplit
from sklearn.pipeline import Pipeline

from baselines._elastic_net import path, strengths_of
from deepmapper.scaling import FeatureScaler

L1_RATIOS = {"l1": 1.0, "elasticnet": 0.5}
WORSE_IN_A_ROW = 3  # strengths after which the path ends


@dataclass(frozen=True)
class Params:
    """All choices are made by log loss on one stratified fifth of the training rows.

    strengths: values of C (the inverse of an L2 penalty) to choose from.
    n_strengths, last_strength: an L1 or elastic-net path goes in so many steps from the penalty
        that leaves no feature down to this share of it.
    """

    penalty: Literal["l2", "l1", "elasticnet"] = "l2"
    strengths: tuple[float, ...] = (1e-4, 1e-2, 1.0)
    max_iter: int = 500
    n_strengths: int = 20
    last_strength: float = 0.01


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Standardise, then search."""
    search: BaseEstimator
    if params.penalty == "l2":
        model = LogisticRegression(max_iter=params.max_iter, tol=1e-4, random_state=seed)
        folds = StratifiedShuffleSplit(1, test_size=0.2, random_state=seed)
        grid = {"C": list(params.strengths)}
        search = GridSearchCV(model, grid, cv=folds, scoring="neg_log_loss", error_score="raise")
    else:
        ratio = L1_RATIOS[params.penalty]
        search = SparseLogistic(ratio, params.n_strengths, params.last_strength, random_state=seed)
    return Pipeline([("convert", FeatureScaler()), ("model", search)])


class SparseLogistic(ClassifierMixin, BaseEstimator):
    """Multinomial logistic regression at the best strength of its path.

    Attributes:
        coef_, intercept_: (n_classes, n_features), mostly 0, and (n_classes,).
        n_steps_: how far down the path the best strength is, 1 for no features at all.
    """

    def __init__(
        self,
        l1_ratio: float = 1.0,
        n_strengths: int = 20,
        last: float = 0.01,
        random_state: int = 0,
    ) -> None:
        self.l1_ratio = l1_ratio
        self.n_strengths = n_strengths
        self.last = last
        self.random_state = random_state

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """X (n_samples, n_features), y (n_samples,)."""
        self.classes_, codes = np.unique(y, return_inverse=True)
        hot = np.eye(len(self.classes_), dtype=np.float32)[codes]
        split = StratifiedShuffleSplit(1, test_size=0.2, random_state=self.random_state)
        training, held_out = next(split.split(X, codes))
        strengths = strengths_of(X, hot, self.l1_ratio, self.n_strengths, self.last)
        losses: list[float] = []
        for weights, intercepts in path(X[training], hot[training], strengths, self.l1_ratio):
            guess = softmax(X[held_out] @ weights + intercepts, axis=1)
            losses.append(log_loss(hot[held_out], guess))
            if len(losses) - 1 - int(np.argmin(losses)) == WORSE_IN_A_ROW:
                break
        self.n_steps_ = int(np.argmin(losses)) + 1
        for weights, intercepts in path(X, hot, strengths[: self.n_steps_], self.l1_ratio):
            self.coef_, self.intercept_ = weights.T, intercepts
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probabilities (n_samples, n_classes)."""
        return softmax(X @ self.coef_.T + self.intercept_, axis=1)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Labels (n_samples,)."""
        return self.classes_[self.predict_proba(X).argmax(1)]
