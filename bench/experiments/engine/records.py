"""One JSON file a measured case, written whole, with the environment and the commit beside it."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.machine.environment import environment
from bench.store.store import write_atomically

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Case:
    """A point of an experiment.

    Args:
        name: unique in the experiment, fit for the name of a file.
        parameters: what `measure` is given, JSON values.
    """

    name: str
    parameters: dict[str, Any]


class Records:
    """The records below a folder: cells/<experiment>/<case>.json."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, experiment: str, case: str) -> Path:
        return self.folder / "cells" / experiment / f"{case}.json"

    def read(self, experiment: str) -> list[dict[str, Any]]:
        """All records of an experiment, by name."""
        paths = sorted((self.folder / "cells" / experiment).glob("*.json"))
        return [json.loads(path.read_text()) for path in paths]

    def write(self, experiment: str, case: Case, measured: dict[str, Any]) -> Path:
        """One record: parameters, what was measured, environment and commit."""
        path = self.path(experiment, case.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        record = {
            "experiment": experiment,
            "case": case.name,
            "parameters": case.parameters,
            "measured": measured,
            "environment": environment(),
        }
        text = json.dumps(record, indent=1).encode() + b"\n"
        write_atomically(path, lambda file: file.write(text))
        return path


def run_apart(experiment: str, case: Case, folder: Path) -> None:
    """Measure a case in a process of its own: its memory and threads are nobody else's.

    OMP_NUM_THREADS, where it is set, holds for numba, too: it would give torch all cores again.

    Raises:
        BenchError: the process failed; its last words are in the message.
    """
    words = [sys.executable, "-m", "bench.experiments.engine", "case", experiment, case.name]
    threads = os.environ.get("OMP_NUM_THREADS")
    environment = os.environ | ({"NUMBA_NUM_THREADS": threads} if threads else {})
    done = subprocess.run([*words, "--out", str(folder)], cwd=ROOT, env=environment, check=False)
    if done.returncode:
        message = f"case {case.name} of {experiment} ended with status {done.returncode}"
        raise BenchError(message)
