"""Base class of plain classifiers: settings, seed, labels from probabilities."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin


class SeededClassifier(ClassifierMixin, BaseEstimator):
    """Classifier with the `Params` of a method and a seed of all random choices.

    `fit(X, y)` of a subclass takes X (n_samples, n_features) and y (n_samples,), chooses its
    settings on these training rows, fits all of them and sets `classes_` (n_classes,).
    """

    classes_: np.ndarray

    def __init__(self, params: Any, random_state: int = 0) -> None:
        self.params = params
        self.random_state = random_state

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return probabilities (n_samples, n_classes)."""
        raise NotImplementedError

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable label of each row, (n_samples,)."""
        return self.classes_[self.predict_proba(X).argmax(1)]
