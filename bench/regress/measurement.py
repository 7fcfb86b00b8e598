"""One side of a pair: a process with one revision on its path that obeys orders.

It imports nothing of ours by name: `deepmapper`, `bench` and `reports` are those of the revision
that is first on the path. Orders come over a connection, and each gets an answer:

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
    """Obey until the connection closes.

    Args:
        order: `path` (folders to put first), `address` of the connection, `side` (its name),
            `core` (to be timed on).
    """
    connection = Client(order["address"])
    connection.send(order["side"])
    side = Side(order["path"], order["core"])
    while True:
        try:
            action, *words = connection.recv()
        except EOFError:
            return
        try:
            answer = ("done", getattr(side, action)(*words))
        except Exception:  # the check ends with it, whatever it is
            answer = ("error", traceback.format_exc())
        connection.send(answer)


class Side:
    """The prepared workloads of one revision.

    Args:
        path: folders that hold its packages; they come first.
        core: the core to be timed on, with one thread.
    """

    def __init__(self, path: list[str], core: int) -> None:
        import torch

        sys.path[:0] = path
        os.chdir(path[-1])
        self._path = [Path(folder).resolve() for folder in path]
        self._timed: dict[str, Any] = {}
        self._core = core
        torch.set_num_threads(1)

    def prepare(self, row: str, workload: str, parameters: dict[str, Any]) -> None:
        """Make the data of a row and run it once: the first run pays for what is loaded then."""
        module, _, function = workload.partition(".")
        make = getattr(import_module(f"measured.{module}"), function)
        self._timed[row] = make(**parameters)
        self._timed[row].once()
        self._check_origin()

    def output(self, row: str) -> list[Any]:
        """The arrays that a run gives."""
        timed = self._timed[row]
        return timed.output(timed.once())

    def time(self, row: str, seconds: float, n_runs: int) -> list[float]:
        """Seconds of each of `n_runs` runs; if `n_runs` is 0, of runs for `seconds`."""
        timed, clock = self._timed[row], time.perf_counter
        spent: list[float] = []
        with self._undisturbed():
            while len(spent) < n_runs or (not n_runs and sum(spent) < seconds):
                given = timed.before()
                start = clock()
                result = timed.run(given)
                spent.append(clock() - start)
                del result, given
        return spent

    def figures(self, row: str) -> dict[str, tuple[float, float]]:
        """Figures that do not depend on the clock; empty for a row without a table."""
        if not self._timed[row].n_bytes:
            return {}
        return import_module("measured.figures").figures(self._timed[row])

    def release(self, row: str) -> None:
        """Forget the data of a row."""
        del self._timed[row]

    @contextmanager
    def _undisturbed(self) -> Iterator[None]:
        """On the measured core, without garbage collection."""
        everywhere = os.sched_getaffinity(0)
        gc.collect()
        gc.disable()
        os.sched_setaffinity(0, {self._core})
        try:
            yield
        finally:
            os.sched_setaffinity(0, everywhere)
            gc.enable()

    def _check_origin(self) -> None:
        """Refuse to measure anything but the revision that was asked for."""
        for name in OURS:
            module = sys.modules.get(name)
            if module is None:
                continue
            places = [Path(place).resolve() for place in module.__path__]
            if not any(place.is_relative_to(root) for place in places for root in self._path):
                message = f"{name} was imported from elsewhere than the revision under test"
                raise ImportError(message)
