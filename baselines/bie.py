"""BIE: a row as an image of bits, one row of 32 pixels a feature.

Briner et al., IEEE Access 11 (2023), and Halladay et al., "BIE: Binary Image Encoding for the
Classification of Tabular Data", J Data Sci 23 (2025). A value, scaled to 0..1, is written as the 32
bits of its float: sign, exponent, fraction. A bit is a pixel, 0 or 1. The bits are those of
TINTOlib 1.3.1 (a test compares). The image goes to the CNN of `deepmapper`, with its settings.

Most pixels are the last bits of fractions, which are chance.
Differences: the papers train ResNet-50. New values outside the training range are cut to 0..1.
Features keep their order: the papers' cBIE orders them by correlation.
Limits: at most 2,000 features, because an image has 32 pixels a feature. 1,000 genes of 364 samples
did not finish in 9 minutes beside ten busy processes.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import Pipeline

from baselines._cnn import Training, image_model
from datasets.table import Table
from deepmapper.images.scaling import FeatureScaler

MAX_FEATURES = 2_000
BITS = 32


@dataclass(frozen=True)
class Params(Training):
    """Settings of the shared CNN. The images have none."""


def supports(table: Table) -> str | None:
    """Refuse tables with too many features."""
    p = table.n_features
    if p > MAX_FEATURES:
        return f"makes {BITS} pixels a feature: at most {MAX_FEATURES:,} features, got {p:,}"
    return None


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: write bits, then train."""
    model = image_model(params, device=device, seed=seed)
    return Pipeline([("convert", BitConverter()), ("model", model)])


class BitConverter(TransformerMixin, BaseEstimator):
    """Convert rows to images of the bits of their values."""

    looks_at_labels = False

    def fit(self, X: Any, y: object = None) -> Self:
        """Learn the range of each feature from X, (n_samples, n_features)."""
        self.scaler_ = FeatureScaler(scale="minmax").fit(X)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return images of zeros and ones, float32 (n_samples, 1, n_features, 32)."""
        scaled = self.scaler_.transform(X) + np.float32(0)  # -0.0 has another first bit
        most_significant_first = scaled.astype(">f4")[..., None].view(np.uint8)
        bits = np.unpackbits(most_significant_first, axis=-1)
        return bits[:, None].astype(np.float32)

    def to_features(self, pixels: np.ndarray) -> np.ndarray:
        """Map (..., n_features, 32) to (..., n_features): the sum over each feature's bits."""
        return pixels.sum(-1)
