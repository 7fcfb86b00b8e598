"""Layouts: the pixel of each feature, and ways to choose it.

One feature is one pixel. Remaining pixels are zero. Paper: Fig. 1 ("padded with zeroes to the
nearest m x n"), Methods 6, Fig. 2 ("the natural order of the data or ... the index that is
generated or supplied").
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import torch

from deepmapper.errors import DeepMapperError
from deepmapper.training.streams import stream

__all__ = ["LAYOUTS", "Array", "Layout", "make_layout", "natural", "square_side"]

LAYOUTS = ("auto", "natural", "random", "learned")
Array = TypeVar("Array", np.ndarray, torch.Tensor)


def square_side(n_features: int) -> int:
    """The side of the smallest square image that holds the features.

    Parameters
    ----------
    n_features : int

    Returns
    -------
    int
        In pixels.

    Examples
    --------
    >>> square_side(19_319), square_side(18_225)
    (139, 135)
    """
    return math.isqrt(n_features - 1) + 1


@dataclass(frozen=True, eq=False)
class Layout:
    """An invertible map from features to the pixels of an image.

    Parameters
    ----------
    pixel_of_feature : int64 array of shape (n_features,)
        The flat index, row by row, of the pixel of each feature. All are different.
    shape : tuple of int
        Height and width of the image.
    name : str, default="given"
        Origin of the layout, for reports.
    quality : float, default=None
        Share of the neighbours that a learned layout keeps together, 0 (random) to 1. None if no
        neighbours are known.

    Raises
    ------
    DeepMapperError
        Two features share a pixel, or a pixel is outside the image.

    Examples
    --------
    >>> layout = Layout(np.arange(3), (2, 2))
    >>> layout.fold(np.array([[1.0, 2.0, 3.0]]))[0, 0].tolist()
    [[1.0, 2.0], [3.0, 0.0]]
    """

    pixel_of_feature: np.ndarray
    shape: tuple[int, int]
    name: str = "given"
    quality: float | None = None

    def __post_init__(self) -> None:
        pixels = np.ascontiguousarray(self.pixel_of_feature, dtype=np.int64)
        height, width = (int(side) for side in self.shape)
        if pixels.ndim != 1 or len(pixels) == 0:
            message = f"a layout needs one pixel a feature, got an array of shape {pixels.shape}"
            raise DeepMapperError(message)
        if pixels.min() < 0 or pixels.max() >= height * width:
            message = (
                f"a layout of {height}x{width} has pixels 0..{height * width - 1}, got "
                f"{pixels.min()}..{pixels.max()}; enlarge `shape` or correct the index"
            )
            raise DeepMapperError(message)
        unique, counts = np.unique(pixels, return_counts=True)
        if len(unique) < len(pixels):
            message = (
                f"{int((counts > 1).sum())} pixels hold more than one feature (the first: pixel "
                f"{unique[counts > 1][0]}); DeepMapper needs one pixel a feature"
            )
            raise DeepMapperError(message)
        object.__setattr__(self, "pixel_of_feature", pixels)
        object.__setattr__(self, "shape", (height, width))

    @cached_property
    def is_natural(self) -> bool:
        """Whether features are in the order of the table."""
        return np.array_equal(self.pixel_of_feature, np.arange(self.n_features))

    @property
    def n_features(self) -> int:
        """Number of features."""
        return len(self.pixel_of_feature)

    def fold(self, X: Array) -> Array:
        """Fold rows into images.

        Parameters
        ----------
        X : array or tensor of shape (n_samples, n_features)

        Returns
        -------
        array or tensor of shape (n_samples, 1, height, width)

        Raises
        ------
        DeepMapperError
            The rows have another number of features.
        """
        if X.ndim != 2 or X.shape[1] != self.n_features:
            message = (
                f"this layout folds rows of {self.n_features} features, got shape {tuple(X.shape)}"
            )
            raise DeepMapperError(message)
        n, (height, width) = X.shape[0], self.shape
        if isinstance(X, torch.Tensor):
            flat = X.new_zeros((n, height * width))
            self.place(flat, X)
            return flat.view(n, 1, height, width)
        images = np.zeros((n, height * width), dtype=X.dtype)
        images[:, self._columns()] = X
        return images.reshape(n, 1, height, width)

    def place(self, flat: torch.Tensor, X: torch.Tensor) -> None:
        """Write rows into flat images.

        Parameters
        ----------
        flat : tensor of shape (n_samples, height * width)
            Changed in place. Pixels without a feature keep their values.
        X : tensor of shape (n_samples, n_features)
        """
        if self.is_natural:
            flat[:, : self.n_features].copy_(X)
        else:
            flat.index_copy_(1, torch.from_numpy(self.pixel_of_feature).to(flat.device), X)

    def unfold(self, images: Array) -> Array:
        """Read the values of features from images.

        Parameters
        ----------
        images : array or tensor of shape (..., height, width)

        Returns
        -------
        array or tensor of shape (..., n_features)

        Raises
        ------
        DeepMapperError
            The images have another shape.
        """
        if tuple(images.shape[-2:]) != self.shape:
            message = f"this layout unfolds images of {self.shape}, got {tuple(images.shape[-2:])}"
            raise DeepMapperError(message)
        flat = images.reshape(*images.shape[:-2], -1)
        if isinstance(flat, torch.Tensor):
            return flat[..., torch.from_numpy(self.pixel_of_feature).to(flat.device)]
        return flat[..., self._columns()]

    def _columns(self) -> slice | np.ndarray:
        return slice(0, self.n_features) if self.is_natural else self.pixel_of_feature


def make_layout(
    layout: "str | Layout | np.ndarray",
    n_features: int,
    seed: int,
    *,
    X: np.ndarray | None = None,
) -> Layout:
    """Make the layout for a name of `LAYOUTS`, a `Layout` or an index of pixels.

    "auto" is "learned" if the features are related as the samples of a signal or the pixels of an
    image are, and "natural" otherwise. It needs at least 200 rows, 256 features that vary and at
    most 167,772 features to be "learned". Labels are not used.

    Parameters
    ----------
    layout : str, Layout or int array of shape (n_features,)
    n_features : int
    seed : int
        Seed of random and learned layouts.
    X : float32 array of shape (n_samples, n_features), default=None
        Scaled training rows, for "learned" and "auto". Without them, "auto" is "natural".

    Returns
    -------
    Layout

    Raises
    ------
    DeepMapperError
        The name is unknown, the layout is for another number of features, or rows are missing.
    """
    if isinstance(layout, str):
        if layout not in LAYOUTS:
            message = (
                f"unknown layout {layout!r}; known: {', '.join(LAYOUTS)}, a Layout or an index"
            )
            raise DeepMapperError(message)
        if layout == "natural":
            return natural(n_features)
        if layout == "random":
            return random(n_features, seed)
        if layout == "auto" and X is None:
            return natural(n_features)
        if X is None or X.ndim != 2 or X.shape[1] != n_features:
            got = "none" if X is None else f"shape {X.shape}"
            message = f"the layout {layout!r} is made from rows of {n_features} features, got {got}"
            raise DeepMapperError(message)
        return learned(X, seed) if layout == "learned" else choose_layout(X, seed)
    if not isinstance(layout, Layout):
        index = np.asarray(layout)
        side = square_side(n_features)
        layout = Layout(index, (side, side), "given")
    if layout.n_features != n_features:
        message = f"the layout holds {layout.n_features} features, the table has {n_features}"
        raise DeepMapperError(message)
    return layout


def natural(n_features: int) -> Layout:
    """Features row by row, in the order of the table, in the smallest square.

    Parameters
    ----------
    n_features : int

    Returns
    -------
    Layout
    """
    side = square_side(n_features)
    return Layout(np.arange(n_features), (side, side), "natural")


def random(n_features: int, seed: int) -> Layout:
    """Features on pixels drawn at random from the whole square, padding included."""
    side = square_side(n_features)
    pixels = stream(seed, "layout").permutation(side * side)[:n_features]
    return Layout(pixels, (side, side), "random")


def learned(X: np.ndarray, seed: int) -> Layout:
    """Related features, by the rows X (n_samples, n_features), side by side.

    Labels are not used. The quality is the share of neighbourhood that is preserved.
    """
    from deepmapper.images._neighbours import feature_graph

    return place_graph(feature_graph(X, seed), seed)


def choose_layout(X: np.ndarray, seed: int) -> Layout:
    """A learned layout if the features form neighbourhoods, and a natural one otherwise."""
    from deepmapper.images import _neighbours

    rows = _neighbours.sample_rows(X.shape, seed)
    if len(rows) and _neighbours.sample_has_neighbourhoods(X[rows], seed):
        return restore_layout(X, seed)
    return natural(X.shape[1])


def restore_layout(X: np.ndarray, seed: int) -> Layout:
    """As `choose_layout`, of a table whose sample has neighbourhoods."""
    from deepmapper.images._neighbours import feature_graph, graph_has_neighbourhoods

    graph = feature_graph(X, seed)
    return place_graph(graph, seed) if graph_has_neighbourhoods(graph) else natural(X.shape[1])


def place_graph(graph: Any, seed: int) -> Layout:
    """A learned layout, from a `FeatureGraph`."""
    from deepmapper.images.placement import neighbour_preservation, place

    shape = (square_side(graph.n_features),) * 2
    cells = place(graph, shape, seed)
    return Layout(cells, shape, "learned", neighbour_preservation(graph, cells, shape))
