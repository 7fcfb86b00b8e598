"""Scaling of features, learned from training rows: log where the values are counts, then a range.

Paper: "Normalise features" (Methods 5), "log normalisation" (Fig. 2).
"""

from collections.abc import Iterator
from typing import Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from deepmapper.errors import DeepMapperError

# Counts and expression values spread over orders of magnitude, grey values and uniform noise do
# not: the largest value is 7 times the mean in MNIST, 2 in NIHS, above 10,000 in TCGA.
HEAVY_TAIL = 100.0
BLOCK_BYTES = 4 << 20  # a block and its result stay in the cache


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

    def fit(self, X: np.ndarray, y: object = None) -> Self:
        """Learn from X, shape (n_samples, n_features), dense or CSR."""
        X = validate_data(self, X, accept_sparse="csr", dtype=np.float32)
        self._check_parameters()
        self.log_ = is_heavy_tailed(X) if self.log == "auto" else bool(self.log)
        if self.log_ and X.min() <= -1:
            message = f"log1p needs values above -1, got {X.min():g}; use log=False"
            raise DeepMapperError(message)
        moments = _Moments(X.shape[1])
        for rows in blocks(X):
            block = dense(X[rows]).clone()
            moments.add(block.log1p_() if self.log_ else block)
        self.shift_, self.factor_ = moments.shift_and_factor(self.scale)
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Scaled values, float32, shape (n_samples, n_features)."""
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype=np.float32, reset=False)
        out = np.empty(X.shape, dtype=np.float32)
        for rows in blocks(X):
            self.scale_into(torch.from_numpy(out[rows]), dense(X[rows]))
        return out

    def scale_into(self, target: torch.Tensor, block: torch.Tensor) -> None:
        """Write the scaled block into target, both (rows, n_features), on target's device."""
        target.copy_(block)
        if self.log_:
            target.log1p_()
        if self.scale == "none":
            return
        target.sub_(torch.from_numpy(self.shift_).to(target.device))
        target.mul_(torch.from_numpy(self.factor_).to(target.device))
        if self.scale == "minmax":
            target.clamp_(0.0, 1.0)
        elif self.clip is not None:
            target.clamp_(-self.clip, self.clip)

    def _check_parameters(self) -> None:
        if self.log not in (True, False, "auto"):
            message = f"log is True, False or 'auto', got {self.log!r}"
            raise DeepMapperError(message)
        if self.scale not in ("standard", "minmax", "none"):
            message = f"scale is 'standard', 'minmax' or 'none', got {self.scale!r}"
            raise DeepMapperError(message)


def is_heavy_tailed(X: np.ndarray) -> bool:
    """Whether no value is negative and the largest is more than 100 times the mean."""
    return bool(X.min() >= 0 and X.max() > HEAVY_TAIL * max(float(X.mean()), 1e-30))


def blocks(X: np.ndarray) -> Iterator[slice]:
    """Slices of rows, each a few megabytes."""
    n_samples, n_features = X.shape
    step = max(1, BLOCK_BYTES // (4 * n_features))
    for start in range(0, n_samples, step):
        yield slice(start, min(start + step, n_samples))


def dense(block: np.ndarray) -> torch.Tensor:
    """A block of rows as a dense float32 tensor; shares memory where the block allows it."""
    array = block if isinstance(block, np.ndarray) else block.toarray()
    return torch.from_numpy(array if array.flags.writeable else array.copy())


class _Moments:
    """Running mean, squared deviation, minimum and maximum a feature (Chan et al. 1979)."""

    def __init__(self, n_features: int) -> None:
        self.n = 0
        self.mean = torch.zeros(n_features, dtype=torch.float64)
        self.deviation = torch.zeros(n_features, dtype=torch.float64)
        self.low = torch.full((n_features,), torch.inf)
        self.high = torch.full((n_features,), -torch.inf)

    def add(self, block: torch.Tensor) -> None:
        n = block.shape[0]
        variance, mean = torch.var_mean(block, dim=0, correction=0)
        delta = mean.double() - self.mean
        total = self.n + n
        self.deviation += variance.double() * n + delta**2 * (self.n * n / total)
        self.mean += delta * (n / total)
        self.n = total
        torch.minimum(self.low, block.amin(0), out=self.low)
        torch.maximum(self.high, block.amax(0), out=self.high)

    def shift_and_factor(self, scale: str) -> tuple[np.ndarray, np.ndarray]:
        spread = self.high - self.low
        if scale == "minmax":
            shift, width = self.low, spread
        else:
            shift, width = self.mean.float(), (self.deviation / self.n).sqrt().float()
        varies = (spread > 0) & (width > 0)
        factor = torch.where(varies, 1.0 / width, torch.zeros_like(width))
        return shift.numpy(), factor.numpy()
