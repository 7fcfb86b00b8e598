"""What may be said about numbers from a few seeds: intervals, differences, ranks, fronts.

Two things can go differently next time: the seed (initialisation, batch order, and the split where
it is drawn) and the test rows. Seeds are answered by Student's t interval. Test rows are answered
by the score interval of Wilson (J. Am. Stat. Assoc. 22, 1927), which Brown, Cai and DasGupta
(Statistical Science 16, 2001) recommend for shares near 0 or 1, where accuracies live.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pandas as pd
from scipy import special  # not scipy.stats, which takes a second to import

LEVEL = 0.95  # of every interval on tables and figures

BLOCK = ["dataset_label", "seed"]


@dataclass(frozen=True)
class Estimate:
    """A mean over n seeds; sd is None for one seed, low and high where no interval is known."""

    mean: float
    n: int
    sd: float | None = None
    low: float | None = None
    high: float | None = None

    def within(self, least: float, most: float) -> "Estimate":
        """The same with its interval cut to where the quantity can lie."""
        if self.low is None or self.high is None:
            return self
        return replace(self, low=max(self.low, least), high=min(self.high, most))

    @property
    def half(self) -> float | None:
        """Half the interval's width."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2

    def overlaps(self, other: "Estimate") -> bool:
        """Whether the intervals meet; a missing interval is its mean alone."""
        return _low(self) <= _high(other) and _low(other) <= _high(self)


def _low(estimate: Estimate) -> float:
    return estimate.mean if estimate.low is None else estimate.low


def _high(estimate: Estimate) -> float:
    return estimate.mean if estimate.high is None else estimate.high


def t_interval(values: Sequence[float], level: float = LEVEL) -> tuple[float, float]:
    """Student's t interval of the mean of n >= 2 values: mean +- t(n-1) sd / sqrt(n)."""
    n = len(values)
    if n < 2:
        message = f"a t interval needs two values or more, got {n}: use wilson_interval"
        raise ValueError(message)
    mean, sd = float(np.mean(values)), float(np.std(values, ddof=1))
    half = _student((1 + level) / 2, n - 1) * sd / math.sqrt(n)
    return mean - half, mean + half


@cache
def _student(share: float, freedom: int) -> float:
    return float(special.stdtrit(freedom, share))


@cache
def _normal(share: float) -> float:
    return float(special.ndtri(share))


def wilson_interval(share: float, n: int, level: float = LEVEL) -> tuple[float, float]:
    """Wilson's score interval of a share seen on n rows.

    centre = (share + z^2 / 2n) / (1 + z^2 / n)
    half   = z / (1 + z^2 / n) sqrt(share (1 - share) / n + z^2 / 4n^2)
    """
    if n < 1:
        message = f"a share needs one row or more, got n = {n}"
        raise ValueError(message)
    z = _normal((1 + level) / 2)
    scale = 1 + z**2 / n
    centre = (share + z**2 / (2 * n)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # At 0 and 1 the interval ends exactly there; rounding must not leave the share outside it.
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


def estimate(values: Sequence[float]) -> Estimate | None:
    """Mean, sd and t interval over seeds; no interval for one seed; None for no values."""
    if not len(values):
        return None
    mean = float(np.mean(values))
    if len(values) == 1:
        return Estimate(mean, 1)
    return Estimate(mean, len(values), float(np.std(values, ddof=1)), *t_interval(values))


def accuracy_estimate(values: Sequence[float], n_test: int | None) -> Estimate | None:
    """A mean accuracy with an interval that answers for the seeds and for the test rows.

    One seed: Wilson on its n_test rows. More: the wider of the t interval over seeds and Wilson at
    the mean on the rows of ONE seed, end by end. So a method that does not draw lots, and gives
    the same accuracy with every seed, is not shown as known without error. Seeds are not pooled
    into a larger n: they share test rows. Cautious by intent; ends are kept within 0 and 1.
    """
    plain = estimate(values)
    if plain is None or not n_test:
        return plain
    low, high = wilson_interval(plain.mean, n_test)
    low, high = min(low, _low(plain)), max(high, _high(plain))
    return Estimate(plain.mean, plain.n, plain.sd, max(0.0, low), min(1.0, high))


def level_with_best(estimates: Mapping[str, Estimate]) -> tuple[set[str], set[str]]:
    """The names with the highest mean (ties included), and those whose interval meets theirs."""
    top = max((found.mean for found in estimates.values()), default=0.0)
    best = {name for name, found in estimates.items() if math.isclose(found.mean, top)}
    level = {n for n, e in estimates.items() if any(e.overlaps(estimates[b]) for b in best)}
    return best, level - best


def paired_differences(
    frame: pd.DataFrame, reference: str, metric: str = "accuracy"
) -> pd.DataFrame:
    """Method minus reference, paired by (dataset, seed), over pairs in which both are ok.

    Columns: dataset_label, method_label, n, difference, sd, low, high (t interval of the paired
    differences; null for one pair). Not corrected for the number of comparisons.
    """
    ok = frame[(frame["status"] == "ok") & frame[metric].notna()]
    base = ok[ok["method_label"] == reference].set_index(BLOCK)[metric]
    base = base[~base.index.duplicated()]
    others = ok[ok["method_label"] != reference].join(base.rename("base"), on=BLOCK)
    others = others[others["base"].notna()]
    rows = [
        _difference(str(dataset), str(method), (group[metric] - group["base"]).to_list())
        for (dataset, method), group in others.groupby(["dataset_label", "method_label"])
    ]
    columns = ["dataset_label", "method_label", "n", "difference", "sd", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def _difference(dataset: str, method: str, values: list[float]) -> dict[str, object]:
    found = estimate(values)
    assert found is not None  # a group has at least one pair
    return {
        "dataset_label": dataset,
        "method_label": method,
        "n": found.n,
        "difference": found.mean,
        "sd": found.sd,
        "low": found.low,
        "high": found.high,
    }


def ranks(frame: pd.DataFrame, metric: str = "accuracy") -> pd.Series:
    """The rank of each cell among the methods of its (dataset, seed), 1 best, ties averaged.

    The rule for failures: a cell that failed, timed out, ran out of memory, diverged or was refused
    (`unsupported`) shares the last ranks of its block. A cell that is `unavailable` (something is
    not installed, or the data are missing) says nothing about the method and has no rank (null).
    Nor has a block in which no cell is ok.
    """
    scores = frame[metric].where(frame["status"] == "ok", -np.inf).fillna(-np.inf)
    scores = scores.mask(frame["status"] == "unavailable")
    blocks = [frame[name] for name in BLOCK]
    ranked = scores.groupby(blocks).rank(ascending=False, method="average")
    alive = (scores > -np.inf).groupby(blocks).transform("any")
    return ranked.where(alive.astype(bool))


def mean_ranks(frame: pd.DataFrame, metric: str = "accuracy") -> pd.DataFrame:
    """Columns mean_rank and n_blocks by method label, best first; methods without a rank last."""
    by_method = ranks(frame, metric).groupby(frame["method_label"])
    table = pd.DataFrame({"mean_rank": by_method.mean(), "n_blocks": by_method.count()})
    table["name"] = table.index
    return table.sort_values(["mean_rank", "name"]).drop(columns="name")


def pareto_front(costs: Sequence[float], values: Sequence[float]) -> np.ndarray:
    """Which points (n,) no other point beats: none is as cheap and as good, and better in one."""
    cost, value = np.asarray(costs, dtype=float), np.asarray(values, dtype=float)
    front = np.ones(len(cost), dtype=bool)
    for i in range(len(cost)):
        as_good = (cost <= cost[i]) & (value >= value[i])
        better = (cost < cost[i]) | (value > value[i])
        front[i] = not bool(np.any(as_good & better))
    return front
