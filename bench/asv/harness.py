"""Workloads of the harness: the store, the report, and the import of the CLI."""

import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from .stores import make_cells, make_store
from .workloads import Workload


def store_append(n_records: int = 10) -> Workload:
    """Write records with their arrays, one after the other."""
    from bench.store.store import Store

    folder = tempfile.TemporaryDirectory()
    store = Store(Path(folder.name))
    store.create()
    cells = list(make_cells(n_records))

    def before() -> None:  # the store does not replace a record
        for path in store.cells.iterdir():
            path.unlink()

    def run(_: None) -> Any:
        for record, arrays in cells:
            store.put(record, arrays)
        return store

    def output(store: Any) -> list[np.ndarray]:
        text = "".join(map(str, store.records()))
        stored = store.artifact(cells[0][0]["key"])
        return [np.array(list(text.encode())), *(stored[name] for name in sorted(stored))]

    return Workload(run, before, output=output, keep=folder)


def store_read(n_records: int = 100) -> Workload:
    """Read all records of a store as the frame of results.parquet."""
    from bench.store.store import Store
    from reports.aggregate import results_frame

    folder = make_store(n_records)
    store = Store(Path(folder.name))
    return Workload(
        lambda _: results_frame(store),
        output=lambda frame: [frame["accuracy"].to_numpy()],
        keep=folder,
    )


def report_tables(n_records: int = 40) -> Workload:
    """Make all tables of the report from the stored cells."""
    from bench.store.store import Store
    from reports.results import Results
    from reports.tables.writer import all_views

    folder = make_store(n_records)
    store = Store(Path(folder.name))
    return Workload(
        lambda _: all_views(Results.read(store)),
        output=lambda views: [np.array(list(repr(views).encode()))],
        keep=folder,
    )


def import_cli(module: str = "bench.cli") -> Workload:
    """Import the command line of a package in a fresh Python."""
    root = str(Path(import_module(module.split(".")[0]).__path__[0]).parent)
    code = f"import sys; sys.path.insert(0, {root!r}); import {module}"
    command = [sys.executable, "-I", "-c", code]

    def run(_: None) -> int:
        return subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=60).returncode

    return Workload(run)
