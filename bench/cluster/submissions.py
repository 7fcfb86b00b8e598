"""Cells that were left with a scheduler (DIR/jobs/<id>.json), and what it reports of them."""

import json
import secrets
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from bench.errors import BenchError, unknown
from bench.machine.environment import process_space
from bench.store.store import Store, write_atomically

EXECUTORS = {"local": "", "dask": "distributed", "slurm": "submitit"}  # and the package of each
AT_WORK = {"PENDING", "RUNNING", "REQUEUED", "COMPLETING", "PREEMPTED", "CONFIGURING"}
UNKNOWN = "UNKNOWN"  # SLURM's jobs, if it does not answer


@dataclass(frozen=True)
class Submission:
    """Cells that a scheduler has.

    Args:
        executor: its name.
        where: how to find it again: an address, a process, ...
        keys: the cells of each of its jobs, by the scheduler's name for the job.
    """

    executor: str
    where: dict[str, Any]
    keys: dict[str, list[str]]

    @property
    def cells(self) -> list[str]:
        return [key for keys in self.keys.values() for key in keys]


class Elsewhere(NamedTuple):
    """The keys of cells that schedulers have, and whether all of them answered."""

    keys: set[str]
    is_known: bool


def keep(folder: Path, submission: Submission) -> None:
    """Note a submission in an output folder."""
    jobs = folder / "jobs"
    jobs.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    path = jobs / f"{now:%Y%m%dT%H%M%S}-{submission.executor}-{secrets.token_hex(3)}.json"
    facts = {"submitted": now.isoformat(timespec="seconds"), **asdict(submission)}
    text = json.dumps(facts, indent=1).encode()
    write_atomically(path, lambda file: file.write(text))


def submissions(folder: Path) -> Iterator[Submission]:
    """The submissions from an output folder, the oldest first."""
    for path in sorted((folder / "jobs").glob("*.json")):
        facts = json.loads(path.read_text())
        yield Submission(facts["executor"], facts["where"], facts["keys"])


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
    """The state of each job of a submission, e.g. "RUNNING"; ended jobs may be missing.

    Raises:
        BenchError: the scheduler does not answer.
    """
    check_executor(submission.executor)
    found: dict[str, str] = import_module(f"bench.cluster.{submission.executor}").states(submission)
    return found


def elsewhere(store: Store) -> Elsewhere:
    """Ask the scheduler of each submission that has cells without a record."""
    keys: set[str] = set()
    is_known = True
    done = store.keys()
    for submission in submissions(store.folder):
        if submission.cells and done.issuperset(submission.cells):
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


def go_on_alone(folder: Path) -> str:
    """Start this very command again without --detach, apart from the terminal; returns a note."""
    Store(folder).create()
    log = folder / "run.log"
    words = [word for word in sys.argv[1:] if word != "--detach"]
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "bench", *words],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    born = psutil.Process(process.pid).create_time()
    where = {"where": process_space(), "pid": process.pid, "born": born}
    keep(folder, Submission("local", where, {"run": []}))
    return f"process {process.pid} goes on; it writes to {log}. See: bench status {folder}"


def describe_submissions(folder: Path) -> Iterator[str]:
    """A line for each submission from an output folder that has not ended."""
    done = Store(folder).keys()
    for submission in submissions(folder):
        name, cells = submission.executor, submission.cells
        missing = [key for key in cells if key not in done]
        if cells and not missing:
            continue
        try:
            found = states(submission)
        except BenchError as error:
            yield f"{name}: {len(missing)} cells without a record; {error}"
            continue
        if name == "local":
            if found:
                yield f"local: process {submission.where['pid']} is {found['run'].lower()}"
            continue
        counts = Counter(
            found.get(job, "GONE") for job, keys in submission.keys.items() if not done >= set(keys)
        )
        jobs = ", ".join(f"{n} {state.lower()}" for state, n in counts.most_common())
        n_done = len(cells) - len(missing)
        yield f"{name}: {n_done} of {len(cells)} cells done; jobs of the rest: {jobs}"
