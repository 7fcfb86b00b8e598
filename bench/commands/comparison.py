"""Compare two results by the cells that both have."""

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from rich.markup import escape
from rich.table import Table as Listing

from bench.errors import BenchError
from bench.machine.environment import hardware, sharing_reasons
from bench.metrics import MAIN
from bench.run.phases import COUNTED
from bench.store.store import Record, round_probabilities

GridPoint = tuple[str, str, int]
NOISE = 95  # percentile of the differences between replicates


class Source(Protocol):
    """An output folder of `bench run` or a published topic, see `reports.topics`."""

    folder: Path

    def records(self) -> Iterator[Record]: ...
    def arrays(self, key: str) -> dict[str, np.ndarray]: ...


def compare_results(before: Source, after: Source) -> Listing:
    """Compare mean balanced accuracies and times by dataset and method.

    Times of conversion, training and prediction are compared between cells on equal hardware that
    shared neither cores nor a GPU. (2/3): 2 of 3 pairs are comparable. A word is the reason why no
    pair is. Raises BenchError if the stores have no cell in common.
    """
    old, new = _by_point(before), _by_point(after)
    shared = [p for p in sorted(old.keys() & new.keys()) if _have_same_table(old[p], new[p])]
    if not shared:
        message = f"{before.folder} and {after.folder} have no cell of the same table in common"
        raise BenchError(message)
    groups: dict[tuple[str, str], list[GridPoint]] = defaultdict(list)
    for point in shared:
        groups[point[:2]].append(point)
    rows = Listing()
    for name in ("dataset", "method", "seeds", "before", "after", "difference", "time ratio"):
        rows.add_column(name, overflow="fold")
    for (dataset, method), points in groups.items():
        pairs = [(old[point], new[point]) for point in points]
        rows.add_row(*map(escape, (dataset, method, str(len(pairs)), *_row(pairs))))
    return rows


def judge_differences(before: Source, after: Source) -> Iterator[str]:
    """Count equal cells, and those that differ by more than replicates of a method in `before`."""
    old, new = _by_point(before), _by_point(after)
    common = sorted(old.keys() & new.keys())
    shared = [point for point in common if _have_same_table(old[point], new[point])]
    if len(shared) < len(common):
        yield f"{len(common) - len(shared)} of {len(common)} cells left out: their tables differ"
    points = [p for p in shared if _is_ok(old[p]) and _is_ok(new[p])]
    n_changed = sum(old[point]["status"] != new[point]["status"] for point in shared)
    same = [_is_same(before.arrays(old[p]["key"]), after.arrays(new[p]["key"])) for p in points]
    known = [is_same for is_same in same if is_same is not None]
    yield f"{sum(known)} of {len(known)} cells have identical predictions"
    if len(known) < len(points):
        yield f"{len(points) - len(known)} ok cells have no stored predictions"
    yield f"{n_changed} of {len(shared)} cells have another status"
    if not points:
        return
    differences = {p: abs(new[p]["metrics"][MAIN] - old[p]["metrics"][MAIN]) for p in points}
    largest = max(points, key=lambda point: differences[point])
    where = "{} / {} / seed {}".format(*largest)
    yield f"largest difference in balanced accuracy: {differences[largest]:.4f} ({where})"
    replicates = _differences_of_replicates(old)
    if not replicates:
        yield f"noise: not known, because {before.folder} has no replicates of a method"
        return
    noise = float(np.percentile(replicates, NOISE))
    n_beyond = sum(difference > noise for difference in differences.values())
    yield (
        f"{n_beyond} of {len(points)} cells differ by more than {noise:.4f}, the {NOISE}th "
        f"percentile of {len(replicates)} differences between replicates of a method"
    )


def _differences_of_replicates(records: dict[GridPoint, Record]) -> list[float]:
    entries: dict[str, list[float]] = defaultdict(list)
    for (dataset, _, seed), record in records.items():
        if _is_ok(record):
            method = record["method"]
            parts = dataset, seed, method["name"], method["params"]
            entries[json.dumps(parts, sort_keys=True)].append(record["metrics"][MAIN])
    return [max(values) - min(values) for values in entries.values() if len(values) > 1]


def _have_same_table(one: Record, two: Record) -> bool:
    """Whether two records with the same labels are of the same content."""
    checksums = {one["dataset"].get("checksum"), two["dataset"].get("checksum")}
    return len(checksums - {None}) < 2


def _is_ok(record: Record) -> bool:
    return record["status"] == "ok" and record["metrics"].get(MAIN) is not None


def _is_same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> bool | None:
    """Whether predictions and attributions are identical. None without predictions.

    Probabilities are compared as published topics have them.
    """
    if "probabilities" not in first or "probabilities" not in second:
        return None
    one, two = (round_probabilities(arrays["probabilities"]) for arrays in (first, second))
    names = {"test_rows", "attributions"} & first.keys() & second.keys()
    return np.array_equal(one, two) and all(
        np.array_equal(first[name], second[name]) for name in names
    )


def _row(pairs: list[tuple[Record, Record]]) -> list[str]:
    ok = [(a, b) for a, b in pairs if _is_ok(a) and _is_ok(b)]
    if not ok:
        return [pairs[0][0]["status"], pairs[0][1]["status"], "", ""]
    values = np.array([[r["metrics"][MAIN] for r in pair] for pair in ok])
    difference = (values[:, 1] - values[:, 0]).mean()
    before, after = values.mean(0)
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


def _by_point(source: Source) -> dict[GridPoint, Record]:
    return {(r["dataset"]["label"], r["method"]["label"], r["seed"]): r for r in source.records()}
