"""The store as a data frame with one row a cell, and as results.parquet."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from bench.machine.environment import hardware, sharing_reasons
from bench.metrics import METRICS
from bench.run.phases import COUNTED
from bench.store.store import Record, Store, write_atomically
from reports.machines import letters
from reports.scores import metrics_of
from reports.statistics.estimates import even_rows
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
    "warm_seconds": REAL,  # conversion, training and prediction
    "cold_seconds": REAL,  # and before them the loading of the table and first-use warm-up
    "cpu_seconds": REAL,  # of all processes of the cell, until its predictions were stored
    "wall_seconds": REAL,  # from the submission of the cell to its record
    "peak_host_mib": REAL,
    "peak_device_mib": REAL,
    "n_parameters": WHOLE,
}
AFTER_METRICS = {
    "is_redrawn": "boolean",  # whether each seed has a table of its own
    "even_rows": REAL,  # test rows, see `statistics.even_rows`. Null without stored labels
    "threads": WHOLE,
    "jobs": WHOLE,
    "key": TEXT,
    "shared": TEXT,  # why its seconds do not count, null if it had its cores to itself
    "machine": TEXT,  # the letter of its kind of hardware, see `reports.machines`
}
CONVERSION = ("convert_fit", "convert_train", "convert_test")
COLD = ("load", "warm_up", *COUNTED)
PHASES = ("load", "train", "predict", "attribute")
SIZES = ("n_samples", "n_features", "n_classes", "n_train", "n_test")
AS_RECORDED = (
    *("seed", "status", "reason", "device", "threads"),
    *("jobs", "n_parameters", "cpu_seconds", "wall_seconds", "key"),
)


def columns() -> dict[str, str]:
    """Return column -> type of results.parquet, with a column for each metric."""
    return BEFORE_METRICS | dict.fromkeys(METRICS, REAL) | AFTER_METRICS


def results_frame(store: Store | Source) -> pd.DataFrame:
    source = open_source(store)
    return frame_of(source.records(), source)


def frame_of(records: Iterable[Record], source: Source) -> pd.DataFrame:
    """Return the same frame from records, sorted by dataset, method, seed and key."""
    rows, machines = [], []
    drawn: dict[object, dict[object, object]] = defaultdict(dict)  # seed -> seed of the generator
    even: dict[tuple[object, ...], float | None] = {}  # equal for the methods of a split
    for record in records:
        row = _row(record) | metrics_of(record, source)
        split = row["dataset_label"], row["seed"], row["n_test"]
        if row["status"] == "ok" and even.get(split) is None:
            labels = source.array(record["key"], "y_test")
            even[split] = None if labels is None or not len(labels) else even_rows(labels)
        drawn[row["dataset_label"]][row["seed"]] = _generator_seed(record["dataset"])
        rows.append(row | {"even_rows": even.get(split)})
        machines.append(hardware(record))
    letter_of = letters(machines)
    types = columns()
    frame = pd.DataFrame(rows, columns=list(types))
    is_redrawn = {name: 1 < len(of) == len(set(of.values())) for name, of in drawn.items()}
    frame["is_redrawn"] = frame["dataset_label"].map(is_redrawn)
    frame["machine"] = [letter_of[machine] for machine in machines]
    frame = frame.astype(types)
    order = ["dataset_label", "method_label", "seed", "key"]
    return frame.sort_values(order, kind="stable", ignore_index=True)


def _generator_seed(dataset: Record) -> object:
    """The seed that drew the rows. None for real rows, also if their columns are shuffled."""
    is_generated = (dataset.get("source") or {}).get("address") == "generated"
    return dataset["params"].get("seed") if is_generated else None


def write_results(frame: pd.DataFrame, path: Path) -> None:
    write_atomically(path, lambda file: frame.to_parquet(file, index=False))


def _row(record: Record) -> dict[str, object]:
    dataset, method, phases = record["dataset"], record["method"], record["phases"] or {}
    shape = record.get("image_shape")
    is_ok = record["status"] == "ok"
    # A conversion without all of its parts has no duration.
    is_whole = is_ok or all(name in phases for name in CONVERSION)
    return {
        "dataset": dataset["name"],
        "method": method["name"],
        "dataset_label": dataset["label"],
        "method_label": method["label"],
        "image_shape": "x".join(map(str, shape)) if shape else None,
        "split": _split(record.get("split") or {}),
        **{name: record.get(name) for name in AS_RECORDED},
        **{name: dataset.get(name) for name in SIZES},
        **{f"{name}_seconds": _seconds(phases, (name,)) for name in PHASES},
        "conversion_seconds": _seconds(phases, CONVERSION) if is_whole else None,
        "warm_seconds": _seconds(phases, COUNTED) if is_ok else None,
        "cold_seconds": _seconds(phases, COLD) if is_ok else None,
        "peak_host_mib": _peak(phases, "peak_host_mib"),
        "peak_device_mib": _peak(phases, "peak_device_mib"),
        "shared": "; ".join(sharing_reasons(record)) or None,
    }


def _seconds(phases: dict[str, dict[str, float]], names: tuple[str, ...]) -> float | None:
    recorded = [phases[name]["seconds"] for name in names if name in phases]
    return sum(recorded) if recorded else None


def _peak(phases: dict[str, dict[str, float | None]], name: str) -> float | None:
    """Return the peak over the phases whose seconds count, or None."""
    peaks = [phases[phase].get(name) for phase in COUNTED if phase in phases]
    return max((peak for peak in peaks if peak is not None), default=None)


def _split(split: dict[str, object]) -> str | None:
    kind = split.get("kind")
    if not kind:
        return None
    return str(kind) if kind == "official" else f"{kind} {split.get('test_fraction')}"
