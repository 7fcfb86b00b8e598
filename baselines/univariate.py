"""An F-test of each feature, then logistic regression on the best of them.

Fisher (1925), with scikit-learn. Log loss on held-out training rows chooses the number of features.
The final ranking uses all training rows.
Limits: it sees differences of means of single features,
no pairs and no variances. 56,537 genes of 364 samples took 1.6 s on two cores.
"""

import warnings
from dataclasses import dataclass
from typing import Self

import numpy as np
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import Pipeline, make_pipeline

from baselines._classifier import SeededClassifier
from baselines._folds import held_out
from deepmapper.images.scaling import FeatureScaler


@dataclass(frozen=True)
class Params:
    """Candidates for the number of features.

    Attributes
    ----------
    n_best : tuple of int
        Numbers of features to choose from, by held-out log loss.
    """

    n_best: tuple[int, ...] = (1, 2, 5, 20, 100, 500)


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: standardise, rank, keep the best."""
    return Pipeline([("convert", FeatureScaler()), ("model", UnivariateClassifier(params, seed))])


class UnivariateClassifier(SeededClassifier):
    """SelectKBest of `n_best_` features by F statistic, then logistic regression."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.feature_importances_ = _f_or_zero(X, codes)
        training, held = held_out(codes, 0.2, self.random_state)
        losses = {}
        for k in sorted({min(k, X.shape[1]) for k in self.params.n_best}):
            predicted = _chain(k).fit(X[training], codes[training]).predict_proba(X[held])
            losses[k] = log_loss(codes[held], predicted, labels=np.arange(len(self.classes_)))
        self.n_best_ = min(losses, key=lambda k: losses[k])
        self.best_ = _chain(self.n_best_).fit(X, codes)
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        return self.best_.predict_proba(X)


def _chain(n_best: int) -> Pipeline:
    return make_pipeline(SelectKBest(_f_or_zero, k=n_best), LogisticRegression(max_iter=200))


def _f_or_zero(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return F statistics (n_features,), 0 for constant features, whose F is 0/0."""
    with np.errstate(invalid="ignore", divide="ignore"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Features .* are constant")
        return np.nan_to_num(f_classif(X, y)[0], posinf=1e30)
