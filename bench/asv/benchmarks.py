"""asv's benchmarks: the rows of `bench regress`, commit by commit."""

import sys
from importlib import import_module
from pathlib import Path

from . import before_forks, harness, workloads
from .figures import figures
from .rows import EXACT_ROWS, ROWS, Sizes
from .workloads import Timed

# Only the engine is installed; the rest of the measured commit lies beside it.
sys.path.append(str(Path(import_module("deepmapper").__path__[0]).parent))
before_forks()  # once, before asv forks

ALL: dict[str, Sizes] = ROWS | EXACT_ROWS
MODULES = {"workloads": workloads, "harness": harness}


def make(row: str) -> Timed:
    """The workload of a row; it has run once, so that what it loads is there."""
    (module, _, function), sizes = ALL[row][0].partition("."), ALL[row][1]
    timed: Timed = getattr(MODULES[module], function)(**sizes)
    timed.once()
    return timed


class Rows:
    """Seconds and peak memory of each row."""

    params = tuple(ROWS)
    param_names = ("row",)
    number = 1  # what a run uses up is made by `setup`

    def setup(self, row: str) -> None:
        self.timed = make(row)
        self.given = self.timed.before()

    def time_run(self, row: str) -> None:
        self.timed.run(self.given)

    peakmem_run = time_run


class Figures:
    """Figures that do not depend on the clock, of the rows that read a table."""

    params = (
        tuple(row for row, (workload, _) in ALL.items() if workload.startswith("workloads.")),
        ("peak_numpy", "peak_torch", "allocated_torch", "passes", "operators"),
    )
    param_names = ("row", "figure")

    def track_figure(self, row: str, figure: str) -> float:
        return figures(make(row))[figure][0]
