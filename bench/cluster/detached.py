"""Runs that go on when the command has ended, and what their schedulers say of them."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil

from bench.cluster import states
from bench.cluster.submissions import Submission, keep, submissions
from bench.errors import BenchError
from bench.machine.environment import process_space
from bench.store.store import Store


def go_on_alone(folder: Path) -> str:
    """Start this very command again without --detach, apart from the terminal; says where."""
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


def schedulers(folder: Path) -> Iterator[str]:
    """A line for each submission from an output folder that has not ended."""
    there = Store(folder).keys()
    for one in submissions(folder):
        missing = [key for key in one.cells if key not in there]
        if one.cells and not missing:
            continue
        try:
            found = states(one)
        except BenchError as error:
            yield f"{one.executor}: {len(missing)} cells without a record; {error}"
            continue
        if one.executor == "local":
            if found:
                yield f"local: process {one.where['pid']} is {found['run'].lower()}"
            continue
        left = {name: found.get(name, "GONE") for name, keys in one.keys.items()}
        counts = Counter(state for name, state in left.items() if not set(one.keys[name]) <= there)
        told = ", ".join(f"{n} {state.lower()}" for state, n in counts.most_common())
        n_done = len(one.cells) - len(missing)
        yield f"{one.executor}: {n_done} of {len(one.cells)} cells done; jobs of the rest: {told}"
