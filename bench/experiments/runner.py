"""Cases of experiments: each is measured in a process of its own and kept as one JSON file."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from bench.errors import BenchError
from bench.machine.environment import environment
from bench.store.store import write_atomically

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Case:
    """A point of an experiment.

    Args:
        name: unique in the experiment and fit for the name of a file.
        parameters: keyword arguments of `measure`, as JSON values.
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
        """All records of an experiment, ordered by name."""
        paths = sorted((self.folder / "cells" / experiment).glob("*.json"))
        return [json.loads(path.read_text()) for path in paths]

    def write(self, experiment: str, case: Case, measured: dict[str, Any]) -> None:
        """Write one record: parameters, measurements, environment and commit."""
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


def run_apart(experiment: str, case: Case, folder: Path) -> None:
    """Measure a case in a process of its own, so that it shares no memory and no threads.

    If OMP_NUM_THREADS is set, numba gets as many: it would give torch all cores again.

    Raises:
        BenchError: the process failed; its last words are on the terminal.
    """
    words = [sys.executable, "-m", "bench.experiments", "case", experiment, case.name]
    threads = os.environ.get("OMP_NUM_THREADS")
    variables = os.environ | ({"NUMBA_NUM_THREADS": threads} if threads else {})
    done = subprocess.run([*words, "--out", str(folder)], cwd=ROOT, env=variables, check=False)
    if done.returncode:
        message = f"case {case.name} of {experiment} ended with status {done.returncode}"
        raise BenchError(message)


def measured(records: list[dict[str, Any]], **parameters: Any) -> list[dict[str, Any]]:
    """The measurements of the cases that have these parameters."""
    return [r["measured"] for r in records if parameters.items() <= r["parameters"].items()]


def of_seeds(values: Sequence[float], digits: int = 4) -> str:
    """Mean ± half the 95% interval of Student's t (lowest..highest, n)."""
    mean, n = float(np.mean(values)), len(values)
    if n == 1:
        return f"{mean:.{digits}f} (n = 1)"
    half = float(stats.sem(values) * stats.t.ppf(0.975, n - 1))
    spread = f"{min(values):.{digits}f}..{max(values):.{digits}f}"
    return f"{mean:.{digits}f} ± {half:.{digits}f} ({spread}, n = {n})"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(map(_text, row)) + " |" for row in rows]
    return "\n".join(lines)


def _text(cell: object) -> str:
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)
