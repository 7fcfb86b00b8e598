"""What a check found, and what it means: one word, one exit code."""

import math
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from bench.regress.ratios import Estimate, is_faster, is_slower, is_vague

EXIT_CODES = {"no regression": 0, "regression": 1, "inconclusive": 3}
# (2 is for a check that failed itself: the command line gives it to every error.)
RISE = 0.01  # figures that rise by less than this share are listed, and do not fail


@dataclass(frozen=True)
class Figure:
    """A figure of one run that does not depend on the clock, on both sides.

    Args:
        inexact: differences up to this are nobody's doing; 0 for most figures.
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
        """By 1% or more, and by a hundredth of a table or an operator at least."""
        return self.changes and self.head - self.base >= max(RISE * self.base, RISE)


@dataclass(frozen=True)
class Row:
    """What was measured of a row.

    Args:
        seconds: the median over the pairs, base's and head's.
        first: from the pairs that every row gets.
        again: from the pairs that it got when it was flagged; None where it was not.
        same_output: whether both sides compute the same.
    """

    name: str
    seconds: tuple[float, float]
    first: Estimate
    again: Estimate | None
    same_output: bool

    def status(self, threshold: float) -> str:
        """slower, faster, vague or same."""
        last = self.again or self.first
        if is_slower(self.first, threshold) and self.again and is_slower(self.again, threshold):
            return "slower"
        if is_vague(last, threshold):
            return "vague"
        return "faster" if is_faster(last, threshold) else "same"

    @property
    def estimate(self) -> Estimate:
        """The one that counts: a flagged row's second, which no choice has favoured."""
        return self.again or self.first


@dataclass(frozen=True)
class Verdict:
    """A whole check.

    Args:
        commits: base's and head's.
        rows: in the order of `bench.regress.rows.ROWS`.
        control: the control's estimate over all of its pairs.
        figures: every figure of every row that has a table.
        exact_same: whether both sides compute the same, of rows that were not timed.
        accepted: what is meant: a row, "row.output" or "row.<figure>".
        seconds: how long the check took.
    """

    commits: tuple[str, str]
    threshold: float
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
        return [row for row in self.rows if row.status(self.threshold) == "slower"]

    @property
    def vague(self) -> list[Row]:
        return [row for row in self.rows if row.status(self.threshold) == "vague"]

    @property
    def rises(self) -> list[Figure]:
        return [f for f in self.figures if f.rises and not self._accepts(f.row, f.name)]

    @property
    def other_output(self) -> list[str]:
        """Rows that compute something else than base."""
        same = {row.name: row.same_output for row in self.rows} | self.exact_same
        return [row for row in same if not same[row] and not self._accepts(row, "output")]

    @property
    def control_moved(self) -> bool:
        """Whether what no change of ours touches differs between the sides.

        By half of what makes a row slower, with an interval that leaves 1 out; or it varies so much
        that it could hide a slowdown.
        """
        limit = 1 + (self.threshold - 1) / 2
        ratio, low, high = self.control.ratio, self.control.low, self.control.high
        off = not 1 / limit < ratio < limit and not low <= 1 <= high
        return off or is_vague(self.control, self.threshold)

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
    def usually_detectable(self) -> float:
        """The same of the median row."""
        return median(row.estimate.detectable for row in self.rows)

    @property
    def noise_floor(self) -> tuple[float, float] | None:
        """What the median row and the worst row differ by where both sides are the same commit."""
        if self.commits[0] != self.commits[1]:
            return None
        off = [abs(math.log(row.first.ratio)) for row in self.rows]
        return math.exp(median(off)), math.exp(max(off))

    def to_dict(self) -> dict[str, Any]:
        """For machines."""
        return {
            "verdict": self.word,
            "exit_code": self.exit_code,
            "base": self.commits[0],
            "head": self.commits[1],
            "threshold": self.threshold,
            "detectable": self.detectable,
            "usually_detectable": self.usually_detectable,
            "noise_floor": self.noise_floor,
            "n_rows": len(self.rows),
            "n_expected": self.n_expected,
            "seconds": round(self.seconds, 1),
            "control_moved": self.control_moved,
            "slower": [row.name for row in self.slower],
            "vague": [row.name for row in self.vague],
            "rises": [f"{f.row}.{f.name}" for f in self.rises],
            "other_output": self.other_output,
            "accepted": list(self.accepted),
            "control": asdict(self.control),
            "rows": {
                row.name: {"status": row.status(self.threshold), **asdict(row)} for row in self.rows
            },
            "exact_same": self.exact_same,
            "figures": [asdict(figure) for figure in self.figures],
            "environment": self.environment,
        }

    def _accepts(self, row: str, what: str) -> bool:
        return row in self.accepted or f"{row}.{what}" in self.accepted
