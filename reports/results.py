"""A store as the tables and figures want it: labels in order, cells grouped, intervals at hand."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from bench.store.store import Record, Store
from reports.aggregate import COLUMNS, TEXT, frame_of
from reports.machines import Kind, kinds, left_out, legend
from reports.statistics import Estimate, accuracy_estimate, estimate, mean_ranks
from reports.units import natural_order, status_words


@dataclass(frozen=True)
class Spread:
    """Median and range over seeds: for durations and ranks, whose means one outlier rules."""

    median: float
    low: float
    high: float
    n: int


class Columns:
    """The columns of a frame as plain arrays: texts with None for null, numbers with NaN.

    Each is made when it is first asked for. A slice of a frame costs a thousand times as much.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame
        self._known: dict[str, np.ndarray] = {}

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._known:
            column = self._frame[name]
            if COLUMNS[name] == TEXT:
                texts = [text if isinstance(text, str) else None for text in column.to_list()]
                self._known[name] = np.array(texts, dtype=object)
            else:
                self._known[name] = column.to_numpy(dtype=float, na_value=np.nan)
        return self._known[name]


@dataclass(frozen=True, eq=False)
class Group:
    """The cells of one method on one dataset: one a seed.

    Seconds are those of cells that shared nothing, on one kind of machine.

    Args:
        whole: the columns of a frame of which `cells` are the rows `at`, where these are at hand.
    """

    dataset: str
    method: str
    cells: pd.DataFrame
    whole: Columns | None = None
    at: np.ndarray | None = None

    @cached_property
    def _columns(self) -> Columns:
        return self.whole if self.whole is not None else Columns(self.cells)

    def column(self, name: str) -> np.ndarray:
        """The values of all cells."""
        return self._columns[name] if self.at is None else self._columns[name][self.at]

    @cached_property
    def _is_ok(self) -> np.ndarray:
        return np.asarray(self.column("status") == "ok", dtype=bool)

    @cached_property
    def n_ok(self) -> int:
        return int(self._is_ok.sum())

    @cached_property
    def ok(self) -> pd.DataFrame:
        return self.cells if self._is_ok.all() else self.cells[self._is_ok]

    @cached_property
    def ok_keys(self) -> list[str]:
        return self.column("key")[self._is_ok].tolist()

    @cached_property
    def _is_timed(self) -> np.ndarray:
        """Which cells have seconds that count: ok, alone, of the kind that has most of these."""
        alone = np.array([why is None for why in self.column("shared")], dtype=bool)
        timed = self._is_ok & alone
        machines = self.column("machine")
        found = Counter(machines[timed].tolist())
        if len(found) < 2:
            return timed
        return timed & (machines == min(found, key=lambda letter: (-found[letter], letter)))

    @cached_property
    def timed_keys(self) -> list[str]:
        """The keys of the cells whose seconds count."""
        return self.column("key")[self._is_timed].tolist()

    @cached_property
    def machine(self) -> str | None:
        """The letter of the machine that the seconds are of; that of any cell without seconds."""
        machines = self.column("machine")
        of_timed = machines[self._is_timed]
        return next(iter(of_timed if len(of_timed) else machines), None)

    @cached_property
    def parts(self) -> "list[Group]":
        """A group a kind of machine, in the order of their letters."""
        machines = self.column("machine")
        found = sorted(set(machines.tolist()))
        if len(found) < 2:
            return [self]
        chosen = [machines == letter for letter in found]
        at = np.arange(len(self.cells)) if self.at is None else self.at
        return [
            Group(self.dataset, self.method, self.cells[one], self._columns, at[one])
            for one in chosen
        ]

    @cached_property
    def shared(self) -> list[str]:
        """Why ok cells were not alone, of each that was not."""
        return [why for why in self.column("shared")[self._is_ok] if why is not None]

    @property
    def places(self) -> list[tuple[str, int, str]]:
        """Key, seed and status of each cell."""
        seeds = [int(seed) for seed in self.column("seed")]
        return list(zip(self.column("key"), seeds, self.column("status"), strict=True))

    @cached_property
    def accuracy(self) -> Estimate | None:
        """Test accuracy with its interval; None where no cell is ok."""
        n_test = self.values("n_test")
        return accuracy_estimate(self.values("accuracy"), int(min(n_test)) if n_test else None)

    @cached_property
    def failures(self) -> list[tuple[str, str]]:
        """The distinct (status, reason) of the cells that are not ok."""
        columns = (self.column(name)[~self._is_ok] for name in ("status", "reason"))
        pairs = zip(*columns, strict=True)
        return sorted({(status, reason or "no reason was recorded") for status, reason in pairs})

    @cached_property
    def words(self) -> str:
        """What happened to the cells that are not ok: `timeout`, or `timeout ×2, failed`."""
        bad = Counter(self.column("status")[~self._is_ok].tolist())
        if len(bad) == 1:
            return status_words(next(iter(bad)))
        several = {status: f" ×{n}" if n > 1 else "" for status, n in bad.items()}
        return ", ".join(status_words(status) + n for status, n in sorted(several.items()))

    @cached_property
    def _values(self) -> dict[str, list[float]]:
        return {}

    def values(self, column: str) -> list[float]:
        """The numbers of a column over the ok cells, in the order of seeds, nulls left out.

        Of seconds, those that count.
        """
        if column not in self._values:
            chosen = self._is_timed if column.endswith("_seconds") else self._is_ok
            numbers = self.column(column)[chosen]
            self._values[column] = numbers[~np.isnan(numbers)].tolist()
        return self._values[column]

    def is_left_out(self, column: str) -> bool:
        """Whether there are seconds, and none that count."""
        if not column.endswith("_seconds") or not self.shared or self.values(column):
            return False
        return not np.isnan(self.column(column)[self._is_ok]).all()

    def mean(self, column: str) -> Estimate | None:
        return estimate(self.values(column))

    def spread(self, column: str) -> Spread | None:
        values = self.values(column)
        if not values:
            return None
        return Spread(float(np.median(values)), min(values), max(values), len(values))

    @cached_property
    def _total_seconds(self) -> float | None:
        columns = ("conversion_seconds", "train_seconds", "predict_seconds")
        conversion, train, predict = (self.column(name)[self._is_timed] for name in columns)
        totals = conversion + train + predict
        known = totals[~np.isnan(totals)]
        return float(np.median(known)) if len(known) else None

    def total_seconds(self) -> float | None:
        """Median conversion + training + prediction: what it takes to use the method."""
        return self._total_seconds

    def image_shape(self) -> str | None:
        shapes = (shape for shape in self.column("image_shape")[self._is_ok] if shape)
        return next(shapes, None)


@dataclass(frozen=True)
class Results:
    """Everything a view needs. `store` is only read.

    Args:
        frame: a row a cell, with the labels of methods told apart.
        as_recorded: the same with the labels of the records: results.parquet.
    """

    store: Store
    records: dict[str, Record]
    frame: pd.DataFrame
    as_recorded: pd.DataFrame

    @classmethod
    def read(cls, store: Store) -> "Results":
        records = {record["key"]: record for record in _shared_parts(store.records())}
        frame = frame_of(records.values())
        return cls(store, records, tell_apart(frame), frame)

    def of_machine(self, letter: str) -> "Results":
        """The cells of one kind of machine."""
        here = self.frame["machine"] == letter
        return Results(self.store, self.records, self.frame[here], self.as_recorded)

    @cached_property
    def machines(self) -> list[Kind]:
        """The kinds of machine, that with most cells first."""
        return kinds(self.records.values())

    @cached_property
    def times_note(self) -> str:
        """What to know of all times: which are left out, whose they are; "" where all are alike.

        It begins with a space.
        """
        ok = self.frame.loc[self.frame["status"] == "ok", "shared"]
        texts = (left_out(ok.dropna().to_list(), len(ok)), legend(self.machines))
        return "".join(f" {text}" for text in texts if text)

    @cached_property
    def datasets(self) -> list[str]:
        return sorted(set(self.frame["dataset_label"]), key=natural_order)

    @cached_property
    def methods(self) -> list[str]:
        """All method labels, best mean rank first: one order for all tables and figures."""
        ranked = [str(name) for name in self.mean_ranks.index]
        return ranked + sorted(set(self.frame["method_label"]) - set(ranked))

    @cached_property
    def mean_ranks(self) -> pd.DataFrame:
        return mean_ranks(self.frame) if len(self.frame) else pd.DataFrame()

    @cached_property
    def _groups(self) -> dict[tuple[str, str], Group]:
        columns = Columns(self.frame)
        grouped = self.frame.groupby(["dataset_label", "method_label"])
        places = grouped.indices
        return {
            (str(d), str(m)): Group(str(d), str(m), cells, columns, np.asarray(places[d, m]))
            for (d, m), cells in grouped
        }

    def group(self, dataset: str, method: str) -> Group | None:
        """The cells of a method on a dataset; None where it was not run there."""
        return self._groups.get((dataset, method))

    def groups(self, dataset: str) -> list[Group]:
        """The groups of a dataset, in the order of `methods`."""
        found = [self.group(dataset, method) for method in self.methods]
        return [group for group in found if group is not None]

    @cached_property
    def keys(self) -> dict[str, list[str]]:
        """The keys of the cells of each dataset, in the order of the frame."""
        grouped = self.frame.groupby("dataset_label")["key"]
        return {str(dataset): keys.to_list() for dataset, keys in grouped}

    @cached_property
    def _facts(self) -> dict[str, Record]:
        found = {}
        for dataset, keys in self.keys.items():
            facts = (self.records[key]["dataset"] for key in keys)
            first = self.records[keys[0]]["dataset"]
            found[dataset] = next((f for f in facts if f.get("n_samples")), first)
        return found

    def dataset_facts(self, dataset: str) -> Record:
        """The `dataset` part of a record of this label, from a cell that had the data if any."""
        return self._facts[dataset]

    def array(self, key: str, name: str) -> np.ndarray | None:
        """One array of a cell, nothing else of its file being read; None where it has none."""
        path = self.store.artifacts / f"{key}.npz"
        if not path.is_file():
            return None
        with np.load(path, allow_pickle=False) as arrays:
            return arrays[name] if name in arrays.files else None

    def chance(self, dataset: str) -> float | None:
        """The share of the largest class in the test rows; 1 / classes where they are unknown."""
        for key in self.keys[dataset]:
            labels = self.array(key, "y_test")
            if labels is not None and len(labels):
                return float(np.bincount(labels.astype(int)).max() / len(labels))
        n_classes = self.dataset_facts(dataset).get("n_classes")
        return 1 / n_classes if n_classes else None


def _shared_parts(records: Iterable[Record]) -> Iterator[Record]:
    """The records, those with the same dataset or environment holding one object for it.

    Thousands of cells have a few of each: copies would fill the memory.
    """
    known: dict[str, Any] = {}
    for record in records:
        for part in ("dataset", "environment"):
            if part in record:
                text = json.dumps(record[part])
                record[part] = known.setdefault(text, record[part])
        yield record


def tell_apart(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with device or split added to method labels that would mix two of them."""
    frame = frame.copy()
    for column in ("device", "split"):
        labels = ["dataset_label", "method_label", "seed"]
        mixed = frame.groupby(labels)[column].transform("nunique") > 1
        names = frame.loc[mixed, "method_label"]
        affected = frame["method_label"].isin(set(names)) & frame[column].notna()
        frame.loc[affected, "method_label"] += " [" + frame.loc[affected, column] + "]"
    return frame
