"""DeepInsight's conversion through pyDeepInsight, the one file that imports it (GPL-3, optional).

Sharma et al., "DeepInsight: a methodology to transform a non-image data to an image for
convolution neural network architecture", Sci Rep 9 (2019).
"""

from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import Pipeline

from deepmapper.classifier import NetworkClassifier
from deepmapper.layout import square_side

BLOCK_ROWS = 512  # pyDeepInsight makes float64 images: keep few of them at a time


@dataclass(frozen=True)
class Params:
    """image_size: pixels a side; "equal" for as many pixels as DeepMapper has.

    The CNN and its budget are those of the method `deepmapper`.
    """

    image_size: int | Literal["equal"] = 224
    backbone: str = "patch"
    epochs: int = 10
    learning_rate: float = 2e-3


class DeepInsightConverter(TransformerMixin, BaseEstimator):
    """Features are placed by similarity; those that meet on a pixel are averaged.

    Args:
        extractor: reduces the features, shape (n_features, n_samples), to two dimensions.
        image_size: pixels a side, or "equal".
    """

    looks_at_labels = False

    def __init__(self, extractor: Any, image_size: int | str = 224) -> None:
        self.extractor = extractor
        self.image_size = image_size

    def fit(self, X: np.ndarray, y: object = None) -> Self:
        """Learn normalisation ("norm-2" of the paper) and the place of each feature."""
        from pyDeepInsight import ImageTransformer  # type: ignore[attr-defined]
        from pyDeepInsight.utils import Norm2Scaler  # type: ignore[attr-defined]

        side = square_side(X.shape[1]) if self.image_size == "equal" else int(self.image_size)
        # Norm2Scaler takes the logarithm of negative numbers, hence NaN, where a new value lies
        # more than 1 below the training minimum; it means to cut such values to 0, so cut first.
        self.lowest_ = -np.abs(X.min(axis=0))
        self.scaler_ = Norm2Scaler()
        scaled = self.scaler_.fit_transform(X)
        self.transformer_ = ImageTransformer(self.extractor, pixels=side)
        self.transformer_.fit(scaled)
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Images, float32, (n_samples, 1, side, side), in blocks of rows."""
        images = np.empty((X.shape[0], 1, *self.transformer_.pixels), dtype=np.float32)
        for start in range(0, X.shape[0], BLOCK_ROWS):
            rows = slice(start, start + BLOCK_ROWS)
            scaled = self.scaler_.transform(np.maximum(X[rows], self.lowest_))
            images[rows, 0] = self.transformer_.transform(scaled, img_format="scalar")
        return images

    def to_features(self, pixels: np.ndarray) -> np.ndarray:
        """(..., h, w) -> (..., n_features): features that share a pixel share its value."""
        rows, columns = self.transformer_._coords.T  # pyDeepInsight 0.2 has no public name for it
        return pixels[..., rows, columns]


def build_with(extractor: Any, params: Params, *, device: str, seed: int) -> Pipeline:
    """DeepInsight's images, read by the CNN of the method `deepmapper`."""
    model = NetworkClassifier(
        params.backbone,
        epochs=params.epochs,
        learning_rate=params.learning_rate,
        device=device,
        random_state=seed,
    )
    converter = DeepInsightConverter(extractor, params.image_size)
    return Pipeline([("convert", converter), ("model", model)])
