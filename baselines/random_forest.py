"""A random forest on the values as they are.

Breiman, Machine Learning 45 (2001); scikit-learn. The number of features that a split considers is
chosen by accuracy on the rows outside each tree's sample (out of bag).
"""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from baselines._classifier import SeededClassifier


@dataclass(frozen=True)
class Params:
    """n_trees: of the final forest.

    times_root: candidate numbers of features a split, in square roots of the number of features.
    most_features: skip larger candidates, which take too long; one square root is always tried.
    n_tuning_trees: trees of each forest that is fitted to choose.
    """

    n_trees: int = 300
    times_root: tuple[float, ...] = (1.0, 4.0, 16.0)
    most_features: int = 1024
    n_tuning_trees: int = 60


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Trees need no scaling."""
    return Pipeline([("convert", FunctionTransformer()), ("model", TunedForest(params, seed))])


class TunedForest(SeededClassifier):
    """A random forest; `feature_importances_` are mean decreases in impurity, (n_features,).

    Attributes:
        max_features_: the chosen number of features a split.
    """

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Choose, then fit all rows: X (n_samples, n_features), y (n_samples,)."""
        candidates, n_trees = self._candidates(X.shape[1]), self.params.n_tuning_trees
        forests = (self._forest(number, n_trees, oob_score=True) for number in candidates)
        scores = [forest.fit(X, y).oob_score_ for forest in forests]
        self.max_features_ = candidates[int(np.argmax(scores))]
        self.forest_ = self._forest(self.max_features_, self.params.n_trees).fit(X, y)
        self.classes_ = self.forest_.classes_
        self.feature_importances_ = self.forest_.feature_importances_
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probabilities (n_samples, n_classes)."""
        return self.forest_.predict_proba(X)

    def _candidates(self, n_features: int) -> list[int]:
        root = math.sqrt(n_features)
        most = max(self.params.most_features, math.ceil(root))
        numbers = {max(1, min(round(k * root), n_features)) for k in self.params.times_root}
        return sorted(number for number in numbers if number <= most)

    def _forest(self, number: int, n_trees: int, oob_score: bool = False) -> RandomForestClassifier:
        return RandomForestClassifier(
            n_trees,
            max_features=number,
            class_weight="balanced",
            oob_score=oob_score,
            n_jobs=-1,
            random_state=self.random_state,
        )
