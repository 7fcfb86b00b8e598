"""Tests of a class against the rest, on tables and on images, in blocks of rows."""

import math
from typing import Any

import numpy as np
import torch
from scipy import stats

__all__ = ["Flat", "contrast_z", "one_hot", "p_of_z", "z_of_p"]

ROUNDING = 1e-6  # relative
LARGEST_Z = 37.0  # beyond it the normal tail is 0 in double precision
BLOCK = 1024  # maximum rows of a block
# Maximum number of values of a block of rows. In double precision 4 MiB stay in the cache. Blocks
# of a file are larger, so that few chunks of the file are read twice.
BLOCK_VALUES, READ_VALUES = 1 << 19, 1 << 22


class Flat:
    """Rows of X as (n_rows, n_features)."""

    def __init__(self, X: Any) -> None:
        self.X = X

    def __getitem__(self, rows: slice | torch.Tensor) -> torch.Tensor:
        return self.X[rows].flatten(1)

    def blocks(self, n_rows: int, fewest: int = 1) -> list[slice]:
        """Slices of rows, each of at least `fewest`."""
        in_memory = isinstance(getattr(self.X, "images", self.X), torch.Tensor)
        n_values = BLOCK_VALUES if in_memory else READ_VALUES
        step = max(fewest, min(BLOCK, n_values // math.prod(self.X.shape[1:])))
        return [slice(start, min(start + step, n_rows)) for start in range(0, n_rows, step)]


def contrast_z(
    means: torch.Tensor, variance: torch.Tensor, n_per_class: torch.Tensor
) -> np.ndarray:
    """|z| of class mean minus mean of the rest, (n_classes, n_columns).

    Two classes have one row. `means` are (n_classes, n_columns). `variance`, (n_columns,), is the
    variance within classes before the correction for the degrees of freedom.
    """
    n = n_per_class.sum()
    freedom = max(float(n - (n_per_class > 0).sum()), 1.0)
    rest = (n - n_per_class).clamp(min=1)[:, None]
    total = (n_per_class[:, None] * means).sum(0)
    difference = means - (total - n_per_class[:, None] * means) / rest
    standard_error = (
        variance * (n / freedom) * (1 / n_per_class.clamp(min=1)[:, None] + 1 / rest)
    ).sqrt()
    # Without variance within classes a difference beyond rounding is certain.
    differs = difference.abs() > ROUNDING * means.abs().amax(0)
    certain = torch.where(differs, math.inf, 0.0)
    t = torch.where(standard_error > 0, difference / standard_error, certain).abs()
    if len(means) == 2:  # both rows are the same test
        t = t[:1]
    return z_of_p(2 * stats.t.sf(t.numpy(), freedom))


def one_hot(codes: torch.Tensor, n_classes: int) -> torch.Tensor:
    return torch.nn.functional.one_hot(codes, n_classes).float()


def p_of_z(z: np.ndarray) -> np.ndarray:
    """Two-sided p-values of absolute z-scores."""
    return 2 * stats.norm.sf(np.minimum(z, LARGEST_Z))


def z_of_p(p: np.ndarray) -> np.ndarray:
    """Absolute z-scores of two-sided p-values. Values above 1 count as 1."""
    return np.minimum(stats.norm.isf(np.clip(p, 0.0, 1.0) / 2), LARGEST_Z)
