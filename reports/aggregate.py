"""One row a cell: the store as a frame, and as results.parquet."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from bench.machine.environment import hardware, not_alone
from bench.metrics import METRICS
from bench.store.store import Record, Store, write_atomically
from reports.machines import letters
from reports.scores import metrics_of
from reports.topics import Source, open_source

TEXT, REAL, WHOLE = "string", "float64", "Int64"

# Column -> type, in the order of results.parquet, before the metrics.
BEFORE_METRICS = {
    "dataset": TEXT,
    "method": TEXT,
    "dataset_label": TEXT,
    "method_label": TEXT,
    "seed": WHOLE,
    "status": TEXT,
    "reason": TEXT,
    "n_samples": WHOLE,
    "n_features": WHOLE,
    "n_classes": WHOLE,
    "n_train": WHOLE,
    "n_test": WHOLE,
    "image_shape": TEXT,
    "split": TEXT,
    "device": TEXT,
    "load_seconds": REAL,
    "conversion_seconds": REAL,
    "train_seconds": REAL,
    "predict_seconds": REAL,
    "attribute_seconds": REAL,
    "wall_seconds": REAL,
    "peak_host_mib": REAL,
    "peak_device_mib": REAL,
    "n_parameters": WHOLE,
}
# `shared`: why the cell was not alone on its hardware, so that its seconds do not count; null if it
# was alone. `machine`: the letter of its kind of hardware, see `reports.machines`.
AFTER_METRICS = {
    "threads": WHOLE,
    "jobs": WHOLE,
    "key": TEXT,
    "shared": TEXT,
    "machine": TEXT,
}

CONVERSION = ("convert_fit", "convert_train", "convert_test")


def columns() -> dict[str, str]:
    """Column -> type of results.parquet. Each metric of `bench.metrics.METRICS` has one."""
    return BEFORE_METRICS | dict.fromkeys(METRICS, REAL) | AFTER_METRICS


def results_frame(store: Store | Source) -> pd.DataFrame:
    """One row a current cell, with the columns `columns()`; no rows for an empty store."""
    source = open_source(store)
    return frame_of(source.records(), source)


def frame_of(records: Iterable[Record], source: Source) -> pd.DataFrame:
    """The same frame from records already read, in a stable order: dataset, method, seed, key."""
    rows, ran_on = [], []
    for record in records:
        rows.append(_row(record) | metrics_of(record, source))
        ran_on.append(hardware(record))
    named = letters(ran_on)
    types = columns()
    frame = pd.DataFrame(rows, columns=list(types))
    frame["machine"] = [named[kind] for kind in ran_on]
    frame = frame.astype(types)
    order = ["dataset_label", "method_label", "seed", "key"]
    return frame.sort_values(order, kind="stable", ignore_index=True)


def write_results(frame: pd.DataFrame, path: Path) -> None:
    """Write the frame as parquet, whole or not at all."""
    write_atomically(path, lambda file: frame.to_parquet(file, index=False))


def _row(record: Record) -> dict[str, object]:
    dataset, method, phases = record["dataset"], record["method"], record["phases"] or {}
    sizes = ("n_samples", "n_features", "n_classes", "n_train", "n_test")
    taken = ("seed", "status", "reason", "device", "n_parameters", "wall_seconds", "key")
    return {
        "dataset": dataset["name"],
        "method": method["name"],
        "dataset_label": dataset["label"],
        "method_label": method["label"],
        "image_shape": _shape(record.get("image_shape")),
        "split": _split(record.get("split")),
        "threads": record.get("threads"),
        "jobs": record.get("jobs"),
        **{name: record.get(name) for name in taken},
        **{name: dataset.get(name) for name in sizes},
        **_times(phases, record["status"] == "ok"),
        "peak_host_mib": _peak(phases, "peak_host_mib"),
        "peak_device_mib": _peak(phases, "peak_device_mib"),
        "shared": "; ".join(not_alone(record)) or None,
    }


def _times(phases: dict[str, dict[str, float]], finished: bool) -> dict[str, float | None]:
    parts = [name for name in CONVERSION if name in phases]
    whole = finished or len(parts) == len(CONVERSION)  # part of a duration is not a duration
    return {
        "load_seconds": _seconds(phases, ["load"]),
        "conversion_seconds": _seconds(phases, parts) if whole else None,
        "train_seconds": _seconds(phases, ["train"]),
        "predict_seconds": _seconds(phases, ["predict"]),
        "attribute_seconds": _seconds(phases, ["attribute"]),
    }


def _seconds(phases: dict[str, dict[str, float]], names: list[str]) -> float | None:
    taken = [phases[name]["seconds"] for name in names if name in phases]
    return sum(taken) if taken else None


def _peak(phases: dict[str, dict[str, float | None]], name: str) -> float | None:
    peaks = [phase[name] for phase in phases.values() if phase.get(name) is not None]
    return max((peak for peak in peaks if peak is not None), default=None)


def _shape(shape: list[int] | None) -> str | None:
    return "x".join(map(str, shape)) if shape else None


def _split(split: dict[str, object] | None) -> str | None:
    if not split or not split.get("kind"):
        return None
    fraction = split.get("test_fraction")
    return str(split["kind"]) if split["kind"] == "official" else f"{split['kind']} {fraction}"
