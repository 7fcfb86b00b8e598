"""A side of a pair: a process that runs the workloads of one revision.

It imports no module of this project by name: `deepmapper`, `bench` and `reports` are those of the
revision that is first on sys.path. It answers orders over a connection:

    ("prepare", row, workload, parameters) -> None
    ("output", row) -> list of arrays
    ("time", row, seconds, n_runs) -> seconds of each run
    ("figures", row) -> {name: (number, inexact)}
    ("release", row) -> None
"""

import gc
import os
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from multiprocessing.connection import Client
from pathlib import Path
from typing import Any

OURS = ("deepmapper", "bench", "reports", "datasets", "generators", "baselines")


def serve(order: dict[str, Any]) -> None:
    """Answer orders until the connection closes.

    `order` has the `path` and the name of the `side`, the `address` of the connection, and the
    `core` to measure on.
    """
    connection = Client(order["address"])
    connection.send(order["side"])
    side = Side(order["path"], order["core"])
    while True:
        try:
            action, *arguments = connection.recv()
        except EOFError:
            return
        try:
            answer = ("done", getattr(side, action)(*arguments))
        except Exception:  # any error ends the check
            answer = ("error", traceback.format_exc())
        connection.send(answer)


class Side:
    """The prepared workloads of a revision with its packages in `path`.

    They are timed on `core`, with one thread.
    """

    def __init__(self, path: list[str], core: int) -> None:
        import torch

        sys.path[:0] = path
        os.chdir(path[-1])
        self._path = [Path(folder).resolve() for folder in path]
        self._workloads: dict[str, Any] = {}
        self._core = core
        torch.set_num_threads(1)

    def prepare(self, row: str, workload: str, parameters: dict[str, Any]) -> None:
        """Make the data of a row and run it once, because the first run loads libraries."""
        module, _, function = workload.partition(".")
        make = getattr(import_module(f"measured.{module}"), function)
        self._workloads[row] = make(**parameters)
        self._workloads[row].run_once()
        self._check_origin()

    def output(self, row: str) -> list[Any]:
        """The output arrays of a run."""
        workload = self._workloads[row]
        return workload.output(workload.run_once())

    def time(self, row: str, seconds: float, n_runs: int) -> list[float]:
        """Time each of `n_runs` runs. If `n_runs` is 0, runs for `seconds`."""
        workload, clock = self._workloads[row], time.perf_counter
        spent: list[float] = []
        with self._undisturbed():
            while len(spent) < n_runs or (not n_runs and sum(spent) < seconds):
                argument = workload.before()
                start = clock()
                result = workload.run(argument)
                spent.append(clock() - start)
                del result, argument
        return spent

    def figures(self, row: str) -> dict[str, tuple[float, float]]:
        """Figures that do not depend on the clock. Empty for a row without a table."""
        if not self._workloads[row].n_bytes:
            return {}
        return import_module("measured.figures").figures(self._workloads[row])

    def release(self, row: str) -> None:
        """Delete the data of a row."""
        del self._workloads[row]

    @contextmanager
    def _undisturbed(self) -> Iterator[None]:
        """Use the measured core, and disable garbage collection."""
        cores = os.sched_getaffinity(0)
        gc.collect()
        gc.disable()
        os.sched_setaffinity(0, {self._core})
        try:
            yield
        finally:
            os.sched_setaffinity(0, cores)
            gc.enable()

    def _check_origin(self) -> None:
        """Refuse packages that are not those of the revision."""
        for name in OURS:
            module = sys.modules.get(name)
            if module is None:
                continue
            folders = [Path(folder).resolve() for folder in module.__path__]
            if not any(f.is_relative_to(root) for f in folders for root in self._path):
                message = f"{name} was not imported from the revision under test"
                raise ImportError(message)
