"""The majority among the nearest training samples.

Fix and Hodges (1951), Cover and Hart (1967); scikit-learn. Counts are log-transformed first. The
number of neighbours, the distance and whether to standardise are chosen on folds of training rows.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from baselines._classifier import SeededClassifier
from baselines._folds import folds
from deepmapper.images.scaling import FeatureScaler


@dataclass(frozen=True)
class Params:
    """All choices are made by accuracy over the folds; ties go to the first candidate."""

    n_neighbours: tuple[int, ...] = (1, 3, 7, 15)
    metrics: tuple[str, ...] = ("euclidean", "cosine")
    standardise: tuple[bool, ...] = (False, True)
    n_folds: int = 3


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Take logarithms of counts, then search."""
    model = TunedNeighbours(params, seed)
    return Pipeline([("convert", FeatureScaler(scale="none")), ("model", model)])


class TunedNeighbours(SeededClassifier):
    """Nearest neighbours with the settings that are best over the folds.

    Attributes:
        best_: the chosen pipeline, fitted to all rows.
    """

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Search, then fit all rows: X (n_samples, n_features), y (n_samples,)."""
        params = self.params
        parts = folds(np.unique(y, return_inverse=True)[1], params.n_folds, self.random_state)
        fewest = min(len(training) for training, _ in parts)
        grid = {
            "scale": [StandardScaler() if yes else "passthrough" for yes in params.standardise],
            "neighbours__metric": list(params.metrics),
            "neighbours__n_neighbors": sorted({min(k, fewest) for k in params.n_neighbours}),
        }
        chain = Pipeline([("scale", "passthrough"), ("neighbours", KNeighborsClassifier())])
        search = GridSearchCV(chain, grid, cv=parts, scoring="accuracy", error_score="raise")
        self.best_ = search.fit(X, y).best_estimator_
        self.classes_ = self.best_.classes_
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probabilities (n_samples, n_classes)."""
        return self.best_.predict_proba(X)
