"""Statistics of numbers from a few seeds: intervals, ranks, fronts.

A result varies with the seed (initialisation, batch order, a drawn split) and with the test rows.
Student's t interval covers the seeds. Wilson's score interval (J. Am. Stat. Assoc. 22, 1927) covers
the test rows. Brown, Cai and DasGupta (Statistical Science 16, 2001) recommend it near 0 and 1.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import special  # not scipy.stats, which takes a second to import

LEVEL = 0.95  # confidence of every interval in tables and figures

BLOCK = ["dataset_label", "seed"]
# Words of labels of variants: `x (counts)` has the rows of `x`, and is no other table.
VARIANTS = ("counts", "shuffled", "transfer")


@dataclass(frozen=True)
class Estimate:
    """A mean over n seeds. `sd` is None for one seed, `low` and `high` may be None."""

    mean: float
    n: int
    sd: float | None = None
    low: float | None = None
    high: float | None = None

    def within(self, least: float, most: float) -> "Estimate":
        if self.low is None or self.high is None:
            return self
        return replace(self, low=max(self.low, least), high=min(self.high, most))

    @property
    def half(self) -> float | None:
        return None if self.low is None or self.high is None else (self.high - self.low) / 2

    @property
    def ends(self) -> tuple[float, float]:
        """The interval, or the mean twice without one."""
        low, high = self.low, self.high
        return (self.mean, self.mean) if low is None or high is None else (low, high)


def t_interval(values: Sequence[float], overlap: float = 0.0) -> tuple[float, float]:
    """Student's t interval of the mean of n >= 2 values: mean +- t(n-1) sd sqrt(1/n + overlap).

    `overlap` is 0 for independent values. For values of splits of the same rows it is n_test /
    n_train, because they share training rows (Nadeau and Bengio, Machine Learning 52, 2003).
    """
    n = len(values)
    if n < 2:
        message = f"a t interval needs at least two values, got {n}. Use wilson_interval."
        raise ValueError(message)
    mean, sd = float(np.mean(values)), float(np.std(values, ddof=1))
    half = float(special.stdtrit(n - 1, (1 + LEVEL) / 2)) * sd * math.sqrt(1 / n + overlap)
    return mean - half, mean + half


def wilson_interval(share: float, n: int) -> tuple[float, float]:
    """Wilson's score interval of a share seen on n rows.

    centre = (share + z^2 / 2n) / (1 + z^2 / n)
    half   = z / (1 + z^2 / n) sqrt(share (1 - share) / n + z^2 / 4n^2)
    """
    if n < 1:
        message = f"a share needs at least one row, got n = {n}"
        raise ValueError(message)
    z = float(special.ndtri((1 + LEVEL) / 2))
    scale = 1 + z**2 / n
    centre = (share + z**2 / (2 * n)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # Rounding must not leave the share outside: at 0 and 1 the interval ends exactly there.
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


def estimate(values: Sequence[float], overlap: float = 0.0) -> Estimate | None:
    """Return mean, sd and t interval over seeds, or None for no values. See `t_interval`."""
    if not len(values):
        return None
    mean = float(np.mean(values))
    if len(values) == 1:
        return Estimate(mean, 1)
    return Estimate(mean, len(values), float(np.std(values, ddof=1)), *t_interval(values, overlap))


def accuracy_estimate(values: Sequence[float], n_test: int | None) -> Estimate | None:
    """Return a mean accuracy with an interval for the seeds and for the test rows.

    The interval is Student's over the seeds, joined with Wilson's for the rows of one seed, so that
    a deterministic method, with the same accuracy for every seed, still has an interval. Seeds are
    not pooled into a larger n, because they share test rows.
    """
    plain = estimate(values)
    if plain is None or not n_test:
        return plain
    ends = (*wilson_interval(plain.mean, n_test), *plain.ends)
    return replace(plain, low=min(ends), high=max(ends)).within(0.0, 1.0)


def best_of(means: Mapping[str, float]) -> set[str]:
    """Return the names with the largest mean, up to rounding."""
    top = max(means.values(), default=0.0)
    return {name for name, mean in means.items() if math.isclose(mean, top)}


def base_table(label: str) -> str:
    """Return the table of a variant: `x` of `x (counts)`, see `VARIANTS`."""
    name, _, word = label.removesuffix(")").partition(" (")
    return name if word in VARIANTS else label


def ranks(
    frame: pd.DataFrame, measure: str = "accuracy", *, lower_is_better: bool = False
) -> pd.Series:
    """Rank each cell by a measure within its (dataset, seed), 1 best, ties averaged.

    A cell that failed, timed out, ran out of memory, diverged or was refused (`unsupported`) shares
    the last ranks of its block. The rank is null for a cell that is `unavailable` (a library or the
    data are missing) and in a block without an ok cell.
    """
    values = -frame[measure] if lower_is_better else frame[measure]
    scores = values.where(frame["status"] == "ok", -np.inf).fillna(-np.inf)
    scores = scores.mask(frame["status"] == "unavailable")
    blocks = [frame[name] for name in BLOCK]
    ranked = scores.groupby(blocks).rank(ascending=False, method="average")
    alive = (scores > -np.inf).groupby(blocks).transform("any")
    return ranked.where(alive.astype(bool))


def mean_ranks(
    frame: pd.DataFrame, measure: str = "accuracy", *, lower_is_better: bool = False
) -> pd.DataFrame:
    """Return mean_rank and n_blocks by method label, best first, unranked last.

    A table counts once: ranks are averaged over its seeds and variants, then over tables.
    """
    of_cells = ranks(frame, measure, lower_is_better=lower_is_better)
    tables = frame["dataset_label"].map(base_table)
    of_tables = of_cells.groupby([frame["method_label"], tables]).mean()
    n_blocks = of_cells.groupby(frame["method_label"]).count()
    means = of_tables.groupby(level=0).mean()
    table = pd.DataFrame({"mean_rank": means, "n_blocks": n_blocks})
    return table.sort_index().sort_values("mean_rank", kind="stable")


def pareto_front(costs: Sequence[float], values: Sequence[float]) -> np.ndarray:
    """Mark the points (n,) that no other point beats.

    A point beats another if it is as cheap and as good, and better in one of the two.
    """
    cost, value = np.asarray(costs, dtype=float), np.asarray(values, dtype=float)
    as_good = (cost[:, None] <= cost) & (value[:, None] >= value)
    better = (cost[:, None] < cost) | (value[:, None] > value)
    return np.logical_not((as_good & better).any(axis=0))
