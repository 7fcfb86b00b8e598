"""How a check goes about it."""

import math
import os
import re
from dataclasses import dataclass

from bench.errors import BenchError, unknown
from bench.regress.pairs import MOST_PAIRS
from bench.regress.rows import EXACT_ROWS, ROWS, Sizes

FEWEST_PAIRS = 7
LARGEST_THRESHOLD = 2.0  # 5, meant as percent, would find nothing
ACCEPTED = (
    "output",
    "peak_numpy",
    "peak_torch",
    "allocated_torch",
    "passes",
    "operators",
    "kernels",
)


@dataclass(frozen=True)
class Settings:
    """How a check goes about it.

    Args:
        threshold: a row is slower from this ratio on.
        rows: only these; all where it is empty.
        pairs: fewest pairs of fresh processes.
        seconds: after so long no pair is begun beyond the fewest, after twice as long none at all;
            rows that are measured again have half of it.
        core: the core to measure on; None is the last that this process may use.
        device: "cpu", "cuda", "cuda:1".
        accept: what is meant: a row, "row.output" or "row.<figure>".
    """

    threshold: float = 1.05
    rows: tuple[str, ...] = ()
    pairs: int = FEWEST_PAIRS
    seconds: float = 200.0
    core: int | None = None
    device: str = "cpu"
    accept: tuple[str, ...] = ()

    def check(self) -> None:
        """Refuse what makes no sense, before anything is done.

        Raises:
            BenchError: an unknown row, figure or device, a threshold that finds nothing, too few
                pairs, or a system without the means.
        """
        known = {**ROWS, **EXACT_ROWS}
        for name in self.rows:
            if name not in known:
                raise unknown(name, "row", known, "--only")
        for name in self.accept:
            row, _, what = name.partition(".")
            if row not in known:
                raise unknown(row, "row", known, "--accept")
            if what and what not in ACCEPTED:
                raise unknown(what, "figure", ACCEPTED, f"--accept {name}")
        if not self.timed():
            message = f"--only {self.rows[0]} leaves nothing to time; add one of {', '.join(ROWS)}"
            raise BenchError(message)
        if math.isnan(self.threshold) or not 1 < self.threshold <= LARGEST_THRESHOLD:
            message = (
                "--threshold is the ratio that counts as slower, above 1 and at most "
                f"{LARGEST_THRESHOLD:g} (1.05 is 5%), got {self.threshold}"
            )
            raise BenchError(message)
        if not FEWEST_PAIRS <= self.pairs <= MOST_PAIRS:
            message = (
                f"--pairs: {FEWEST_PAIRS} (an interval needs {FEWEST_PAIRS} pairs at least) to "
                f"{MOST_PAIRS}, got {self.pairs}"
            )
            raise BenchError(message)
        if not re.fullmatch(r"cpu|cuda(:\d+)?", self.device):
            raise unknown(self.device, "device", ["cpu", "cuda", "cuda:1"], "--device")
        if not hasattr(os, "sched_setaffinity"):
            message = "bench regress needs Linux: it keeps what it measures on one core"
            raise BenchError(message)

    def timed(self) -> dict[str, Sizes]:
        """The rows to time."""
        return {name: ROWS[name] for name in ROWS if not self.rows or name in self.rows}

    def exact(self) -> dict[str, Sizes]:
        """The rows whose figures alone are compared."""
        return {name: EXACT_ROWS[name] for name in EXACT_ROWS if not self.rows or name in self.rows}

    def the_core(self) -> int:
        """The core to measure on."""
        return max(os.sched_getaffinity(0)) if self.core is None else self.core
