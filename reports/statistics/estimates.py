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

from bench.metrics import MAIN

LEVEL = 0.95  # confidence of every interval in tables and figures
DIGITS = 12  # differences are rounded, so that equal means are equal

BLOCK = ["dataset_label", "seed"]
# Words of labels of variants: `x (counts)` has the rows of `x`, and is no other table.
VARIANTS = ("counts", "SORT-seq counts", "shuffled", "transfer", "other speakers", "official")


@dataclass(frozen=True)
class Estimate:
    """A mean over n seeds. `sd` is None for one seed, `low`, `high` and `p` may be None.

    `p` tests whether a difference is 0.
    """

    mean: float
    n: int
    sd: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None

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


def wilson_interval(share: float, n: float) -> tuple[float, float]:
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


def share_estimate(
    values: Sequence[float], n_rows: float | None, overlap: float = 0.0
) -> Estimate | None:
    """Return a mean accuracy with an interval for the seeds and for the test rows.

    The interval is Student's over the seeds (see `t_interval`), joined with Wilson's for `n_rows`
    test rows, so that a deterministic method, with the same accuracy for every seed, still has an
    interval.
    """
    plain = estimate(values, overlap)
    if plain is None or not n_rows:
        return plain
    ends = (*wilson_interval(plain.mean, n_rows), *plain.ends)
    return replace(plain, low=min(ends), high=max(ends)).within(0.0, 1.0)


def even_rows(labels: np.ndarray) -> float:
    """Return the number of rows of equally frequent classes that weigh as much as these rows.

    A balanced accuracy averages K classes of n_k rows. If the classes are predicted equally well,
    its variance is that of a share of K^2 / sum(1 / n_k) rows.

    >>> even_rows(np.array([0, 0, 1, 1])), even_rows(np.array([0, 0, 0, 1]))
    (4.0, 3.0)
    """
    counts = np.unique(labels, return_counts=True)[1]
    return float(len(counts) ** 2 / np.sum(1 / counts))


def correct(p: Sequence[float | None]) -> list[float | None]:
    """Correct p-values for their number (Holm, Scand. J. Stat. 6, 1979). None is no test.

    Examples
    --------
    >>> correct([0.01, None, 0.04, 0.03])
    [0.03, None, 0.06, 0.06]
    """
    tested = [i for i, value in enumerate(p) if value is not None]
    ascending = sorted(tested, key=lambda i: p[i] or 0.0)
    corrected: list[float | None] = [None] * len(p)
    largest = 0.0
    for place, i in enumerate(ascending):
        largest = max(largest, (len(tested) - place) * (p[i] or 0.0))
        corrected[i] = round(min(1.0, largest), DIGITS)
    return corrected


def best_of(means: Mapping[str, float]) -> set[str]:
    """Return the names with the largest mean, up to rounding."""
    top = max(means.values(), default=0.0)
    return {name for name, mean in means.items() if math.isclose(mean, top)}


def base_table(label: str) -> str:
    """Return the table of a variant: `x` of `x (counts)` and `x (50 rows)`, see `VARIANTS`."""
    name, _, word = label.removesuffix(")").partition(" (")
    return name if word in VARIANTS or word.endswith(" rows") else label


def families(frame: pd.DataFrame) -> dict[str, str]:
    """Return each method label -> the entry that stands for its method in ranks.

    It is the entry labelled with the name of the method, else the first label. The others are
    variants of it: other parameters, devices or random choices.
    """
    pairs = frame[["method_label", "method"]].drop_duplicates().astype(str)
    ordered = sorted(pairs.itertuples(index=False), key=lambda p: (p[0] != p[1], p[0]))
    entry_of: dict[str, str] = {}
    return {label: entry_of.setdefault(method, label) for label, method in ordered}


def ranks(frame: pd.DataFrame, measure: str = MAIN, *, lower_is_better: bool = False) -> pd.Series:
    """Rank each cell by a measure within its (dataset, seed), 1 best, ties averaged.

    A cell that failed, timed out, ran out of memory, diverged or was refused (`unsupported`) shares
    the last ranks of its block. The rank is null for a cell that is `unavailable` (a library or the
    data are missing), in a block without an ok cell, and in one of a single cell, which would be
    the first of one.
    """
    values = -frame[measure] if lower_is_better else frame[measure]
    scores = values.where(frame["status"] == "ok", -np.inf).fillna(-np.inf)
    scores = scores.mask(frame["status"] == "unavailable")
    blocks = [frame[name] for name in BLOCK]
    ranked = scores.groupby(blocks).rank(ascending=False, method="average")
    is_compared = scores.groupby(blocks).transform("count") > 1
    is_alive = (scores > -np.inf).groupby(blocks).transform("any").astype(bool)
    return ranked.where(is_alive & is_compared)


def mean_ranks(
    frame: pd.DataFrame, measure: str = MAIN, *, lower_is_better: bool = False
) -> pd.DataFrame:
    """Return the mean ranks of one entry a method (`families`), best first, unranked last.

    A table counts once: ranks are averaged over its seeds and variants, then over tables.

    Returns
    -------
    pandas.DataFrame
        `mean_rank` with failed cells last, `rank_of_ok` over the ok cells, `n_blocks`, `n_failed`,
        by method label.
    """
    is_entry = frame["method_label"].map(families(frame)) == frame["method_label"]
    frame = frame[is_entry]
    of_cells = ranks(frame, measure, lower_is_better=lower_is_better)
    labels, tables = frame["method_label"], frame["dataset_label"].map(base_table)
    is_ok = (frame["status"] == "ok") & frame[measure].notna()

    def mean(of_cells: pd.Series) -> pd.Series:
        return of_cells.groupby([labels, tables]).mean().groupby(level=0).mean()

    columns = {
        "mean_rank": mean(of_cells),
        "rank_of_ok": mean(of_cells.where(is_ok)),
        "n_blocks": of_cells.groupby(labels).count(),
        "n_failed": (of_cells.notna() & ~is_ok).groupby(labels).sum(),
    }
    return pd.DataFrame(columns).sort_index().sort_values("mean_rank", kind="stable")


def pareto_front(costs: Sequence[float], values: Sequence[float]) -> np.ndarray:
    """Mark the points (n,) that no other point beats.

    A point beats another if it is as cheap and as good, and better in one of the two.
    """
    cost, value = np.asarray(costs, dtype=float), np.asarray(values, dtype=float)
    as_good = (cost[:, None] <= cost) & (value[:, None] >= value)
    better = (cost[:, None] < cost) | (value[:, None] > value)
    return np.logical_not((as_good & better).any(axis=0))
