"""Compare two stores by the cells that both have."""

from collections import defaultdict
from typing import Any

import numpy as np
from rich.table import Table as Listing

from bench.errors import BenchError
from bench.machine.environment import hardware, sharing_reasons
from bench.run.phases import COUNTED
from bench.store.store import Record, Store

GridPoint = tuple[str, str, int]


def compare_stores(before: Store, after: Store) -> Listing:
    """Compare mean accuracies and times by dataset and method.

    Times of conversion, training and prediction are compared between cells on equal hardware that
    shared neither cores nor a GPU. (2/3): 2 of 3 pairs are comparable. A word is the reason why no
    pair is. Raises BenchError if the stores have no cell in common.
    """
    old, new = _by_point(before), _by_point(after)
    shared = sorted(old.keys() & new.keys())
    if not shared:
        message = f"{before.folder} and {after.folder} have no cell in common"
        raise BenchError(message)
    groups: dict[tuple[str, str], list[GridPoint]] = defaultdict(list)
    for point in shared:
        groups[point[:2]].append(point)
    rows = Listing()
    for name in ("dataset", "method", "seeds", "before", "after", "difference", "time ratio"):
        rows.add_column(name, overflow="fold")
    for (dataset, method), points in groups.items():
        pairs = [(old[point], new[point]) for point in points]
        rows.add_row(dataset, method, str(len(pairs)), *_row(pairs))
    return rows


def count_identical(before: Store, after: Store) -> tuple[int, int]:
    """Count the common cells with identical predictions, and those with predictions."""
    n_same = n_all = 0
    old, new = _by_point(before), _by_point(after)
    for point in old.keys() & new.keys():
        first = before.artifact(old[point]["key"])
        second = after.artifact(new[point]["key"])
        if "probabilities" in first and "probabilities" in second:
            n_all += 1
            n_same += all(
                np.array_equal(first[name], second[name])
                for name in ("probabilities", "test_rows", "attributions")
                if name in first and name in second
            )
    return n_same, n_all


def _row(pairs: list[tuple[Record, Record]]) -> list[str]:
    ok = [(a, b) for a, b in pairs if a["status"] == b["status"] == "ok"]
    if not ok:
        return [pairs[0][0]["status"], pairs[0][1]["status"], "", ""]
    accuracy = np.array([[r["metrics"]["accuracy"] for r in pair] for pair in ok])
    difference = (accuracy[:, 1] - accuracy[:, 0]).mean()
    before, after = accuracy.mean(0)
    return [f"{before:.4f}", f"{after:.4f}", f"{difference:+.4f}", _ratio(ok)]


def _ratio(pairs: list[tuple[Record, Record]]) -> str:
    """Geometric mean of the time ratios of comparable pairs, or the obstacles."""
    obstacles = [_find_obstacle(*pair) for pair in pairs]
    comparable = [pair for pair, obstacle in zip(pairs, obstacles, strict=True) if obstacle is None]
    if not comparable:
        return ", ".join(sorted({obstacle for obstacle in obstacles if obstacle}))
    seconds = np.array([[_seconds(r) for r in pair] for pair in comparable])
    ratio = np.exp(np.log(seconds[:, 1] / seconds[:, 0]).mean())
    return f"{ratio:.2f}" + (
        f" ({len(comparable)}/{len(pairs)})" if len(comparable) < len(pairs) else ""
    )


def _find_obstacle(one: Record, two: Record) -> str | None:
    """The reason why the times of two cells are not comparable, or None."""
    first, second = hardware(one), hardware(two)
    if first._replace(threads=None) != second._replace(threads=None):
        return "other machine"
    if first.threads != second.threads:
        return "other threads"
    return "shared" if sharing_reasons(one) or sharing_reasons(two) else None


def _seconds(record: dict[str, Any]) -> float:
    phases = record["phases"]
    return sum(phases[name]["seconds"] for name in COUNTED if name in phases)


def _by_point(store: Store) -> dict[GridPoint, Record]:
    return {(r["dataset"]["label"], r["method"]["label"], r["seed"]): r for r in store.records()}
