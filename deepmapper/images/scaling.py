"""Scaling of features, learned from training rows: log if counts, then a range.

Paper: "Normalise features" (Methods 5), "log normalisation" (Fig. 2).
"""

import math
from collections.abc import Callable
from typing import Any, Self

import numpy as np
import torch
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from deepmapper.errors import DeepMapperError
from deepmapper.images._rows import Scratch, check_rows, dense, map_blocks, split_rows

__all__ = ["FeatureScaler"]

# Counts and expression values spread over orders of magnitude. Grey values and uniform noise do
# not. The largest value is 7 times the mean in MNIST, 2 times in NIHS, above 10,000 times in TCGA.
HEAVY_TAIL = 100.0
# In such tables most features have tails of their own: their largest value is several times their
# mean. In a table of ages with one column of incomes only that column has.
FEATURE_TAIL = 2.5
TAILED_SHARE = 0.1  # of the features, and more than one
TAIL_ROWS, TAIL_VALUES = 128, 1 << 24  # read for this, at most

# Squares of float32 lose digits if the differences of a feature are near this, and more below.
SMALLEST_WIDTH = 1e-15
LARGEST_FACTOR = torch.finfo(torch.float32).max

# Special cases of log1p, enough of them for its vectorised code.
SPECIAL_CASES = torch.tensor([-1.0, -2.0, -0.0]).repeat(32)

# Called with rows and their values, after the log if there is one: (slice, (n_rows, n_features)).
Keep = Callable[[slice, torch.Tensor], None]


class _Statistics:
    """Statistics of blocks of rows: of all values, and of each feature.

    Of all values: minimum, maximum and sum. Of each feature: spread or range. The spread is
    computed from differences to one row of the table, the origin. So the sums stay small, and
    exactly zero for a constant feature. Blocks are summed in float32 and added in float64. Features
    whose squares are too large or too small for float32 are `out_of_range`.
    """

    def __init__(self, origin: torch.Tensor, by_range: bool) -> None:
        self.low, self.high, self.total = math.inf, -math.inf, 0.0
        self.n, self.origin, self.by_range = 0, origin, by_range
        self.lowest, self.highest = origin.clone(), origin.clone()
        self.sum = torch.zeros(len(origin), dtype=torch.float64)
        self.sum_of_squares = torch.zeros(len(origin), dtype=torch.float64)

    def check(self, block: torch.Tensor, rows: slice) -> None:
        """Add a block of the table, (n_rows, n_features). Refuse NaN and infinity."""
        low, high = (float(end) for end in torch.aminmax(block))  # NaN shows in both
        if not math.isfinite(high - low):
            row, column = (~torch.isfinite(block)).nonzero()[0].tolist()
            message = (
                f"the table contains NaN or infinity: first in row {rows.start + row}, feature "
                f"{column} (counted from 0), {float(block[row, column])}; drop or fill such values"
            )
            raise ValueError(message)
        self.low, self.high = min(self.low, low), max(self.high, high)
        total = float(block.sum())  # a block is small enough for float32, if its values are
        self.total += total if math.isfinite(total) else float(block.sum(dtype=torch.float64))

    def add(self, block: torch.Tensor, scratch: torch.Tensor) -> None:
        """Add a block after the log. `scratch`, of its shape, may be the block itself."""
        self.n += len(block)
        if self.by_range:
            torch.minimum(self.lowest, block.amin(0), out=self.lowest)
            torch.maximum(self.highest, block.amax(0), out=self.highest)
            return
        difference = torch.sub(block, self.origin, out=scratch)
        self.sum += difference.sum(0)
        self.sum_of_squares += difference.square_().sum(0)

    def join(self, other: "_Statistics") -> None:
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self.total += other.total
        self.n += other.n
        torch.minimum(self.lowest, other.lowest, out=self.lowest)
        torch.maximum(self.highest, other.highest, out=self.highest)
        self.sum += other.sum
        self.sum_of_squares += other.sum_of_squares

    def shift_and_width(self) -> tuple[torch.Tensor, torch.Tensor]:
        if self.by_range:
            return self.lowest, self.highest - self.lowest
        mean = self.sum / self.n
        variance = (self.sum_of_squares / self.n - mean.square()).clamp(min=0)
        return self.origin + mean, variance.sqrt()

    @property
    def out_of_range(self) -> torch.Tensor:
        """Indices of the features that vary, and whose statistics need float64."""
        if self.by_range:
            return (~torch.isfinite(self.highest - self.lowest)).nonzero()[:, 0]
        varies = (self.sum != 0) | (self.sum_of_squares != 0)
        is_small = self.sum_of_squares < self.n * SMALLEST_WIDTH**2
        is_large = ~torch.isfinite(self.sum_of_squares)
        return (is_large | (is_small & varies)).nonzero()[:, 0]

    @property
    def is_heavy_tailed(self) -> bool:
        """Whether no value is negative and the largest is more than 100 times the mean."""
        mean = self.total / (self.n * len(self.origin))
        return self.low >= 0 and self.high > HEAVY_TAIL * max(mean, 1e-30)


class FeatureScaler(TransformerMixin, BaseEstimator):
    """Scale each feature: log1p (optional), standardise or map to [0, 1], clip.

    Parameters
    ----------
    log : bool or "auto", default="auto"
        "auto": log1p if no value is negative, the largest is more than 100 times the mean, and at
        least a tenth of the features have a value above 2.5 times their own mean.
    scale : {"standard", "minmax", "none"}, default="standard"
        "standard": mean 0, sd 1 over training rows. "minmax": 0 to 1.
    clip : float, default=5.0
        Maximum absolute value of standardised values, in sd. Min-max values are cut to 0..1.

    Attributes
    ----------
    log_ : bool
        Whether log1p is applied.
    shift_, factor_ : float32 array of shape (n_features,)
        A value x becomes (x - shift) * factor. The factor of a feature that is constant on the
        training rows is 0.
    """

    def __init__(
        self, log: bool | str = "auto", scale: str = "standard", clip: float | None = 5.0
    ) -> None:
        self.log = log
        self.scale = scale
        self.clip = clip

    def fit(self, X: Any, y: object = None) -> Self:
        """Learn the scaling.

        Parameters
        ----------
        X : array, CSR or memory-mapped file of shape (n_samples, n_features)
        y : ignored

        Returns
        -------
        self : FeatureScaler

        Raises
        ------
        ValueError
            NaN or infinite values, or wrong shapes (scikit-learn's messages).
        DeepMapperError
            Unknown `log` or `scale`, or `log=True` on values of -1 or less.
        """
        return self.learn(check_rows(self, X, reset=True))

    def transform(self, X: Any) -> np.ndarray:
        """Scale a table.

        Parameters
        ----------
        X : array, CSR or memory-mapped file of shape (n_samples, n_features)

        Returns
        -------
        float32 array of shape (n_samples, n_features)

        Raises
        ------
        DeepMapperError
            `log_` is True, and a value is -1 or less.
        """
        check_is_fitted(self)
        X = check_rows(self, X, reset=False)
        out = np.empty(X.shape, dtype=np.float32)
        map_blocks(X, lambda _, rows: self.scale_into(torch.from_numpy(out[rows]), dense(X, rows)))
        return out

    def learn(self, X: Any, keep: Keep | None = None, target: torch.Tensor | None = None) -> Self:
        """Do `fit` without scikit-learn's checks. The logs can be kept.

        The table is read once: the first block decides whether the values are counts, and the whole
        table confirms it at the end. If it does not, the table is read again.

        Parameters
        ----------
        X : array, CSR or memory-mapped file of shape (n_samples, n_features)
        keep : callable, default=None
            Called with the slice and the logs of every block of rows.
        target : tensor of shape (n_samples, n_features), default=None
            Filled with the logs, which saves a copy.

        Returns
        -------
        self : FeatureScaler

        Raises
        ------
        ValueError, DeepMapperError
            As in `fit`.
        """
        self._check_parameters()
        guess = bool(self.log)
        if self.log == "auto":
            rows = next(iter(split_rows(X)))
            first = _Statistics(torch.empty(X.shape[1]), by_range=True)
            first.check(dense(X, rows), rows)
            first.n = rows.stop - rows.start
            guess = first.is_heavy_tailed and _have_tails(X)
        statistics = self._sweep(X, guess, keep, target)
        if self.log == "auto" and (statistics.is_heavy_tailed and _have_tails(X)) != guess:
            guess = not guess
            statistics = self._sweep(X, guess, keep, target)
        self.log_ = guess
        self.n_features_in_ = X.shape[1]
        shift, width = (value.float() for value in statistics.shift_and_width())
        factor = torch.where(width > 0, 1.0 / width, torch.zeros_like(width))
        if len(columns := statistics.out_of_range):
            shift[columns], factor[columns] = self._in_float64(X, columns)
        self.shift_ = shift.numpy()
        self.factor_ = factor.clamp(max=LARGEST_FACTOR).numpy()
        return self

    def scale_into(self, target: torch.Tensor, block: torch.Tensor) -> None:
        """Write the scaled block into target, on target's device.

        Parameters
        ----------
        target : float32 tensor of shape (n_rows, n_features)
            Changed in place.
        block : tensor of shape (n_rows, n_features)

        Raises
        ------
        DeepMapperError
            `log_` is True, and a value is -1 or less.
        """
        if self.log_ and (low := float(block.min())) <= -1:
            message = (
                f"the table has values down to {low:g}, and the logarithms log(1 + x) that were "
                "learned from the training rows (none was negative) need more than -1. Give the "
                "table in the units of the training rows, or fit with log=False"
            )
            raise DeepMapperError(message)
        if self.log_ and block.device == target.device:
            log1p(block, target)
        else:
            target.copy_(block)
            if self.log_:
                target.log1p_()
        shift, factor = (torch.from_numpy(v).to(target.device) for v in (self.shift_, self.factor_))
        self.to_range(target, shift, factor)

    def to_range(self, logged: torch.Tensor, shift: torch.Tensor, factor: torch.Tensor) -> None:
        """Shift, scale and clip in place.

        Parameters
        ----------
        logged : tensor of shape (n_rows, n)
            Values after the log, changed in place.
        shift, factor : tensor of shape (n,)
            See the attributes `shift_` and `factor_`.
        """
        if self.scale == "none":
            return
        logged.sub_(shift).mul_(factor)
        if self.scale == "minmax":
            logged.clamp_(0.0, 1.0)
        elif self.clip is not None:
            logged.clamp_(-self.clip, self.clip)

    def _sweep(
        self, X: Any, log: bool, keep: Keep | None, target: torch.Tensor | None
    ) -> _Statistics:
        n_threads = torch.get_num_threads()
        origin = dense(X, slice(0, 1))[0]
        origin = log1p(origin, torch.empty_like(origin)) if log else origin.clone()
        parts = [_Statistics(origin, self.scale == "minmax") for _ in range(n_threads)]
        scratch = Scratch()

        def add(thread: int, rows: slice) -> None:
            block = dense(X, rows)
            parts[thread].check(block, rows)
            own = scratch.like(thread, block)
            into = own if target is None else target[rows]
            if log:
                log1p(block, into)
            else:
                into.copy_(block)
            if keep is not None:
                keep(rows, into)
            parts[thread].add(into, own)

        map_blocks(X, add, n_threads)
        for part in parts[1:]:
            parts[0].join(part)
        if self.log is True and parts[0].low <= -1:
            message = f"log1p needs values above -1, got {parts[0].low:g}; use log=False"
            raise DeepMapperError(message)
        return parts[0]

    def _in_float64(self, X: Any, columns: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Shift and factor of some features, by reading the table again."""

        def read(rows: slice) -> torch.Tensor:
            block = dense(X, rows)[:, columns]
            return (block.log1p() if self.log_ else block).double()

        statistics = _Statistics(read(slice(0, 1))[0], self.scale == "minmax")
        for rows in split_rows(X):
            block = read(rows)
            statistics.add(block, block)
        shift, width = statistics.shift_and_width()
        return shift.float(), (1.0 / width).float()

    def _check_parameters(self) -> None:
        if self.log not in (True, False, "auto"):
            message = f"log is True, False or 'auto', got {self.log!r}"
            raise DeepMapperError(message)
        if self.scale not in ("standard", "minmax", "none"):
            message = f"scale is 'standard', 'minmax' or 'none', got {self.scale!r}"
            raise DeepMapperError(message)


def _have_tails(X: Any) -> bool:
    """Whether more than one feature, and a tenth of them, has a value far above its mean.

    X (n_samples, n_features) has no negative value. The first rows decide.
    """
    n, p = X.shape
    values = dense(X, slice(0, min(TAIL_ROWS, n, max(1, TAIL_VALUES // p))))
    mean = values.mean(0)
    n_tailed = int((values.amax(0) > FEATURE_TAIL * mean).sum())
    return n_tailed > min(1, p - 1) and n_tailed >= TAILED_SHARE * int((mean > 0).sum())


def log1p(block: torch.Tensor, into: torch.Tensor) -> torch.Tensor:
    """Write log(1 + block) into memory of the same shape on the CPU.

    torch's log1p loads the results of special cases under a mask. If the page of the library with
    these constants was never read, such a load is slow on AVX-512 (AMD: 23 times the whole
    logarithm) and does not load the page. Real special cases do.
    """
    torch.log1p(SPECIAL_CASES)
    return torch.log1p(block, out=into)


def check_finite(X: Any, names: np.ndarray | None = None) -> None:
    """Raise DeepMapperError if X, dense or CSR, has missing or infinite values.

    The message lists their number, their columns by `names` (default: x0, x1, ...), and remedies.
    """
    values = X.data if sparse.issparse(X) else X
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(values.sum(dtype=np.float64)):
            return
    n_missing, n_infinite = int(np.isnan(values).sum()), int(np.isinf(values).sum())
    if not n_missing + n_infinite:
        return
    bad = ~np.isfinite(values)
    columns = np.unique(X.indices[bad]) if sparse.issparse(X) else np.flatnonzero(bad.any(axis=0))
    first = [f"x{column}" if names is None else str(names[column]) for column in columns[:5]]
    dots = ", ..." if len(columns) > len(first) else ""
    counts = [
        f"{count} {kind}"
        for count, kind in ((n_missing, "missing (NaN)"), (n_infinite, "infinite (infinity)"))
        if count
    ]
    message = (
        f"X contains {' and '.join(counts)} values, in {len(columns)} of {X.shape[1]} columns: "
        f"{', '.join(first)}{dots}. Fill them (sklearn.impute.SimpleImputer), or drop these "
        "columns or their rows"
    )
    raise DeepMapperError(message)
