"""Experiments, cases and records. A case has a process and a JSON file."""

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
from bench.spec import load_spec
from bench.store.store import write_atomically

Measured = dict[str, Any]  # the measurements of a case, as JSON values
REPEATS = ("seed", "run")  # parameters that a summary averages over


@dataclass(frozen=True)
class Case:
    """A point of an experiment: a unique file name, and arguments of `measure`."""

    name: str
    parameters: dict[str, Any]


@dataclass(frozen=True)
class Experiment:
    """A target, cases, the function that measures a case, and the summary."""

    target: str
    cases: list[Case]
    measure: Callable[..., Measured]
    summary: Callable[[list[dict[str, Any]]], str]


def experiment(
    target: str,
    cases: list[Case],
    summary: Callable[[list[dict[str, Any]]], str] | None = None,
) -> Callable[[Callable[..., Measured]], Experiment]:
    """Decorate the function that measures a case, to make it an experiment."""
    return lambda measure: Experiment(target, cases, measure, summary or summarise)


def grid(name: str, /, **axes: Iterable[Any]) -> list[Case]:
    """Make cases of all combinations of the axes. `name` is a format string of axes.

    >>> [case.name for case in grid("{x}_seed_{seed}", seed=range(2), x="ab")]
    ['a_seed_0', 'b_seed_0', 'a_seed_1', 'b_seed_1']
    """
    points = [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]
    return [Case(name.format(**point), point) for point in points]


def cases_of_expression(sizes: Iterable[tuple[int, int, int]], n_seeds: int = 5) -> list[Case]:
    """Make cases of tables of `expression`, by numbers of samples, features and classes.

    >>> [case.name for case in cases_of_expression([(75, 20_000, 2)], 2)]
    ['75_x_20000_seed_0', '75_x_20000_seed_1']
    """
    names = ("n_samples", "n_features", "n_classes")
    return [
        Case(
            f"{size[0]}_x_{size[1]}_seed_{seed}",
            dict(zip(names, size, strict=True)) | {"seed": seed},
        )
        for size in sizes
        for seed in range(n_seeds)
    ]


def record_path(folder: Path, experiment: str, case: str) -> Path:
    return folder / "cells" / experiment / f"{case}.json"


def read_records(folder: Path, experiment: str) -> list[dict[str, Any]]:
    """Read the records of an experiment, ordered by name."""
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


def run_in_process(experiment: str, case: Case, folder: Path) -> None:
    """Measure a case in a separate process, without shared memory or threads.

    If OMP_NUM_THREADS is set, numba gets the same number. Otherwise it would reset torch to all
    cores. Raises BenchError if the process fails.
    """
    command = [sys.executable, "-m", "bench.experiments", "case", experiment, case.name]
    threads = os.environ.get("OMP_NUM_THREADS")
    variables = os.environ | ({"NUMBA_NUM_THREADS": threads} if threads else {})
    done = subprocess.run([*command, "--out", str(folder)], cwd=ROOT, env=variables, check=False)
    if done.returncode:
        message = f"case {case.name} of {experiment} ended with status {done.returncode}"
        raise BenchError(message)


def load_table(name: str, **parameters: Any) -> Any:
    """Load the `Table` of a dataset or generator."""
    return table_entry(name).load().load(**parameters)


def load_choice(profile: str, label: str) -> Any:
    """Load the `Table` with this label in a profile."""
    spec, _ = load_spec(profile)
    choices = [choice for grid in spec.grids() for choice in grid.datasets]
    choice = next(choice for choice in choices if choice.label == label)
    return load_table(choice.name, **choice.params)


def build_method(name: str, seed: int, **parameters: Any) -> Any:
    """Build the pipeline of a method on the CPU."""
    module = entry("methods", name).load()
    return module.build(module.Params(**parameters), device="cpu", seed=seed)


def split_table(table: Any, seed: int) -> list[np.ndarray]:
    """Return X_train, X_test, y_train, y_test: a stratified quarter for the test."""
    return train_test_split(table.X, table.y, test_size=0.25, stratify=table.y, random_state=seed)


def time_call(call: Callable[[], object]) -> float:
    """Measure the wall time of a call, without the time to free its result."""
    start = time.perf_counter()
    result = call()
    seconds = time.perf_counter() - start
    del result
    return seconds


def select_measurements(records: list[dict[str, Any]], **parameters: Any) -> list[Measured]:
    """Select the measurements of the cases with these parameters."""
    return [r["measured"] for r in records if parameters.items() <= r["parameters"].items()]


def format_mean(values: Sequence[float]) -> str:
    """Format as mean ± half the 95% interval of Student's t (minimum..maximum, n)."""
    mean, n = float(np.mean(values)), len(values)
    if n == 1 or min(values) == max(values):
        return f"{mean:.4g} (n = {n})"
    half = float(stats.sem(values) * stats.t.ppf(0.975, n - 1))
    return f"{mean:.4g} ± {half:.2g} ({min(values):.4g}..{max(values):.4g}, n = {n})"


def summarise(records: list[dict[str, Any]]) -> str:
    """Make tables of measurements, averaged over seeds and runs. Lists: medians."""
    points: dict[tuple[Any, ...], list[Measured]] = {}
    for record in records:
        parameters = {k: v for k, v in record["parameters"].items() if k not in REPEATS}
        points.setdefault(tuple(parameters.items()), []).append(record["measured"])
    tables: dict[tuple[str, ...], list[list[object]]] = {}
    for point, measurements in points.items():
        names = [name for name, value in measurements[0].items() if not _is_nested(value)]
        head = (*(name for name, _ in point), *names)
        row = [*(value for _, value in point), *(_cell(measurements, name) for name in names)]
        tables.setdefault(head, []).append(row)
    return "\n\n".join(format_table(head, rows) for head, rows in tables.items())


def _is_nested(value: object) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _cell(measurements: list[Measured], name: str) -> str:
    values = [m[name] for m in measurements if m.get(name) is not None]
    if not values or isinstance(values[0], str):
        return ", ".join(sorted({str(value) for value in values}))
    return format_mean([float(np.median(value)) for value in values])


def format_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Format a Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join(lines)
