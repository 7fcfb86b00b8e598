"""CPC-R: pairs of features are cells of an image, grey by their number.

Kovalerchuk, Kalla, Agarwal, "Deep learning image recognition for non-images" (2022, arXiv
2106.14350). Features are cut into consecutive pairs (x1, x2), (x3, x4), ... The two values of a
pair are the column and the row of a cell. The first pair is black, the last one very light grey.
There is no package: this is our code for the steps of the publication. The image goes to the
engine's `cnn_small`, because a place in the image is a value and a shift a change of it. The gate
is off: with it, accuracy was that of chance (0.34) on development tables.

Our reading: a cell is one pixel. Black is 1, background 0, pair i of m is 1 - i / m. The last
feature of an odd number is paired with itself. If two pairs have one cell, the first (darker) one
is drawn. Values are scaled to 0..1 over the training rows, and new ones are cut to that range.
Not included: colours, cells divided between pairs, context images, search for better pairs.
Limits: at most 200 features, where 15% of the pairs of 500 rows of normal noise are hidden. Close
greys are hard to learn: on 150 rows of three classes that two features separate, accuracy was 0.58
with 12 features and 0.42 with 90 (development seed 101). No attributions: a cell belongs to other
features in each row.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import Pipeline

from baselines._cnn import Training, image_model
from datasets.table import Table
from deepmapper.estimators.network_classifier import NetworkClassifier
from deepmapper.images.scaling import FeatureScaler

MAX_FEATURES = 200


@dataclass(frozen=True)
class Params(Training):
    """Settings of the image, and values of `Training` that fit it.

    Attributes
    ----------
    cells : int
        Number of cells a side, and of distinguishable values of a feature.
    """

    cells: int = 28
    backbone: str = "cnn_small"
    epochs: int = 20
    gate: bool = False


def supports(table: Table) -> str | None:
    """Refuse tables whose pairs would hide each other."""
    p = table.n_features
    if p > MAX_FEATURES:
        return f"pairs hide each other: at most {MAX_FEATURES} features, got {p:,}"
    return None


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: draw pairs, then train."""
    model = image_model(params, UnexplainedClassifier, device=device, seed=seed)
    return Pipeline([("convert", PairConverter(params.cells)), ("model", model)])


class UnexplainedClassifier(NetworkClassifier):
    """Classifier without attributions, because no pixel belongs to a feature."""

    @property
    def attribute(self) -> Any:
        """Raise AttributeError, so that the classifier has no such method."""
        raise AttributeError


class PairConverter(TransformerMixin, BaseEstimator):
    """Convert rows to images of `cells` x `cells` pixels with one cell for each pair."""

    looks_at_labels = False

    def __init__(self, cells: int = 28) -> None:
        self.cells = cells

    def fit(self, X: Any, y: object = None) -> Self:
        """Learn the range of each feature from X, (n_samples, n_features)."""
        self.scaler_ = FeatureScaler(scale="minmax").fit(X)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return images, float32 (n_samples, 1, cells, cells)."""
        cell = np.minimum(self.scaler_.transform(X) * self.cells, self.cells - 1).astype(np.int64)
        columns, rows = cell[:, ::2], cell[:, 1::2]
        if columns.shape[1] > rows.shape[1]:
            rows = np.hstack([rows, columns[:, -1:]])  # the last feature with itself
        n, n_pairs = columns.shape
        grey = (1 - np.arange(n_pairs) / n_pairs).astype(np.float32)
        images = np.zeros((n, self.cells * self.cells), dtype=np.float32)
        np.maximum.at(images, (np.arange(n)[:, None], rows * self.cells + columns), grey)
        return images.reshape(n, 1, self.cells, self.cells)
