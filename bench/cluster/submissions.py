"""Cells that were left with SLURM (DIR/jobs/<id>.json), and what it reports of them."""

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

EXECUTORS = {"local": "", "dask": "distributed", "slurm": "submitit"}  # and the package of each
AT_WORK = {"PENDING", "RUNNING", "REQUEUED", "COMPLETING", "PREEMPTED", "CONFIGURING"}
UNKNOWN = "UNKNOWN"  # the state of jobs if SLURM does not answer


@dataclass(frozen=True)
class Submission:
    """Cells that SLURM has.

    Args:
        where: submitit's cluster and the folder of its logs.
        keys: the cells of each job, by the job's number.
    """

    where: dict[str, Any]
    keys: dict[str, list[str]]

    @property
    def cells(self) -> list[str]:
        return [key for keys in self.keys.values() for key in keys]


class Elsewhere(NamedTuple):
    """The keys of cells that SLURM has, and whether it answered for all of them."""

    keys: set[str]
    is_known: bool


def keep(folder: Path, submission: Submission) -> None:
    """Note a submission in an output folder."""
    jobs = folder / "jobs"
    jobs.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    path = jobs / f"{now:%Y%m%dT%H%M%S}-slurm-{secrets.token_hex(3)}.json"
    facts = {"submitted": now.isoformat(timespec="seconds"), **asdict(submission)}
    text = json.dumps(facts, indent=1).encode()
    write_atomically(path, lambda file: file.write(text))


def submissions(folder: Path) -> Iterator[Submission]:
    """The submissions from an output folder, the oldest first."""
    for path in sorted((folder / "jobs").glob("*.json")):
        facts = json.loads(path.read_text())
        yield Submission(facts["where"], facts["keys"])


def check_executor(name: str) -> None:
    """Refuse an unknown executor, and one whose package is missing.

    Raises:
        BenchError: with the way to install it.
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


def states(submission: Submission) -> dict[str, str]:
    """The state of each job of a submission, e.g. "RUNNING"; UNKNOWN if SLURM does not answer.

    Raises:
        BenchError: submitit is not installed here.
    """
    check_executor("slurm")
    found: dict[str, str] = import_module("bench.cluster.slurm").states(submission)
    return found


def elsewhere(store: Store) -> Elsewhere:
    """Ask SLURM about each submission that has cells without a record."""
    keys: set[str] = set()
    is_known = True
    done = store.keys()
    for submission in submissions(store.folder):
        if done.issuperset(submission.cells):
            continue
        try:
            found = states(submission)
        except BenchError:
            is_known = False
            continue
        is_known &= UNKNOWN not in found.values()
        at_work = [name for name, state in found.items() if state in AT_WORK]
        keys.update(key for name in at_work for key in submission.keys[name])
    return Elsewhere(keys, is_known)


def describe_submissions(folder: Path) -> Iterator[str]:
    """A line for each submission from an output folder that has not ended."""
    done = Store(folder).keys()
    for submission in submissions(folder):
        missing = [key for key in submission.cells if key not in done]
        if not missing:
            continue
        try:
            found = states(submission)
        except BenchError as error:
            yield f"slurm: {len(missing)} cells without a record; {error}"
            continue
        counts = Counter(
            found.get(job, "GONE") for job, keys in submission.keys.items() if not done >= set(keys)
        )
        jobs = ", ".join(f"{n} {state.lower()}" for state, n in counts.most_common())
        n_cells = len(submission.cells)
        yield f"slurm: {n_cells - len(missing)} of {n_cells} cells done; jobs of the rest: {jobs}"
