"""Scaling of features, learned from training rows: log where the values are counts, then a range.

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
from deepmapper.images._rows import Scratch, blocks, checked, dense, each_block

# Counts and expression values spread over orders of magnitude, grey values and uniform noise do
# not: the largest value is 7 times the mean in MNIST, 2 in NIHS, above 10,000 in TCGA.
HEAVY_TAIL = 100.0

# One of each special case of log1p, so many that they go through its vectorised code.
SPECIAL_CASES = torch.tensor([-1.0, -2.0, -0.0]).repeat(32)

# Takes rows and their values, logged if logs are taken: (slice, (n_rows, n_features)).
Keep = Callable[[slice, torch.Tensor], None]


class FeatureScaler(TransformerMixin, BaseEstimator):
    """Scale each feature: log1p (optional), then standardise or map to [0, 1], then clip.

    Args:
        log: True, False, or "auto": log1p where no value is negative and the largest is more than
            100 times the mean.
        scale: "standard" (mean 0, sd 1 over training rows), "minmax" (0..1) or "none".
        clip: standardised values are cut at this many sd; min-max values are cut to 0..1.

    Attributes:
        log_: whether log1p is applied.
        shift_, factor_: float32, shape (n_features,): a value x becomes (x - shift) * factor.
            The factor of a feature that is constant on the training rows is 0.

    Raises:
        ValueError: NaN or infinite values, wrong shapes (scikit-learn's messages).
        DeepMapperError: unknown `log` or `scale`; `log=True` on values of -1 or less.
    """

    def __init__(
        self, log: bool | str = "auto", scale: str = "standard", clip: float | None = 5.0
    ) -> None:
        self.log = log
        self.scale = scale
        self.clip = clip

    def fit(self, X: Any, y: object = None) -> Self:
        """Learn from X, shape (n_samples, n_features), dense, CSR or a memory-mapped file."""
        return self.learn(checked(self, X, reset=True))

    def transform(self, X: Any) -> np.ndarray:
        """Scaled values, float32, shape (n_samples, n_features)."""
        check_is_fitted(self)
        X = checked(self, X, reset=False)
        out = np.empty(X.shape, dtype=np.float32)
        each_block(X, lambda _, rows: self.scale_into(torch.from_numpy(out[rows]), dense(X, rows)))
        return out

    def learn(self, X: Any, keep: Keep | None = None, target: torch.Tensor | None = None) -> Self:
        """As `fit`, without scikit-learn's checks; the logs that are taken can be had on the way.

        One sweep over the table: whether the values are counts is guessed from the first block and
        checked at the end; only a wrong guess costs a second sweep.

        Args:
            keep: called with every block of rows.
            target: (n_samples, n_features), filled in place of calling `keep`: a copy less.
        """
        self._check_parameters()
        guess = bool(self.log)
        if self.log == "auto":
            first = dense(X, next(iter(blocks(X))))
            guess = _is_heavy_tailed(float(first.min()), float(first.max()), float(first.mean()))
        seen, spread = self._sweep(X, guess, keep, target)
        if self.log == "auto" and _is_heavy_tailed(*spread) != guess:
            guess = not guess
            seen, spread = self._sweep(X, guess, keep, target)
        self.log_ = guess
        self.n_features_in_ = X.shape[1]
        shift, width = seen.shift_and_width()
        self.shift_ = shift.numpy()
        self.factor_ = torch.where(width > 0, 1.0 / width, torch.zeros_like(width)).numpy()
        return self

    def scale_into(self, target: torch.Tensor, block: torch.Tensor) -> None:
        """Write the scaled block into target, both (rows, n_features), on target's device."""
        if self.log_ and block.device == target.device:
            log1p(block, target)
        else:
            target.copy_(block)
            if self.log_:
                target.log1p_()
        shift, factor = (torch.from_numpy(v).to(target.device) for v in (self.shift_, self.factor_))
        self.to_range(target, shift, factor)

    def to_range(self, logged: torch.Tensor, shift: torch.Tensor, factor: torch.Tensor) -> None:
        """Shift, stretch and cut in place: (rows, n) with shift and factor (n,)."""
        if self.scale == "none":
            return
        logged.sub_(shift).mul_(factor)
        if self.scale == "minmax":
            logged.clamp_(0.0, 1.0)
        elif self.clip is not None:
            logged.clamp_(-self.clip, self.clip)

    def _sweep(
        self, X: Any, log: bool, keep: Keep | None, target: torch.Tensor | None
    ) -> tuple[Any, tuple[float, float, float]]:
        """What scaling needs of each feature, and (lowest, highest, mean) of all before the log."""
        n_threads = torch.get_num_threads()
        origin = dense(X, slice(0, 1))[0]
        origin = log1p(origin, torch.empty_like(origin)) if log else origin.clone()
        kind = _Ranges if self.scale == "minmax" else _Moments
        parts: list[Any] = [kind(origin) for _ in range(n_threads)]
        totals = [_Totals() for _ in range(n_threads)]
        scratch = Scratch()

        def look(thread: int, rows: slice) -> None:
            block = dense(X, rows)
            totals[thread].add(block, rows)
            own = scratch.like(thread, block)
            into = own if target is None else target[rows]
            if log:
                log1p(block, into)
            else:
                into.copy_(block)
            if keep is not None:
                keep(rows, into)
            parts[thread].add(into, own)

        each_block(X, look, n_threads)
        for part, total in zip(parts[1:], totals[1:], strict=True):
            parts[0].join(part)
            totals[0].join(total)
        low, high, mean = totals[0].low, totals[0].high, totals[0].sum / (X.shape[0] * X.shape[1])
        if self.log is True and low <= -1:
            message = f"log1p needs values above -1, got {low:g}; use log=False"
            raise DeepMapperError(message)
        return parts[0], (low, high, mean)

    def _check_parameters(self) -> None:
        if self.log not in (True, False, "auto"):
            message = f"log is True, False or 'auto', got {self.log!r}"
            raise DeepMapperError(message)
        if self.scale not in ("standard", "minmax", "none"):
            message = f"scale is 'standard', 'minmax' or 'none', got {self.scale!r}"
            raise DeepMapperError(message)


def log1p(block: torch.Tensor, into: torch.Tensor) -> torch.Tensor:
    """log(1 + block), written into memory of the same shape on the CPU.

    torch's log1p loads the results of special cases under a mask. Where the page of the library
    that holds these constants was never read, such a load is slow on AVX-512 (AMD: 23 times the
    whole logarithm) and does not bring the page in: real special cases do.
    """
    torch.log1p(SPECIAL_CASES)
    return torch.log1p(block, out=into)


def _is_heavy_tailed(low: float, high: float, mean: float) -> bool:
    """Whether no value is negative and the largest is more than 100 times the mean."""
    return low >= 0 and high > HEAVY_TAIL * max(mean, 1e-30)


class _Totals:
    """Lowest and highest value and the sum of all, of blocks of rows; refuses NaN and infinity."""

    def __init__(self) -> None:
        self.low, self.high, self.sum = float("inf"), float("-inf"), 0.0

    def add(self, block: torch.Tensor, rows: slice) -> None:
        low, high = (float(end) for end in torch.aminmax(block))  # NaN shows in both
        if not math.isfinite(high - low):
            raise ValueError(_not_finite(block, rows))
        self.low, self.high = min(self.low, low), max(self.high, high)
        self.sum += float(block.sum())  # a block is small enough for float32

    def join(self, other: "_Totals") -> None:
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self.sum += other.sum


def _not_finite(block: torch.Tensor, rows: slice) -> str:
    row, column = (~torch.isfinite(block)).nonzero()[0].tolist()
    return (
        f"the table contains NaN or infinity: first in row {rows.start + row}, feature {column} "
        f"(counted from 0), {float(block[row, column])}; drop or fill such values first"
    )


def check_finite(X: Any, names: np.ndarray | None = None) -> None:
    """Refuse a table (n_samples, n_features), dense or CSR, with missing or infinite values.

    Args:
        names: of the features, for the message; default: x0, x1, ...

    Raises:
        DeepMapperError: how many values are missing or infinite, in which columns, what to do.
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


class _Moments:
    """Mean and spread a feature, from sums of differences to one row of the table.

    Such differences keep the sums small, and exactly zero where a feature is constant; blocks are
    summed in float32 and added in float64.

    Args:
        origin: that row, (n_features,).
    """

    def __init__(self, origin: torch.Tensor) -> None:
        self.n = 0
        self.origin = origin
        self.sum = torch.zeros(len(origin), dtype=torch.float64)
        self.sum_of_squares = torch.zeros(len(origin), dtype=torch.float64)

    def add(self, block: torch.Tensor, scratch: torch.Tensor) -> None:
        """Take in a block, (n_rows, n_features); scratch, of its shape, may be the block itself."""
        difference = torch.sub(block, self.origin, out=scratch)
        self.sum += difference.sum(0)
        self.sum_of_squares += difference.square_().sum(0)
        self.n += len(block)

    def join(self, other: "_Moments") -> None:
        self.sum += other.sum
        self.sum_of_squares += other.sum_of_squares
        self.n += other.n

    def shift_and_width(self) -> tuple[torch.Tensor, torch.Tensor]:
        mean = self.sum / self.n
        variance = (self.sum_of_squares / self.n - mean.square()).clamp(min=0)
        return (self.origin + mean).float(), variance.sqrt().float()


class _Ranges:
    """Lowest and highest value a feature; used as `_Moments`."""

    def __init__(self, origin: torch.Tensor) -> None:
        self.low, self.high = origin.clone(), origin.clone()

    def add(self, block: torch.Tensor, scratch: torch.Tensor) -> None:
        torch.minimum(self.low, block.amin(0), out=self.low)
        torch.maximum(self.high, block.amax(0), out=self.high)

    def join(self, other: "_Ranges") -> None:
        torch.minimum(self.low, other.low, out=self.low)
        torch.maximum(self.high, other.high, out=self.high)

    def shift_and_width(self) -> tuple[torch.Tensor, torch.Tensor]:
        return self.low, self.high - self.low
