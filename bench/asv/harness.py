"""The harness itself: store, report, and how soon the command line answers."""

import sys
from importlib import import_module
from pathlib import Path

from .workloads import import_cli, report_build, report_tables, store_append, store_read

# Only the engine is installed; the rest of the commit that is measured lies beside it.
sys.path.append(str(Path(import_module("deepmapper").__path__[0]).parent))


class Append:
    """Records with their arrays, one after the other."""

    def setup(self) -> None:
        self.timed = store_append()

    def time_append(self) -> None:
        self.timed.once()


class Read:
    """All records of a store as a frame."""

    params = (100, 2_000)
    param_names = ("n_records",)

    def setup(self, n_records: int) -> None:
        self.timed = store_read(n_records)

    def time_read(self, _: int) -> None:
        self.timed.once()

    def peakmem_read(self, _: int) -> None:
        self.timed.once()


class Report:
    """The report of 40 cells: its tables alone, and all of it."""

    number = 1
    timeout = 300

    def setup(self) -> None:
        self.tables, self.whole = report_tables(), report_build()

    def time_tables(self) -> None:
        self.tables.once()

    def time_whole(self) -> None:
        self.whole.once()


class CommandLine:
    """A fresh Python that imports the command line."""

    params = ("bench", "deepmapper")
    param_names = ("package",)
    number = 1

    def setup(self, package: str) -> None:
        self.timed = import_cli(package)

    def time_import(self, _: str) -> None:
        self.timed.once()
