"""Workloads of the harness: the store, the report, and the start of a command line."""

import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from .stores import filled_store, made_up
from .workloads import Timed


def store_append(n_records: int = 10) -> Timed:
    """Write records with their arrays, one after the other."""
    from bench.store.store import Store

    folder = tempfile.TemporaryDirectory()
    store = Store(Path(folder.name))
    store.create()
    cells = list(made_up(n_records))

    def before() -> None:  # a record that exists is not replaced
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

    return Timed(run, before, output=output, keep=folder)


def store_read(n_records: int = 100) -> Timed:
    """Read all records of a store as the frame of results.parquet."""
    from bench.store.store import Store
    from reports.aggregate import results_frame

    folder = filled_store(n_records)
    store = Store(Path(folder.name))
    return Timed(
        lambda _: results_frame(store),
        output=lambda frame: [frame["accuracy"].to_numpy()],
        keep=folder,
    )


def report_tables(n_records: int = 40) -> Timed:
    """All tables of the report, from the stored cells."""
    from bench.store.store import Store
    from reports.results import Results
    from reports.tables import all_views

    folder = filled_store(n_records)
    store = Store(Path(folder.name))
    return Timed(
        lambda _: all_views(Results.read(store)),
        output=lambda views: [np.array(list(repr(views).encode()))],
        keep=folder,
    )


def import_cli(module: str = "bench.cli") -> Timed:
    """A fresh Python that imports the command line of a package of ours, and nothing else."""
    root = str(Path(import_module(module.split(".")[0]).__path__[0]).parent)
    code = f"import sys; sys.path.insert(0, {root!r}); import {module}"
    words = [sys.executable, "-I", "-c", code]

    def run(_: None) -> int:
        return subprocess.run(words, check=True, stdin=subprocess.DEVNULL, timeout=60).returncode

    return Timed(run)
