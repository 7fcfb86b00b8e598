"""The majority among the three nearest training samples.

Fix and Hodges (1951), Cover and Hart (1967); Euclidean distance, after log1p where values are
counts; scikit-learn.
"""

from dataclasses import dataclass

from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline

from deepmapper.scaling import FeatureScaler


@dataclass(frozen=True)
class Params:
    n_neighbours: int = 3


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Distances on the common scale of the features: they are not standardised."""
    model = KNeighborsClassifier(params.n_neighbours)
    return Pipeline([("convert", FeatureScaler(scale="none")), ("model", model)])
