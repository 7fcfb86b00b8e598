"""Where cells run: this machine, a dask cluster, SLURM. Each executor is a file of its name.

An executor is told of tasks and tells which of them are out of its hands. It is never asked for
results: whether a cell is done, the store says.
"""

from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Protocol

from bench.cluster.submissions import Submission
from bench.errors import BenchError, unknown
from bench.run.work import Ended, Task, Work
from bench.spec import Spec

EXECUTORS = {"local": "", "dask": "distributed", "slurm": "submitit"}  # and what each requires


class Executor(Protocol):
    """Use as a context manager: leaving it stops what is still at work."""

    @property
    def room(self) -> int:
        """How many more tasks it takes now."""
        ...

    @property
    def busy(self) -> bool:
        """Whether a task is in its hands."""
        ...

    def submit(self, task: Task) -> None:
        """Take a task; there has to be room."""
        ...

    def events(self) -> Iterator[Ended]:
        """What left its hands within the next moment."""
        ...

    def __enter__(self) -> "Executor": ...

    def __exit__(self, *error: object) -> None: ...


class Remote(Executor, Protocol):
    """An executor that goes on when this process has ended."""

    def leave(self, tasks: Sequence[Task]) -> Submission:
        """Submit tasks to stay: they run on when this process has ended.

        Raises:
            BenchError: they would not.
        """
        ...


def make_executor(name: str, spec: Spec, work: Work, jobs: int | None) -> Executor:
    """The executor of that name with the spec's options.

    Raises:
        BenchError: an unknown name, a package that is not installed, a scheduler out of reach.
    """
    check_executor(name)
    module = import_module(f"bench.cluster.{name}")
    return module.make(work, getattr(spec.executor, name), jobs, spec.jobs)


def states(submission: Submission) -> dict[str, str]:
    """What its scheduler says of each name in a submission, e.g. "RUNNING"; ended ones may miss.

    Raises:
        BenchError: the scheduler cannot be asked.
    """
    check_executor(submission.executor)
    module = import_module(f"bench.cluster.{submission.executor}")
    return module.states(submission)


def check_executor(name: str) -> None:
    """Refuse a name that is none, and one whose package is missing.

    Raises:
        BenchError: says which, and how to install it.
    """
    if name not in EXECUTORS:
        raise unknown(name, "executor", EXECUTORS)
    package = EXECUTORS[name]
    if not package:
        return
    try:
        import_module(package)
    except ModuleNotFoundError as error:
        message = (
            f"--executor {name} needs the package {package!r}, which is not installed: "
            f"uv pip install --group {name}"
        )
        raise BenchError(message) from error
