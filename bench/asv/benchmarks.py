"""asv's benchmarks: the rows of `bench regress`, commit by commit."""

import sys
from importlib import import_module
from pathlib import Path

from . import before_forks, harness, workloads
from .figures import figures
from .rows import EXACT_ROWS, ROWS, Sizes
from .workloads import Workload

# Only the engine is installed. The rest of the measured commit is beside it.
sys.path.append(str(Path(import_module("deepmapper").__path__[0]).parent))
before_forks()  # once, before asv forks

ALL: dict[str, Sizes] = ROWS | EXACT_ROWS
MODULES = {"workloads": workloads, "harness": harness}


def make(row: str) -> Workload:
    """Make the workload of a row and run it once, to load libraries."""
    (module, _, function), sizes = ALL[row][0].partition("."), ALL[row][1]
    workload: Workload = getattr(MODULES[module], function)(**sizes)
    workload.run_once()
    return workload


class Rows:
    """Seconds and peak memory of each row."""

    params = tuple(ROWS)
    param_names = ("row",)
    number = 1  # `setup` makes new input for each run

    def setup(self, row: str) -> None:
        self.workload = make(row)
        self.argument = self.workload.before()

    def time_run(self, row: str) -> None:
        self.workload.run(self.argument)

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
