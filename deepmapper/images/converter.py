"""Images from a table (scale, then fold), and values of pixels back to features."""

import math
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from deepmapper.images._neighbours import sample_has_neighbourhoods, sample_rows
from deepmapper.images._rows import Scratch, check_rows, dense, map_blocks
from deepmapper.images.layouts import Array, Layout, make_layout, restore_layout
from deepmapper.images.scaling import FeatureScaler
from deepmapper.training.devices import free_bytes, resolve_device

__all__ = ["LAYOUT_VALUES", "FoldedRows", "ImageConverter"]

# Maximum number of values of the rows that learned layouts use: 512 MiB, all 60,000 images of MNIST
# (share of adjacent pixels that stay adjacent: 0.90 with 20,000 images, 0.97 with all).
LAYOUT_VALUES = 1 << 27
MEMORY_SHARE = 0.5  # images that need more than this share of free memory are made on demand
MEAN_VALUES = 1 << 24  # values of images in memory while their mean is computed: 64 MiB


class ImageConverter(TransformerMixin, BaseEstimator):
    """Turn rows into one-channel images in which one feature is one pixel.

    Parameters
    ----------
    layout : str, Layout or int array of shape (n_features,), default="natural"
        "auto", "natural", "random", "learned", a `Layout`, or the pixel of each feature. See
        `deepmapper.images.layouts.make_layout`. "auto" is "natural" with fewer than 200 rows,
        fewer than 256 features that vary or more than 167,772 features.
    log, scale, clip : default="auto", "standard", 5.0
        See `FeatureScaler`.
    stream : bool or "auto", default="auto"
        True makes images when they are indexed (`FoldedRows`), False at once. "auto" streams if
        images need more than half of the device's free memory.
    device : str, default="cpu"
        Device of the images. On a GPU they stay there as a tensor.
    random_state : int, default=0
        Seed of random and learned layouts.

    Attributes
    ----------
    layout_ : Layout
    scaler_ : FeatureScaler
        Learned from the training rows.

    Examples
    --------
    >>> ImageConverter(scale="none").fit_transform([[1, 2, 3], [3, 5, 4]])[1, 0]
    array([[3., 5.],
           [4., 0.]], dtype=float32)
    """

    def __init__(
        self,
        layout: str | Layout | np.ndarray = "natural",
        log: bool | str = "auto",
        scale: str = "standard",
        clip: float | None = 5.0,
        stream: bool | str = "auto",
        device: str = "cpu",
        random_state: int = 0,
    ) -> None:
        self.layout = layout
        self.log = log
        self.scale = scale
        self.clip = clip
        self.stream = stream
        self.device = device
        self.random_state = random_state

    def fit(self, X: Any, y: object = None) -> Self:
        """Learn scaling and layout.

        Parameters
        ----------
        X : array, CSR or memory-mapped file of shape (n_samples, n_features)
        y : ignored

        Returns
        -------
        self : ImageConverter

        Raises
        ------
        DeepMapperError
            The layout, `log` or `scale` is unknown or does not fit the table.
        ValueError
            NaN or infinite values, or wrong shapes (scikit-learn's messages).
        """
        X = check_rows(self, X, reset=True, ensure_all_finite=False)  # the scaler checks values
        return self._fit(X, from_rows=self._layout_needs_rows(X))

    def _fit(self, X: Any, *, from_rows: bool) -> Self:
        self.scaler_ = FeatureScaler(self.log, self.scale, self.clip).learn(X)
        self.layout_ = self._make_layout(X, from_rows=from_rows)
        return self

    def fit_transform(self, X: Any, y: object = None, **fit_params: Any) -> Any:
        """Do `fit`, then `transform`, in fewer sweeps over the table.

        Parameters
        ----------
        X : array, CSR or memory-mapped file of shape (n_samples, n_features)
        y : ignored
        **fit_params : ignored

        Returns
        -------
        float32 array of shape (n_samples, 1, height, width)
            As from `transform`. Errors are those of `fit`.
        """
        X = check_rows(self, X, reset=True, ensure_all_finite=False)  # the scaler checks values
        device = resolve_device(self.device)
        from_rows = self._layout_needs_rows(X)
        if from_rows or self._streams(X, device) or device.type != "cpu":
            return self._fit(X, from_rows=from_rows).transform(X)
        self.layout_ = self._make_layout(X, from_rows=False)
        flat = self._blank(X.shape[0], device)
        self.scaler_ = FeatureScaler(self.log, self.scale, self.clip)
        if self.layout_.is_natural:
            self.scaler_.learn(X, target=flat[:, : X.shape[1]])
        else:
            self.scaler_.learn(X, lambda rows, block: self.layout_.place(flat[rows], block))
        shift, factor = (
            self.layout_.fold(torch.from_numpy(v)[None]).flatten()
            for v in (self.scaler_.shift_, self.scaler_.factor_)
        )
        map_blocks(flat, lambda _, rows: self.scaler_.to_range(flat[rows], shift, factor))
        return flat.view(-1, 1, *self.layout_.shape).numpy()

    def transform(self, X: Any) -> Any:
        """Make images from rows.

        Parameters
        ----------
        X : array, CSR or memory-mapped file of shape (n_samples, n_features)

        Returns
        -------
        float32 array of shape (n_samples, 1, height, width)
            A tensor if the device is not the CPU. A `FoldedRows` if the table streams.
        """
        check_is_fitted(self)
        X = check_rows(self, X, reset=False)
        device = resolve_device(self.device)
        if self._streams(X, device):
            return FoldedRows(X, self.scaler_, self.layout_, device)
        flat = self._blank(X.shape[0], device)

        scratch = Scratch()

        def fold(thread: int, rows: slice) -> None:
            block = dense(X, rows)
            on_cpu = device.type == "cpu"
            scaled = scratch.like(thread, block) if on_cpu else block.to(device, copy=True)
            self.scaler_.scale_into(scaled, block if on_cpu else scaled)
            self.layout_.place(flat[rows], scaled)

        map_blocks(X, fold, 1 if device.type != "cpu" else None)
        images = flat.view(-1, 1, *self.layout_.shape)
        return images.numpy() if device.type == "cpu" else images

    def to_features(self, pixels: Array) -> Array:
        """Convert values of pixels to values of features.

        Parameters
        ----------
        pixels : array or tensor of shape (..., height, width)

        Returns
        -------
        array or tensor of shape (..., n_features)
        """
        check_is_fitted(self)
        return self.layout_.unfold(pixels)

    @property
    def _is_auto(self) -> bool:
        return isinstance(self.layout, str) and self.layout == "auto"

    def _layout_needs_rows(self, X: Any) -> bool:
        if not self._is_auto:
            return isinstance(self.layout, str) and self.layout == "learned"
        rows = sample_rows(X.shape, self.random_state)
        if not len(rows):
            return False
        # `learn` reports missing and infinite values.
        sample = np.nan_to_num(dense(X, rows).numpy(), posinf=0.0, neginf=0.0)
        scaled = FeatureScaler(self.log, self.scale, self.clip).fit_transform(sample)
        return sample_has_neighbourhoods(scaled, self.random_state)

    def _make_layout(self, X: Any, *, from_rows: bool) -> Layout:
        if not from_rows:
            return make_layout(self.layout, X.shape[1], self.random_state)
        rows = np.arange(X.shape[0])
        most = max(2, LAYOUT_VALUES // X.shape[1])
        if len(rows) > most:
            rows = np.random.default_rng(self.random_state).permutation(rows)[:most]
            rows.sort()
        scaled = np.empty((len(rows), X.shape[1]), dtype=np.float32)
        map_blocks(
            scaled,
            lambda _, part: self.scaler_.scale_into(
                torch.from_numpy(scaled[part]), dense(X, rows[part])
            ),
        )
        if self._is_auto:
            return restore_layout(scaled, self.random_state)
        return make_layout(self.layout, X.shape[1], self.random_state, X=scaled)

    def _blank(self, n_samples: int, device: torch.device) -> torch.Tensor:
        """Flat images (n_samples, height * width): padding is zero, the rest is not set.

        On the CPU numpy makes them: it asks for large pages, which halves the time of the first
        touch.
        """
        n_pixels = self.layout_.shape[0] * self.layout_.shape[1]
        if device.type == "cpu":
            flat = torch.from_numpy(np.empty((n_samples, n_pixels), dtype=np.float32))
        else:
            flat = torch.empty((n_samples, n_pixels), device=device)
        padding = np.ones(n_pixels, dtype=bool)
        padding[self.layout_.pixel_of_feature] = False
        flat[:, torch.from_numpy(np.flatnonzero(padding)).to(device)] = 0.0
        return flat

    def _streams(self, X: Any, device: torch.device) -> bool:
        if self.stream != "auto":
            return bool(self.stream)
        free = free_bytes(device)
        return free is not None and 4 * X.shape[0] * X.shape[1] > MEMORY_SHARE * free


class FoldedRows:
    """Images (n_samples, 1, height, width) of a table larger than memory.

    `images[rows]` reads these rows of the table, scales and folds them, and returns a tensor on the
    device. Rows are a slice or a tensor of indices.

    Parameters
    ----------
    X : array, CSR or memory-mapped file of shape (n_samples, n_features)
    scaler : FeatureScaler
        Fitted.
    layout : Layout
    device : torch.device
        Device of the images.
    """

    dtype = torch.float32

    def __init__(self, X: Any, scaler: FeatureScaler, layout: Layout, device: torch.device) -> None:
        self.X = X
        self.scaler = scaler
        self.layout = layout
        self.device = device
        self.shape = (X.shape[0], 1, *layout.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | torch.Tensor) -> torch.Tensor:
        index = rows if isinstance(rows, slice) else np.asarray(rows.cpu())
        block = dense(self.X, index)
        scaled = torch.empty(block.shape, device=self.device)
        self.scaler.scale_into(scaled, block)
        return self.layout.fold(scaled)


class RowsOf:
    """A selection of rows of images, without a copy.

    Parameters
    ----------
    images : tensor of shape (n, ...) or FoldedRows
    rows : int tensor of shape (m,)
        Indices of the rows, on the images' device.
    """

    def __init__(self, images: Any, rows: torch.Tensor) -> None:
        self.images = images
        self.rows = rows
        self.shape = (len(rows), *images.shape[1:])
        self.device = rows.device

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: slice | torch.Tensor) -> torch.Tensor:
        return self.images[self.rows[index]]


def mean_image(images: Any, rows: torch.Tensor) -> torch.Tensor:
    """The mean of these rows, (1, ...): the baseline of attribution."""
    total: Any = 0.0
    block = max(1, min(256, MEAN_VALUES // math.prod(images.shape[1:])))
    for start in range(0, len(rows), block):
        total = total + images[rows[start : start + block]].sum(0, keepdim=True)
    return total / len(rows)
