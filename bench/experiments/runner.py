"""Experiments, their cases and records: each case runs in its own process and is one JSON file."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats
from sklearn.model_selection import train_test_split

from bench.catalog import ROOT, entry, table_entry
from bench.errors import BenchError
from bench.machine.environment import environment
from bench.store.store import write_atomically

Measured = dict[str, Any]  # what an experiment measures in a case, as JSON values
REPEATS = ("seed", "run")  # parameters that a summary averages over


@dataclass(frozen=True)
class Case:
    """A point of an experiment.

    Args:
        name: unique in the experiment and fit for the name of a file.
        parameters: keyword arguments of `measure`, as JSON values.
    """

    name: str
    parameters: dict[str, Any]


@dataclass(frozen=True)
class Experiment:
    """What to reach, the cases, how to measure one, and how to sum up the records."""

    target: str
    cases: list[Case]
    measure: Callable[..., Measured]
    summary: Callable[[list[dict[str, Any]]], str]


def experiment(
    target: str,
    cases: list[Case],
    summary: Callable[[list[dict[str, Any]]], str] | None = None,
) -> Callable[[Callable[..., Measured]], Experiment]:
    """Make an experiment of the function that measures one of its cases."""
    return lambda measure: Experiment(target, cases, measure, summary or summarise)


def grid(name: str, /, **axes: Iterable[Any]) -> list[Case]:
    """Every combination of the values of the axes, the first axis changing slowest.

    Args:
        name: of a case: a format string over the axes.

    >>> [case.name for case in grid("{x}_seed_{seed}", seed=range(2), x="ab")]
    ['a_seed_0', 'b_seed_0', 'a_seed_1', 'b_seed_1']
    """
    points = [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]
    return [Case(name.format(**point), point) for point in points]


def record_path(folder: Path, experiment: str, case: str) -> Path:
    return folder / "cells" / experiment / f"{case}.json"


def read_records(folder: Path, experiment: str) -> list[dict[str, Any]]:
    """All records of an experiment, ordered by name."""
    paths = sorted((folder / "cells" / experiment).glob("*.json"))
    return [json.loads(path.read_text()) for path in paths]


def write_record(folder: Path, experiment: str, case: Case, measured: Measured) -> None:
    """Write one record: parameters, measurements, environment and commit."""
    path = record_path(folder, experiment, case.name)
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

    If OMP_NUM_THREADS is set, numba gets the same number: it would give torch all cores again.

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


def load_table(name: str, **parameters: Any) -> Any:
    """The `Table` of a dataset or generator."""
    return table_entry(name).load().load(**parameters)


def build_method(name: str, seed: int, **parameters: Any) -> Any:
    """The pipeline of a method on the CPU."""
    module = entry("methods", name).load()
    return module.build(module.Params(**parameters), device="cpu", seed=seed)


def split_table(table: Any, seed: int) -> list[np.ndarray]:
    """X_train, X_test, y_train, y_test: a quarter of the rows is held out, by class."""
    return train_test_split(table.X, table.y, test_size=0.25, stratify=table.y, random_state=seed)


def seconds_of(work: Callable[[], object]) -> float:
    """Wall time of one call, without the time to free its result."""
    start = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - start
    del result
    return seconds


def measured(records: list[dict[str, Any]], **parameters: Any) -> list[Measured]:
    """The measurements of the cases that have these parameters."""
    return [r["measured"] for r in records if parameters.items() <= r["parameters"].items()]


def of_seeds(values: Sequence[float]) -> str:
    """Mean ± half the 95% interval of Student's t (lowest..highest, n)."""
    mean, n = float(np.mean(values)), len(values)
    if n == 1 or min(values) == max(values):
        return f"{mean:.4g} (n = {n})"
    half = float(stats.sem(values) * stats.t.ppf(0.975, n - 1))
    return f"{mean:.4g} ± {half:.2g} ({min(values):.4g}..{max(values):.4g}, n = {n})"


def summarise(records: list[dict[str, Any]]) -> str:
    """Tables of all measurements, averaged over seeds and runs; of a list the median counts."""
    points: dict[tuple[Any, ...], list[Measured]] = {}
    for record in records:
        known = {k: v for k, v in record["parameters"].items() if k not in REPEATS}
        points.setdefault(tuple(known.items()), []).append(record["measured"])
    tables: dict[tuple[str, ...], list[list[object]]] = {}
    for point, found in points.items():
        names = [name for name, value in found[0].items() if not _is_nested(value)]
        head = (*(name for name, _ in point), *names)
        row = [*(value for _, value in point), *(_cell(found, name) for name in names)]
        tables.setdefault(head, []).append(row)
    return "\n\n".join(table(head, rows) for head, rows in tables.items())


def _is_nested(value: object) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _cell(found: list[Measured], name: str) -> str:
    values = [m[name] for m in found if m.get(name) is not None]
    if not values or isinstance(values[0], str):
        return ", ".join(sorted({str(value) for value in values}))
    return of_seeds([float(np.median(value)) for value in values])


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join(lines)
