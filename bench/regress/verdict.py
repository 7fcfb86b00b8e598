"""The statistics, findings and verdict of a check."""

import math
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

import numpy as np

EXIT_CODES = {"no regression": 0, "regression": 1, "inconclusive": 3}
# 2 is the exit code of every error, i.e. of a check that failed.
RISE = 0.01  # a figure that rises by a smaller fraction is listed and does not fail the check
THRESHOLD = 1.05  # the ratio from which a row is slower
VAGUE = 1 + 2 * (THRESHOLD - 1)
N_RESAMPLES = 4_000
LEVEL = 0.95
POWER = 0.9
SEED = 6


@dataclass(frozen=True)
class Estimate:
    """The ratio head / base of a row: the median over `n_pairs` pairs.

    `low` and `high` are its nominal 95% interval (percentile bootstrap over the pairs). For 7 pairs
    it is the second lowest to the second highest ratio, which covers 87.5%. For 9 it covers 96%.
    `detectable` is the smallest slowdown that would be flagged in both rounds, nine times in ten,
    given the number of pairs and their spread (1.06: 6%).
    """

    ratio: float
    low: float
    high: float
    n_pairs: int
    detectable: float

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2

    @property
    def is_slower(self) -> bool:
        """Whether it is slower by the threshold or more, with an interval above 1."""
        return self.ratio >= THRESHOLD and self.low > 1

    @property
    def is_faster(self) -> bool:
        return self.ratio <= 1 / THRESHOLD and self.high < 1

    @property
    def is_vague(self) -> bool:
        """Whether the interval includes a slowdown of twice the threshold."""
        return self.high >= VAGUE


def estimate(ratios: list[float]) -> Estimate:
    """Estimate the ratio of a row from its paired ratios head / base.

    >>> e = estimate([1.1, 1.11, 1.09, 1.1, 1.1, 1.12, 1.08])
    >>> e.ratio, e.low > 1.05, e.detectable < 1.1
    (1.1, True, True)
    """
    logs = np.log(ratios)
    rng = np.random.default_rng(SEED)
    medians = np.median(rng.choice(logs, (N_RESAMPLES, len(logs))), axis=1)
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.exp(np.percentile(medians, [tail, 100 - tail]))
    return Estimate(
        ratio=float(np.exp(np.median(logs))),
        low=float(low),
        high=float(high),
        n_pairs=len(ratios),
        detectable=_detectable(medians - np.median(logs), float(high / low) ** 0.5),
    )


def _detectable(errors: np.ndarray, half: float) -> float:
    """The smallest true ratio that both rounds flag in `POWER` of all checks.

    A slowdown is flagged if the median reaches the threshold and the interval is above 1. Both
    differ from the true ratio by the error of the median. `errors` are those of its logarithm.
    `half` is the factor from the median to either end of its interval.
    """
    power = POWER**0.5  # of each round: the second round has its own pairs
    margin = np.exp(-np.percentile(errors, 100 * (1 - power)))
    return float(max(THRESHOLD, half) * margin)


@dataclass(frozen=True)
class Figure:
    """A figure of a run that does not depend on the clock, on both sides.

    Differences up to `inexact` are ignored. It is 0 for most figures.
    """

    row: str
    name: str
    base: float
    head: float
    inexact: float = 0.0

    @property
    def changes(self) -> bool:
        return abs(self.head - self.base) > self.inexact

    @property
    def rises(self) -> bool:
        """Whether it rises by 1% or more, and by at least 0.01 tables or operators."""
        return self.changes and self.head - self.base >= max(RISE * self.base, RISE)


@dataclass(frozen=True)
class Row:
    """The measurements of a row.

    `seconds` are the medians of base and head. `first` is the estimate from the first round.
    `again` is that of a flagged row from the second round, or None. `same_output` is whether both
    sides compute the same.
    """

    name: str
    seconds: tuple[float, float]
    first: Estimate
    again: Estimate | None
    same_output: bool

    @property
    def status(self) -> str:
        """slower, faster, vague or same."""
        if self.first.is_slower and self.again and self.again.is_slower:
            return "slower"
        if self.estimate.is_vague:
            return "vague"
        return "faster" if self.estimate.is_faster else "same"

    @property
    def estimate(self) -> Estimate:
        """The estimate that counts: that of the second round, if a row has one."""
        return self.again or self.first


@dataclass(frozen=True)
class Verdict:
    """The result of a check.

    `commits` are those of base and head. `rows` are in the order of `bench.asv.rows.ROWS`.
    `control` is estimated over all its pairs. `exact_same` is whether both sides compute
    the same, for rows that were not timed. `accepted` lists intended changes: a row, "row.output"
    or "row.<figure>". `seconds` is the duration of the check.
    """

    commits: tuple[str, str]
    rows: list[Row]
    control: Estimate
    figures: list[Figure]
    n_expected: int
    seconds: float
    exact_same: dict[str, bool] = field(default_factory=dict)
    accepted: tuple[str, ...] = ()
    environment: dict[str, Any] = field(default_factory=dict)

    @property
    def slower(self) -> list[Row]:
        return [row for row in self.rows if row.status == "slower"]

    @property
    def vague(self) -> list[Row]:
        return [row for row in self.rows if row.status == "vague"]

    @property
    def rises(self) -> list[Figure]:
        return [f for f in self.figures if f.rises and not self._accepts(f.row, f.name)]

    @property
    def other_output(self) -> list[str]:
        """Rows whose result on head differs."""
        same = {row.name: row.same_output for row in self.rows} | self.exact_same
        return [row for row in same if not same[row] and not self._accepts(row, "output")]

    @property
    def control_moved(self) -> bool:
        """Whether the control differs between the sides, or varies too much.

        It differs if it is slower or faster by half of the threshold and its interval excludes 1.
        It varies too much if it could hide a slowdown.
        """
        limit = 1 + (THRESHOLD - 1) / 2
        ratio, low, high = self.control.ratio, self.control.low, self.control.high
        differs = not 1 / limit < ratio < limit and not low <= 1 <= high
        return differs or self.control.is_vague

    @property
    def word(self) -> str:
        """regression, inconclusive or no regression."""
        if self.rises or (self.slower and not self.control_moved):
            return "regression"
        if self.control_moved or self.vague or self.other_output:
            return "inconclusive"
        return "no regression"

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.word]

    @property
    def detectable(self) -> float:
        """The smallest slowdown that this check detects in every row."""
        return max(row.estimate.detectable for row in self.rows)

    @property
    def noise_floor(self) -> tuple[float, float] | None:
        """Median and maximum difference of the rows, if both sides are the same commit."""
        if self.commits[0] != self.commits[1]:
            return None
        differences = [abs(math.log(row.first.ratio)) for row in self.rows]
        return math.exp(median(differences)), math.exp(max(differences))

    def to_dict(self) -> dict[str, Any]:
        """The content of verdict.json."""
        derived = ("detectable", "noise_floor", "control_moved", "other_output")
        return {
            "verdict": self.word,
            "exit_code": self.exit_code,
            "base": self.commits[0],
            "head": self.commits[1],
            "threshold": THRESHOLD,
            "n_rows": len(self.rows),
            "slower": [row.name for row in self.slower],
            "vague": [row.name for row in self.vague],
            "rises": [f"{f.row}.{f.name}" for f in self.rises],
            "rows": {row.name: {"status": row.status, **asdict(row)} for row in self.rows},
            **{name: getattr(self, name) for name in derived},
            **{k: v for k, v in asdict(self).items() if k not in ("commits", "rows")},
        }

    def _accepts(self, row: str, change: str) -> bool:
        return row in self.accepted or f"{row}.{change}" in self.accepted
