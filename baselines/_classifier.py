"""What classifiers of this folder share: settings, a seed, and labels from probabilities."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin


class SeededClassifier(ClassifierMixin, BaseEstimator):
    """A subclass defines `fit`, which sets `classes_` (n_classes,), and `predict_proba`.

    Args:
        params: the `Params` of the method.
        random_state: seed of all random choices.
    """

    classes_: np.ndarray

    def __init__(self, params: Any, random_state: int = 0) -> None:
        self.params = params
        self.random_state = random_state

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities (n_samples, n_classes)."""
        raise NotImplementedError

    def predict(self, X: Any) -> np.ndarray:
        """The most probable label of each row, (n_samples,)."""
        return self.classes_[self.predict_proba(X).argmax(1)]
