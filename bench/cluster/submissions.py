"""Cells submitted to SLURM (DIR/jobs/<id>.json), and the states of their jobs."""

import json
import secrets
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from bench.errors import BenchError, unknown
from bench.store.store import Store, write_atomically

EXECUTORS = {"local": "", "dask": "distributed", "slurm": "submitit"}  # with the package of each
# States of jobs that have not ended, as sacct and squeue write them.
ACTIVE_STATES = {
    *("PENDING", "CONFIGURING", "RUNNING", "COMPLETING"),
    *("PREEMPTED", "REQUEUED", "SUSPENDED", "RESIZING"),
}
UNKNOWN = "UNKNOWN"  # the state of jobs if SLURM does not answer


@dataclass(frozen=True)
class Submission:
    """Cells submitted to SLURM.

    `where` has submitit's cluster and log folder. `keys` has the cells of each job, by job number.
    """

    where: dict[str, Any]
    keys: dict[str, list[str]]

    @property
    def cells(self) -> list[str]:
        return [key for keys in self.keys.values() for key in keys]


class ScheduledCells(NamedTuple):
    """Keys of cells that SLURM has, and whether it answered for all submissions."""

    keys: set[str]
    is_known: bool


def write_submission(folder: Path, submission: Submission) -> None:
    """Write a submission to an output folder."""
    jobs = folder / "jobs"
    jobs.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    path = jobs / f"{now:%Y%m%dT%H%M%S}-slurm-{secrets.token_hex(3)}.json"
    facts = {"submitted": now.isoformat(timespec="seconds"), **asdict(submission)}
    text = json.dumps(facts, indent=1).encode()
    write_atomically(path, lambda file: file.write(text))


def read_submissions(folder: Path) -> Iterator[Submission]:
    """Read the submissions of an output folder, oldest first."""
    for path in sorted((folder / "jobs").glob("*.json")):
        facts = json.loads(path.read_text())
        yield Submission(facts["where"], facts["keys"])


def check_executor(name: str) -> None:
    """Raise BenchError for an unknown executor, and for one whose package is missing."""
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


def query_states(submission: Submission) -> dict[str, str]:
    """Query the state of each job, e.g. "RUNNING". UNKNOWN if SLURM does not answer.

    Raises BenchError if submitit is not installed.
    """
    check_executor("slurm")
    states: dict[str, str] = import_module("bench.cluster.slurm").query_states(submission)
    return states


def find_scheduled(store: Store) -> ScheduledCells:
    """Find the cells without a record that SLURM has."""
    keys: set[str] = set()
    is_known = True
    done = store.keys()
    for submission in read_submissions(store.folder):
        if done.issuperset(submission.cells):
            continue
        try:
            states = query_states(submission)
        except BenchError:
            is_known = False
            continue
        is_known &= UNKNOWN not in states.values()
        active = [name for name, state in states.items() if state in ACTIVE_STATES]
        keys.update(key for name in active for key in submission.keys[name])
    return ScheduledCells(keys, is_known)


def describe_submissions(folder: Path) -> Iterator[str]:
    """Describe each unfinished submission of an output folder in a line."""
    done = Store(folder).keys()
    for submission in read_submissions(folder):
        missing = [key for key in submission.cells if key not in done]
        if not missing:
            continue
        try:
            states = query_states(submission)
        except BenchError as error:
            yield f"slurm: {len(missing)} cells without a record; {error}"
            continue
        counts = Counter(
            states.get(job, "GONE")
            for job, keys in submission.keys.items()
            if not done >= set(keys)
        )
        jobs = ", ".join(f"{n} {state.lower()}" for state, n in counts.most_common())
        n_cells = len(submission.cells)
        yield f"slurm: {n_cells - len(missing)} of {n_cells} cells done; jobs of the rest: {jobs}"
