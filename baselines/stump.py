"""One decision on one feature: the accuracy of the single best cut.

Iba and Langley, "Induction of one-level decision trees" (1992); scikit-learn.
"""

from dataclasses import dataclass

from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier


@dataclass(frozen=True)
class Params:
    max_depth: int = 1


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """A tree of depth one."""
    tree = DecisionTreeClassifier(max_depth=params.max_depth, random_state=seed)
    return Pipeline([("convert", FunctionTransformer()), ("model", tree)])
