"""A random forest on the values as they are.

Breiman, Machine Learning 45 (2001); scikit-learn.
"""

from dataclasses import dataclass

from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer


@dataclass(frozen=True)
class Params:
    n_trees: int = 300


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Trees need no scaling."""
    forest = RandomForestClassifier(params.n_trees, class_weight="balanced", random_state=seed)
    return Pipeline([("convert", FunctionTransformer()), ("model", forest)])
