"""Compares two stores by the cells that both have."""

from collections import defaultdict
from typing import Any

import numpy as np
from rich.table import Table as Listing

from bench.errors import BenchError
from bench.machine.environment import hardware, not_alone
from bench.store.store import Record, Store

Place = tuple[str, str, int]
# The phases that are the method's own; tables of times count no others.
TIMED = ("convert_fit", "convert_train", "train", "convert_test", "predict")


def comparison(before: Store, after: Store) -> Listing:
    """Per dataset and method: mean accuracies, their paired difference, the ratio of times.

    Times of conversion, training and prediction are compared between cells that ran alone on the
    same kind of hardware; (2/3) means that 2 of 3 pairs did, a word is the reason why no pair did.

    Raises:
        BenchError: the stores have no cell in common.
    """
    old, new = _by_place(before), _by_place(after)
    shared = sorted(old.keys() & new.keys())
    if not shared:
        message = f"{before.folder} and {after.folder} have no cell in common"
        raise BenchError(message)
    groups: dict[tuple[str, str], list[Place]] = defaultdict(list)
    for place in shared:
        groups[place[:2]].append(place)
    rows = Listing()
    for name in ("dataset", "method", "seeds", "before", "after", "difference", "time ratio"):
        rows.add_column(name, overflow="fold")
    for (dataset, method), places in groups.items():
        pairs = [(old[place], new[place]) for place in places]
        rows.add_row(dataset, method, str(len(pairs)), *_row(pairs))
    return rows


def identical(before: Store, after: Store) -> tuple[int, int]:
    """The numbers of shared cells with identical predictions, and with predictions at all."""
    n_same = n_all = 0
    old, new = _by_place(before), _by_place(after)
    for place in old.keys() & new.keys():
        first = before.artifact(old[place]["key"])
        second = after.artifact(new[place]["key"])
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
    """The geometric mean over the pairs whose times compare, or why no pair does."""
    obstacles = [_obstacle(*pair) for pair in pairs]
    fair = [pair for pair, obstacle in zip(pairs, obstacles, strict=True) if obstacle is None]
    if not fair:
        return ", ".join(sorted({obstacle for obstacle in obstacles if obstacle}))
    seconds = np.array([[_seconds(r) for r in pair] for pair in fair])
    ratio = np.exp(np.log(seconds[:, 1] / seconds[:, 0]).mean())
    return f"{ratio:.2f}" + (f" ({len(fair)}/{len(pairs)})" if len(fair) < len(pairs) else "")


def _obstacle(one: Record, two: Record) -> str | None:
    """Why the times of two cells do not compare; None if they do."""
    first, second = hardware(one), hardware(two)
    if first._replace(threads=None) != second._replace(threads=None):
        return "other machine"
    if first.threads != second.threads:
        return "other threads"
    return "shared" if not_alone(one) or not_alone(two) else None


def _seconds(record: dict[str, Any]) -> float:
    phases = record["phases"]
    return sum(phases[name]["seconds"] for name in TIMED if name in phases)


def _by_place(store: Store) -> dict[Place, Record]:
    return {(r["dataset"]["label"], r["method"]["label"], r["seed"]): r for r in store.records()}
