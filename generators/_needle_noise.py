"""The noise around the needles, drawn without a second matrix of the size of X."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from generators._streams import stream

DEGREES = 3  # of freedom: the smallest whole number with a finite variance
# "blocks": 25 features share a factor; pairs correlate by 0.6, like genes of a tight module.
BLOCK_FEATURES, BLOCK_CORRELATION = 25, 0.6
BLOCK_ROWS = 128  # bounds memory; the numbers do not depend on it


@dataclass(frozen=True)
class Noise:
    """A distribution.

    mean, sd: mean and standard deviation of one value.
    ranks: the distribution function, values -> (0, 1), float64.
    values: its inverse, ranks -> values.
    """

    mean: float
    sd: float
    ranks: Callable[[np.ndarray], np.ndarray]
    values: Callable[[np.ndarray], np.ndarray]


UNIFORM = Noise(
    mean=0.5,
    sd=12**-0.5,
    ranks=lambda x: np.asarray(x, dtype=np.float64),
    values=lambda u: np.minimum(u, np.nextafter(np.float32(1), np.float32(0))),
)
NORMAL = Noise(mean=0.0, sd=1.0, ranks=lambda x: ndtr(x.astype(np.float64)), values=ndtri)
STUDENT = Noise(
    mean=0.0,
    sd=(DEGREES / (DEGREES - 2)) ** 0.5,
    ranks=lambda x: stdtr(DEGREES, x.astype(np.float64)),
    values=lambda u: stdtrit(DEGREES, u),
)
# Fair coins, 0 or 1. Their ranks are the middles of both steps of the distribution function.
COINS = Noise(
    mean=0.5,
    sd=0.5,
    ranks=lambda x: 0.25 + 0.5 * x.astype(np.float64),
    values=lambda u: np.floor(2 * u),
)
# Needles in log-normal noise are made on its logarithm, on which an effect is a fold change. `load`
# takes the exponential at the end. Needles in "blocks" are outside the blocks.
NOISES = {
    "uniform": UNIFORM,
    "normal": NORMAL,
    "lognormal": NORMAL,
    "t": STUDENT,
    "blocks": NORMAL,
    "binary": COINS,
}


def draw(noise: str, n_samples: int, n_features: int, alone: np.ndarray, seed: int) -> np.ndarray:
    """Draw noise, float32 (n_samples, n_features). Log-normal: its logarithm.

    `noise` is a name of NOISES. The features `alone` are outside all blocks of noise="blocks", and
    every pattern of their values is equally frequent in noise="binary".
    """
    rng = stream(seed, "nihs/values")
    X = np.empty((n_samples, n_features), dtype=np.float32)  # 729 MB at 10,000 x 18,225
    if noise in ("uniform", "binary"):
        rng.random(out=X, dtype=np.float32)
    elif noise == "t":
        for rows in _row_blocks(X):  # numpy draws t in float64 only
            rows[:] = rng.standard_t(DEGREES, size=rows.shape)
    else:
        rng.standard_normal(out=X, dtype=np.float32)
    if noise == "blocks":
        _correlate(X, alone, seed)
    if noise == "binary":
        X *= 2
        np.floor(X, out=X)
        X[:, alone] = _balanced_bits(n_samples, len(alone), stream(seed, "needles/patterns"))
    return X


def _balanced_bits(n_samples: int, n_bits: int, rng: np.random.Generator) -> np.ndarray:
    """Return rows of bits in random order. Numbers of equal rows differ by one at most."""
    patterns = rng.permutation(np.arange(n_samples) % 2**n_bits)
    return patterns[:, None] >> np.arange(n_bits) & 1


def _correlate(X: np.ndarray, alone: np.ndarray, seed: int) -> None:
    """Add to each feature, in place, the factor of its block. Blocks are random."""
    rng = stream(seed, "needles/blocks")
    n_features = X.shape[1]
    block = rng.permutation(n_features) // BLOCK_FEATURES
    own = np.full(n_features, (1 - BLOCK_CORRELATION) ** 0.5, dtype=np.float32)
    shared = np.full(n_features, BLOCK_CORRELATION**0.5, dtype=np.float32)
    own[alone], shared[alone] = 1, 0
    for rows in _row_blocks(X):
        factors = rng.standard_normal((len(rows), block.max() + 1), dtype=np.float32)
        rows *= own
        rows += factors[:, block] * shared


def _row_blocks(X: np.ndarray) -> list[np.ndarray]:
    return [X[start : start + BLOCK_ROWS] for start in range(0, len(X), BLOCK_ROWS)]
