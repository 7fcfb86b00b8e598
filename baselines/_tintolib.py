"""Base of igtd, refined and tinto: learned places, images at full precision.

TINTOlib (Castillo-Cano et al., SoftwareX 2023, Apache-2.0) writes one PNG a row. Only its places of
the features are used, because in version 1.3.1
- `plt.imsave` scales every image to its own darkest and brightest pixel and keeps 8 bits,
- IGTD scales by the extremes of the rows that are converted together (a leak between test rows),
- `features_positions.csv` of IGTD has the inverse of the permutation that its images use.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import Pipeline

from baselines._cnn import Training, image_model
from datasets.table import Table
from deepmapper.images.scaling import FeatureScaler

MIN_FEATURES = 4  # for a plane
BLOCK_ROWS = 512


@dataclass(frozen=True)
class Params(Training):
    """Settings of the conversion. The CNN and its training are those of `deepmapper`.

    Attributes
    ----------
    scaling : {"standard", "minmax"}
        "standard" scales features as `deepmapper` does, "minmax" to [0, 1] as TINTOlib does.
    """

    scaling: Literal["standard", "minmax"] = "standard"


@dataclass(frozen=True, eq=False)
class Placement:
    """The pixels of the features.

    pixels: flat index, row by row, of each feature's pixel, (n_features,).
    shape: height and width of the images.
    spread: CSR (n_features, height * width), the weight of each feature in each pixel.
    """

    pixels: np.ndarray
    shape: tuple[int, int]
    spread: sparse.csr_matrix


# Places features: scaled training rows (n_samples, n_features) -> Placement.
Place = Callable[[np.ndarray], Placement]


class PlacedConverter(TransformerMixin, BaseEstimator):
    """Convert rows to images whose pixels are means of features.

    `place` learns the places from the scaled training rows. `scaling` is "standard" or "minmax".
    """

    looks_at_labels = False

    def __init__(self, place: Place, scaling: str = "standard") -> None:
        self.place = place
        self.scaling = scaling

    def fit(self, X: Any, y: object = None) -> Self:
        """Learn scaling and places from X, (n_samples, n_features)."""
        self.scaler_ = FeatureScaler(scale=self.scaling).fit(X)
        self.placement_ = self.place(self.scaler_.transform(X))
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return images, float32 (n_samples, 1, height, width), made in blocks of rows."""
        images = np.empty((X.shape[0], 1, *self.placement_.shape), dtype=np.float32)
        flat = images.reshape(len(images), -1)
        for start in range(0, len(images), BLOCK_ROWS):
            rows = slice(start, start + BLOCK_ROWS)
            flat[rows] = self.scaler_.transform(X[rows]) @ self.placement_.spread
        return images

    def to_features(self, pixels: np.ndarray) -> np.ndarray:
        """Map (..., h, w) to (..., n_features). Features on one pixel share its value."""
        return pixels.reshape(*pixels.shape[:-2], -1)[..., self.placement_.pixels]


def one_each(pixels: np.ndarray, shape: tuple[int, int]) -> Placement:
    """Return a placement with one feature a pixel."""
    n = len(pixels)
    ones = np.ones(n, dtype=np.float32)
    spread = sparse.csr_matrix((ones, pixels, np.arange(n + 1)), (n, shape[0] * shape[1]))
    return Placement(pixels, shape, spread)


def build_with(place: Place, params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: images by these places, then the CNN of `deepmapper`."""
    converter = PlacedConverter(place, params.scaling)
    model = image_model(params, device=device, seed=seed)
    return Pipeline([("convert", converter), ("model", model)])


def refusal(table: Table, max_features: int) -> str | None:
    """Return why these methods refuse a table, or None."""
    p = table.n_features
    if p < MIN_FEATURES:
        return f"places on a plane need at least {MIN_FEATURES} features, got {p}"
    if p > max_features:
        return f"compares all pairs of features: at most {max_features:,} features, got {p:,}"
    return None
