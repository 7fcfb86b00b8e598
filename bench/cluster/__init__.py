"""Executors: this machine, a dask cluster, SLURM. Each is the file of its name.

An executor takes tasks and reports which of them have ended. It does not return results: the store
decides whether a cell is done.
"""

from collections.abc import Iterator
from importlib import import_module
from typing import Protocol

from bench.cluster.submissions import check_executor
from bench.run.tasks import CellSettings, Task, TaskResult
from bench.spec import Spec


class Executor(Protocol):
    """Runs tasks. Use as a context manager: leaving it stops running cells."""

    @property
    def room(self) -> int:
        """The number of tasks that it can take now."""
        ...

    @property
    def busy(self) -> bool:
        """Whether it has a task."""
        ...

    def submit(self, task: Task) -> None:
        """Take a task. There must be room."""
        ...

    def events(self) -> Iterator[TaskResult]:
        """Wait for a moment, and return the tasks that have ended."""
        ...

    def __enter__(self) -> "Executor": ...

    def __exit__(self, *error: object) -> None: ...


def make_executor(name: str, spec: Spec, settings: CellSettings, jobs: int | None) -> Executor:
    """Make an executor with the spec's options.

    Raises BenchError for an unknown name, a missing package, and a scheduler that does not answer.
    """
    check_executor(name)
    module = import_module(f"bench.cluster.{name}")
    return module.make(settings, getattr(spec.executor, name, None), jobs, spec.jobs)
