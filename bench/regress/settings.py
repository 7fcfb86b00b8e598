"""Settings of a check."""

import os
from dataclasses import dataclass

from bench.asv.rows import EXACT_ROWS, ROWS, Sizes
from bench.errors import BenchError, unknown

ACCEPTED = ("output", "peak_numpy", "peak_torch", "allocated_torch", "passes", "operators")


@dataclass(frozen=True)
class Settings:
    """The rows of a check, its time limit and the intended changes.

    Empty `rows` selects all. After `seconds` only the minimum number of pairs start, after twice
    that no pair. Flagged rows are measured again for half of it. `accept` lists intended changes: a
    row, "row.output" or "row.<figure>".
    """

    rows: tuple[str, ...] = ()
    seconds: float = 200.0
    accept: tuple[str, ...] = ()

    def check(self) -> None:
        """Raise BenchError for an unknown row or figure, no row, or no Linux."""
        all_rows = {**ROWS, **EXACT_ROWS}
        for name in self.rows:
            if name not in all_rows:
                raise unknown(name, "row", all_rows, "--only")
        for name in self.accept:
            row, _, figure = name.partition(".")
            if row not in all_rows:
                raise unknown(row, "row", all_rows, "--accept")
            if figure and figure not in ACCEPTED:
                raise unknown(figure, "figure", ACCEPTED, f"--accept {name}")
        if not self.choose(ROWS):
            message = f"--only {self.rows[0]} leaves nothing to time; add one of {', '.join(ROWS)}"
            raise BenchError(message)
        if not hasattr(os, "sched_setaffinity"):
            message = "bench regress needs Linux: it pins the measured process to a core"
            raise BenchError(message)

    def choose(self, rows: dict[str, Sizes]) -> dict[str, Sizes]:
        """Choose the selected rows."""
        return {name: rows[name] for name in rows if not self.rows or name in self.rows}


def measured_core() -> int:
    """The core to measure on: the last one that this process may use."""
    return max(os.sched_getaffinity(0))
