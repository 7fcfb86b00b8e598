"""The settings of a check."""

import os
from dataclasses import dataclass

from bench.asv.rows import EXACT_ROWS, ROWS, Sizes
from bench.errors import BenchError, unknown

ACCEPTED = ("output", "peak_numpy", "peak_torch", "allocated_torch", "passes", "operators")


@dataclass(frozen=True)
class Settings:
    """What a check measures, and for how long.

    Args:
        rows: only these; empty means all.
        seconds: the time after which no pair beyond the fewest begins; after twice that no pair at
            all. Rows that are measured again have half of it.
        accept: intended changes: a row, "row.output" or "row.<figure>".
    """

    rows: tuple[str, ...] = ()
    seconds: float = 200.0
    accept: tuple[str, ...] = ()

    def check(self) -> None:
        """Refuse wrong settings before any work.

        Raises:
            BenchError: an unknown row or figure, no row to time, or a system without affinity.
        """
        known = {**ROWS, **EXACT_ROWS}
        for name in self.rows:
            if name not in known:
                raise unknown(name, "row", known, "--only")
        for name in self.accept:
            row, _, figure = name.partition(".")
            if row not in known:
                raise unknown(row, "row", known, "--accept")
            if figure and figure not in ACCEPTED:
                raise unknown(figure, "figure", ACCEPTED, f"--accept {name}")
        if not self.choose(ROWS):
            message = f"--only {self.rows[0]} leaves nothing to time; add one of {', '.join(ROWS)}"
            raise BenchError(message)
        if not hasattr(os, "sched_setaffinity"):
            message = "bench regress needs Linux: it keeps what it measures on one core"
            raise BenchError(message)

    def choose(self, rows: dict[str, Sizes]) -> dict[str, Sizes]:
        """Those of `rows` that are wanted."""
        return {name: rows[name] for name in rows if not self.rows or name in self.rows}


def measured_core() -> int:
    """The core to measure on: the last that this process may use."""
    return max(os.sched_getaffinity(0))
