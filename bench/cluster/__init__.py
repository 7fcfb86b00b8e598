"""Where cells run: this machine, a dask cluster, SLURM. Each executor is a file of its name.

An executor gets tasks and reports which of them have left it. It is never asked for results: the
store decides whether a cell is done.
"""

from collections.abc import Iterator
from importlib import import_module
from typing import Protocol

from bench.cluster.submissions import check_executor
from bench.run.work import Ended, Task, Work
from bench.spec import Spec


class Executor(Protocol):
    """Use as a context manager: leaving it stops the cells at work."""

    @property
    def room(self) -> int:
        """The number of tasks that it can take now."""
        ...

    @property
    def busy(self) -> bool:
        """Whether it has a task."""
        ...

    def submit(self, task: Task) -> None:
        """Take a task; there has to be room."""
        ...

    def events(self) -> Iterator[Ended]:
        """Tasks that leave it within the next moment."""
        ...

    def __enter__(self) -> "Executor": ...

    def __exit__(self, *error: object) -> None: ...


def make_executor(name: str, spec: Spec, work: Work, jobs: int | None) -> Executor:
    """The executor of that name with the spec's options.

    Raises:
        BenchError: an unknown name, a package that is not installed, a scheduler out of reach.
    """
    check_executor(name)
    module = import_module(f"bench.cluster.{name}")
    return module.make(work, getattr(spec.executor, name, None), jobs, spec.jobs)
