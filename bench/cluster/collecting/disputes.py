"""Records that contradict each other, in words."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench.cluster.collecting.found import Found, other_arrays, record_of
from bench.cluster.collecting.judging import Groups, facts_of
from bench.errors import BenchError
from bench.store.store import Store

# What two runs of one cell never share, in a record and in its arrays (a history has seconds).
OF_THE_RUN = (
    *("phases.", "wall_seconds", "overhead_seconds", "started", "finished", "warnings"),
    *("threads", "jobs", "shared", "environment.", "dataset.prepare_seconds"),
)
ARRAYS_OF_THE_RUN = ("history",)
N_DISPUTES = 3  # that an error spells out
N_FIELDS = 6
N_LETTERS = 60


def settle(disputes: list[Groups], tables: list[list[Path]], folders: list[Path]) -> None:
    """BenchError where anything is in dispute."""
    if not disputes and not tables:
        return
    shown = [_describe(groups) for groups in disputes[:N_DISPUTES]]
    shown += [_describe_table(paths) for paths in tables[:N_DISPUTES]]
    n = len(disputes) + len(tables)
    more = [f"and {n - len(shown)} more"] if n > len(shown) else []
    known = ", ".join(map(str, folders))
    lines = [
        f"the folders contradict each other, so nothing was written: {len(disputes)} records"
        + (f" and {len(tables)} tables" if tables else ""),
        *shown,
        *more,
        f"Say whose records count with --keep FOLDER, one of {known}; the option may be given "
        "several times. The other records are then kept in cells/superseded of --out.",
    ]
    raise BenchError("\n".join(lines))


def _describe(groups: Groups) -> str:
    first = groups[0][0]
    dataset, method, seed = first.place
    times = sorted(group[0].finished for group in groups)
    what = "one key" if len({group[0].key for group in groups}) == 1 else "different keys"
    lines = [f"{dataset} / {method} / seed {seed}, {what}:"]
    for group in groups:
        found = group[0]
        record = record_of(found)
        where = ", ".join(str(one.folder) for one in group)
        newer = " (the newest)" if found.finished == times[-1] != times[-2] else ""
        lines.append(
            f"    {where}: {record['status']}, finished {found.finished or 'at no time'}{newer}, "
            f"key {found.key[:8]}"
        )
    lines += [f"    {difference(first, group[0])}" for group in groups[1:]]
    return "\n".join(lines)


def _describe_table(paths: list[Path]) -> str:
    first = facts_of(paths[0])
    other = next(path for path in paths[1:] if facts_of(path) != first)
    facts = facts_of(other)
    fields = [
        f"{name}: {json.dumps(first.get(name))[:60]} | {json.dumps(facts.get(name))[:60]}"
        for name in {**first, **facts}
        if first.get(name) != facts.get(name)
    ]
    return f"table {first.get('name')}, {paths[0]} and {other}: {'; '.join(fields)}"


def difference(one: Found, other: Found) -> str:
    """In words: are the predictions the same, and which fields differ, with both values."""
    before, after = dict(_flat(record_of(one))), dict(_flat(record_of(other)))
    names = [n for n in {**before, **after} if n != "key" and before.get(n) != after.get(n)]
    telling = [name for name in names if not name.startswith(OF_THE_RUN)]
    arrays = other_arrays(one, other)
    words = _predictions(one, other)
    if not telling and not set(arrays) - set(ARRAYS_OF_THE_RUN):
        words += ", only times and machine differ"
    ordered = telling + [name for name in names if name not in telling]
    fields = [
        f"{name}: {_short(before.get(name))} | {_short(after.get(name))}"
        for name in ordered[:N_FIELDS]
    ]
    if len(names) > N_FIELDS:
        fields.append(f"and {len(names) - N_FIELDS} more")
    if arrays:
        fields.append(f"arrays: {', '.join(arrays)}")
    return "; ".join([words, *fields])


def _predictions(one: Found, other: Found) -> str:
    a, b = (Store(f.folder).artifact(f.key).get("probabilities") for f in (one, other))
    if a is None and b is None:
        return "neither has predictions"
    if a is None or b is None:
        return f"only {(one if b is None else other).folder} has predictions"
    if "probabilities" not in other_arrays(one, other):
        return "the predictions are the same"
    if a.shape != b.shape:
        return f"the predictions differ: shape {a.shape} | {b.shape}"
    return f"the predictions differ: a probability by {np.abs(a - b).max():.2g}"


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, entry in value.items():
            yield from _flat(entry, f"{name}.{key}" if name else key)
    else:
        yield name, value


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= N_LETTERS else f"{text[: N_LETTERS - 1]}…"
