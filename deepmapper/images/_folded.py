"""Images that are made when they are asked for: for a table larger than memory."""

import math
from typing import Any

import numpy as np
import torch

from deepmapper.images._rows import dense
from deepmapper.images.layouts import Layout
from deepmapper.images.scaling import FeatureScaler

MEAN_VALUES = 1 << 24  # values of images in memory at a time while their mean is taken: 64 MiB


class FoldedRows:
    """Behaves like a tensor of images, (n_samples, 1, height, width), that is only ever indexed.

    `images[rows]` reads these rows of the table, scales and folds them, and gives a tensor on the
    device. Rows are a slice or a tensor of indices.
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
        which = rows if isinstance(rows, slice) else np.asarray(rows.cpu())
        block = dense(self.X, which)
        scaled = torch.empty(block.shape, device=self.device)
        self.scaler.scale_into(scaled, block)
        return self.layout.fold(scaled)


class RowsOf:
    """Some rows of images, in a given order, without a copy of them.

    Args:
        images: a tensor (n, ...) or `FoldedRows`.
        rows: indices of the rows, (m,), on the images' device.
    """

    def __init__(self, images: Any, rows: torch.Tensor) -> None:
        self.images = images
        self.rows = rows
        self.shape = (len(rows), *images.shape[1:])
        self.device = rows.device

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, which: slice | torch.Tensor) -> torch.Tensor:
        return self.images[self.rows[which]]


def mean_image(images: Any, rows: torch.Tensor) -> torch.Tensor:
    """The mean of some rows, (1, ...): what attribution takes for an image that says nothing."""
    total: Any = 0.0
    block = max(1, min(256, MEAN_VALUES // math.prod(images.shape[1:])))
    for start in range(0, len(rows), block):
        total = total + images[rows[start : start + block]].sum(0, keepdim=True)
    return total / len(rows)
