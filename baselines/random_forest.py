"""A random forest on raw values.

Breiman, Machine Learning 45 (2001), with scikit-learn. Out-of-bag accuracy (on the rows outside
each tree's sample) chooses the number of features that a split considers.
Limits: near chance on XOR needles (0.508 in the topic `quick`). A forest is fitted for each
candidate. 56,537 genes of 364 samples took 13 s on two cores.
"""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from baselines._classifier import SeededClassifier

READS_MISSING = True  # NaN goes to the side of a cut that separates the classes best


@dataclass(frozen=True)
class Params:
    """Settings of the forest.

    Attributes
    ----------
    n_trees : int
        Trees of the final forest.
    n_tuning_trees : int
        Trees of each forest that is fitted to choose.
    times_root : tuple of float
        Candidate numbers of features a split, in square roots of the number of features.
    most_features : int
        Skip larger candidates, which take too long. One square root is always tried.
    """

    n_trees: int = 300
    times_root: tuple[float, ...] = (1.0, 4.0, 16.0)
    most_features: int = 1024
    n_tuning_trees: int = 60


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline. Trees need no scaling."""
    return Pipeline([("convert", FunctionTransformer()), ("model", TunedForest(params, seed))])


class TunedForest(SeededClassifier):
    """A random forest with `max_features_` features a split, by out-of-bag accuracy."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        candidates, n_trees = self._candidates(X.shape[1]), self.params.n_tuning_trees
        forests = (self._forest(number, n_trees, oob_score=True) for number in candidates)
        scores = [forest.fit(X, y).oob_score_ for forest in forests]
        self.max_features_ = candidates[int(np.argmax(scores))]
        self.forest_ = self._forest(self.max_features_, self.params.n_trees).fit(X, y)
        self.classes_ = self.forest_.classes_
        self.feature_importances_ = self.forest_.feature_importances_
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
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
