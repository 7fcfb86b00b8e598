"""From a table to images: scale, then fold; and back from pixels to features."""

from typing import Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from deepmapper.devices import resolve_device
from deepmapper.layout import Array, Layout
from deepmapper.orders import make_layout
from deepmapper.scaling import FeatureScaler, blocks, dense


class ImageConverter(TransformerMixin, BaseEstimator):
    """Rows become one-channel images in which one feature is one pixel.

    Args:
        layout: "natural", "random", a `Layout`, or an index: the pixel of each feature.
        log, scale, clip: see `FeatureScaler`.
        device: where the images are made; on a GPU they stay there as a tensor.
        random_state: seed of the random layout.

    Attributes:
        layout_: the `Layout` in use.
        scaler_: the `FeatureScaler` learned from the training rows.
    """

    looks_at_labels = False

    def __init__(
        self,
        layout: str | Layout | np.ndarray = "natural",
        log: bool | str = "auto",
        scale: str = "standard",
        clip: float | None = 5.0,
        device: str = "cpu",
        random_state: int = 0,
    ) -> None:
        self.layout = layout
        self.log = log
        self.scale = scale
        self.clip = clip
        self.device = device
        self.random_state = random_state

    def fit(self, X: np.ndarray, y: object = None) -> Self:
        """Learn scaling and layout from X, shape (n_samples, n_features); y is not looked at."""
        X = validate_data(self, X, accept_sparse="csr", dtype=np.float32)
        self.scaler_ = FeatureScaler(self.log, self.scale, self.clip).fit(X)
        self.layout_ = make_layout(self.layout, X.shape[1], self.random_state)
        return self

    def transform(self, X: np.ndarray) -> Any:
        """Images, float32, (n_samples, 1, height, width): numpy on the CPU, else a tensor there."""
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype=np.float32, reset=False)
        device = resolve_device(self.device)
        height, width = self.layout_.shape
        flat = torch.zeros((X.shape[0], height * width), device=device)
        for rows in blocks(X):
            block = dense(X[rows])
            scaled = torch.empty(block.shape, device=device)
            self.scaler_.scale_into(scaled, block)
            self.layout_.place(flat[rows], scaled)
        images = flat.view(-1, 1, height, width)
        return images.numpy() if device.type == "cpu" else images

    def to_features(self, pixels: Array) -> Array:
        """Values a feature, (..., n_features), from values a pixel, (..., height, width)."""
        check_is_fitted(self)
        return self.layout_.unfold(pixels)
