"""The statistics of a check, its findings, and its verdict: one word, one exit code."""

import math
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

import numpy as np

EXIT_CODES = {"no regression": 0, "regression": 1, "inconclusive": 3}
# 2 is for a check that failed itself: the exit code of every error.
RISE = 0.01  # figures that rise by less than this share are listed, and do not fail
THRESHOLD = 1.05  # the ratio from which a row is slower
TWICE = 1 + 2 * (THRESHOLD - 1)
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
        detectable: the smallest slowdown that this number of pairs with this spread flags, twice,
            nine times in ten (1.06: 6%).
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
        """Slower by the threshold or more, with an interval above 1."""
        return self.ratio >= THRESHOLD and self.low > 1

    @property
    def is_faster(self) -> bool:
        return self.ratio <= 1 / THRESHOLD and self.high < 1

    @property
    def is_vague(self) -> bool:
        """Whether twice the threshold's slowdown cannot be ruled out."""
        return self.high >= TWICE


def estimate(ratios: list[float]) -> Estimate:
    """The estimate of a row from its paired ratios head / base.

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
    """The smallest true ratio that is flagged, in both rounds, in `POWER` of all checks.

    A slowdown is flagged if the median reaches the threshold and the interval lies above 1. Both
    fall short of the truth by the error of the median.

    Args:
        errors: of the logarithm of the median, (n,).
        half: the factor from the median to either end of its interval.
    """
    once = POWER**0.5  # the second round has pairs of its own
    short = np.exp(-np.percentile(errors, 100 * (1 - once)))
    return float(max(THRESHOLD, half) * short)


@dataclass(frozen=True)
class Figure:
    """A figure of one run that does not depend on the clock, on both sides.

    Args:
        inexact: differences up to this mean nothing; 0 for most figures.
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
        """By 1% or more, and at least by a hundredth of a table or an operator."""
        return self.changes and self.head - self.base >= max(RISE * self.base, RISE)


@dataclass(frozen=True)
class Row:
    """What was measured of a row.

    Args:
        seconds: the median over the pairs, base's and head's.
        first: from the pairs that every row gets.
        again: from the further pairs of a flagged row; None for the others.
        same_output: whether both sides compute the same.
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
        """The estimate that counts: of a flagged row the second, which was not selected."""
        return self.again or self.first


@dataclass(frozen=True)
class Verdict:
    """A whole check.

    Args:
        commits: base's and head's.
        rows: in the order of `bench.asv.rows.ROWS`.
        control: the control's estimate over all of its pairs.
        figures: every figure of every row that has a table.
        exact_same: whether both sides compute the same, of rows that were not timed.
        accepted: intended changes: a row, "row.output" or "row.<figure>".
        seconds: the time that the check took.
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
        """Rows that compute a different result on head."""
        same = {row.name: row.same_output for row in self.rows} | self.exact_same
        return [row for row in same if not same[row] and not self._accepts(row, "output")]

    @property
    def control_moved(self) -> bool:
        """Whether the control differs between the sides, or varies too much.

        It differs by half of what makes a row slower, with an interval that leaves 1 out; or it
        varies enough to hide a slowdown.
        """
        limit = 1 + (THRESHOLD - 1) / 2
        ratio, low, high = self.control.ratio, self.control.low, self.control.high
        off = not 1 / limit < ratio < limit and not low <= 1 <= high
        return off or self.control.is_vague

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
        """The smallest slowdown that would have been found in any row (the worst row's)."""
        return max(row.estimate.detectable for row in self.rows)

    @property
    def noise_floor(self) -> tuple[float, float] | None:
        """Differences of the median and the worst row if both sides are the same commit."""
        if self.commits[0] != self.commits[1]:
            return None
        off = [abs(math.log(row.first.ratio)) for row in self.rows]
        return math.exp(median(off)), math.exp(max(off))

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
