"""Statistics of a row: the median of paired ratios, its interval, what it could have seen."""

from dataclasses import dataclass

import numpy as np

N_RESAMPLES = 4_000
LEVEL = 0.95
POWER = 0.9
SEED = 6


@dataclass(frozen=True)
class Estimate:
    """The ratio head / base of a row.

    Args:
        ratio: the median over the pairs.
        low, high: its interval, nominally 95% (percentile bootstrap over the pairs; of 7 pairs it
            is the second lowest to the second highest ratio, which covers 87.5%; of 9, 96%).
        n_pairs: pairs of fresh processes.
        detectable: the smallest slowdown that so many pairs with this spread flag, twice, nine
            times in ten (1.06: 6%).
    """

    ratio: float
    low: float
    high: float
    n_pairs: int
    detectable: float

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2


def estimate(ratios: list[float], threshold: float) -> Estimate:
    """The estimate of a row from its paired ratios head / base.

    >>> e = estimate([1.1, 1.11, 1.09, 1.1, 1.1, 1.12, 1.08], threshold=1.05)
    >>> e.ratio, e.low > 1.05, e.detectable < 1.1
    (1.1, True, True)
    """
    logs = np.log(ratios)
    medians = resampled_medians(logs)
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.exp(np.percentile(medians, [tail, 100 - tail]))
    return Estimate(
        ratio=float(np.exp(np.median(logs))),
        low=float(low),
        high=float(high),
        n_pairs=len(ratios),
        detectable=detectable(medians - np.median(logs), threshold, float(high / low) ** 0.5),
    )


def resampled_medians(logs: np.ndarray) -> np.ndarray:
    """Medians of resamples with replacement, (N_RESAMPLES,)."""
    rng = np.random.default_rng(SEED)
    return np.median(rng.choice(logs, (N_RESAMPLES, len(logs))), axis=1)


def detectable(errors: np.ndarray, threshold: float, half: float) -> float:
    """The smallest true ratio that is flagged, in both rounds, in `POWER` of all checks.

    A slowdown is flagged where the median reaches the threshold and the interval lies above 1; both
    fall short of the truth by the error of the median.

    Args:
        errors: of the logarithm of the median, (n,).
        half: the factor from the median to either end of its interval.
    """
    once = POWER**0.5  # the second round has pairs of its own
    short = np.exp(-np.percentile(errors, 100 * (1 - once)))
    return float(max(threshold, half) * short)


def is_slower(found: Estimate, threshold: float) -> bool:
    """Whether a row is flagged: slower by the threshold or more, and surely slower."""
    return found.ratio >= threshold and found.low > 1


def is_faster(found: Estimate, threshold: float) -> bool:
    return found.ratio <= 1 / threshold and found.high < 1


def is_vague(found: Estimate, threshold: float) -> bool:
    """Whether a slowdown of twice the threshold's cannot be ruled out."""
    return found.high >= 1 + 2 * (threshold - 1)
