"""The class whose mean is nearest, on standardised features.

Nearest shrunken centroids: Tibshirani et al., PNAS 99 (2002), as in scikit-learn.
"""

from dataclasses import dataclass

from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler


@dataclass(frozen=True)
class Params:
    """shrink: the shift of class means to the overall mean, in standard deviations."""

    shrink: float = 0.5


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Standardise, then predict the class of the nearest mean."""
    model = NearestCentroid(shrink_threshold=params.shrink)
    return Pipeline([("convert", StandardScaler()), ("model", model)])
