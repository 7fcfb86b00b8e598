"""A layout: which pixel each feature is. One feature is one pixel; pixels left over are zero.

Paper: Fig. 1 ("padded with zeroes to the nearest m x n"), Methods 6, Fig. 2 ("the natural order
of the data or ... the index that is generated or supplied").
"""

import math
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import torch

from deepmapper.errors import DeepMapperError

Array = TypeVar("Array", np.ndarray, torch.Tensor)


def square_side(n_features: int) -> int:
    """The side of the smallest square image that holds the features.

    >>> square_side(19_319), square_side(18_225)
    (139, 135)
    """
    return math.isqrt(n_features - 1) + 1


@dataclass(frozen=True, eq=False)
class Layout:
    """An invertible map from features to the pixels of an image.

    Args:
        pixel_of_feature: int64, shape (n_features,): the flat index, row by row, of the pixel that
            each feature is; all different.
        shape: (height, width) of the image.
        name: how the layout came about, for reports.
        quality: `placement.neighbour_preservation` of a learned layout, 0 (random) to 1; None
            where no neighbours are known.

    Raises:
        DeepMapperError: two features on one pixel, or a pixel outside the image.
    """

    pixel_of_feature: np.ndarray
    shape: tuple[int, int]
    name: str = "given"
    quality: float | None = None
    is_natural: bool = field(init=False, repr=False, default=False)

    def __post_init__(self) -> None:
        pixels = np.ascontiguousarray(self.pixel_of_feature, dtype=np.int64)
        height, width = (int(side) for side in self.shape)
        if pixels.ndim != 1 or len(pixels) == 0:
            message = f"a layout needs one pixel a feature, got an array of shape {pixels.shape}"
            raise DeepMapperError(message)
        if pixels.min() < 0 or pixels.max() >= height * width:
            message = (
                f"a layout of {height}x{width} has pixels 0..{height * width - 1}, got "
                f"{pixels.min()}..{pixels.max()}; enlarge `shape` or mend the index"
            )
            raise DeepMapperError(message)
        taken, counts = np.unique(pixels, return_counts=True)
        if len(taken) < len(pixels):
            message = (
                f"{int((counts > 1).sum())} pixels hold more than one feature (the first: pixel "
                f"{taken[counts > 1][0]}); DeepMapper needs one pixel a feature"
            )
            raise DeepMapperError(message)
        object.__setattr__(self, "pixel_of_feature", pixels)
        object.__setattr__(self, "shape", (height, width))
        natural = len(pixels) == taken[-1] + 1 and bool((np.diff(pixels) == 1).all())
        object.__setattr__(self, "is_natural", natural)

    @property
    def n_features(self) -> int:
        return len(self.pixel_of_feature)

    def fold(self, X: Array) -> Array:
        """Images, shape (n_samples, 1, height, width), from rows of shape (n_samples, p).

        >>> Layout(np.arange(3), (2, 2)).fold(np.array([[1.0, 2.0, 3.0]]))[0, 0].tolist()
        [[1.0, 2.0], [3.0, 0.0]]
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
        flat_array = np.zeros((n, height * width), dtype=X.dtype)
        flat_array[:, self._columns()] = X
        return flat_array.reshape(n, 1, height, width)

    def place(self, flat: torch.Tensor, X: torch.Tensor) -> None:
        """Write rows (n, n_features) into flat images (n, height * width)."""
        if self.is_natural:
            flat[:, : self.n_features].copy_(X)
        else:
            flat.index_copy_(1, torch.from_numpy(self.pixel_of_feature).to(flat.device), X)

    def unfold(self, images: Array) -> Array:
        """Values a feature, shape (..., n_features), from images of shape (..., height, width)."""
        if tuple(images.shape[-2:]) != self.shape:
            message = f"this layout unfolds images of {self.shape}, got {tuple(images.shape[-2:])}"
            raise DeepMapperError(message)
        flat = images.reshape(*images.shape[:-2], -1)
        if isinstance(flat, torch.Tensor):
            return flat[..., torch.from_numpy(self.pixel_of_feature).to(flat.device)]
        return flat[..., self._columns()]

    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold of it; `from_dict` gives it back."""
        return {
            "name": self.name,
            "shape": list(self.shape),
            "quality": self.quality,
            "pixel_of_feature": self.pixel_of_feature.tolist(),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Layout":
        """The layout that `to_dict` described."""
        pixels = np.asarray(data["pixel_of_feature"], dtype=np.int64)
        return cls(pixels, tuple(data["shape"]), data["name"], data.get("quality"))

    def _columns(self) -> slice | np.ndarray:
        return slice(0, self.n_features) if self.is_natural else self.pixel_of_feature
