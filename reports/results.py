"""The cells of a result for tables and figures: groups, labels in order, intervals."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.store.store import Record, Store
from reports.aggregate import TEXT, columns, frame_of
from reports.machines import Kind, kinds, left_out, legend
from reports.statistics import Estimate, accuracy_estimate, estimate, mean_ranks
from reports.topics import Source, open_source
from reports.units import natural_order, status_words

TOTAL = ["conversion_seconds", "train_seconds", "predict_seconds"]


@dataclass(frozen=True)
class Spread:
    """Median and range over seeds: for durations and ranks, whose means one outlier rules."""

    median: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, eq=False)
class Group:
    """The cells of one method on one dataset: one a seed.

    Seconds are those of cells that were alone on their hardware, on one kind of machine.
    """

    dataset: str
    method: str
    cells: pd.DataFrame

    @cached_property
    def ok(self) -> pd.DataFrame:
        return self.cells[(self.cells["status"] == "ok").to_numpy(dtype=bool)]

    @property
    def n_ok(self) -> int:
        return len(self.ok)

    @property
    def ok_keys(self) -> list[str]:
        return self.ok["key"].to_list()

    @cached_property
    def timed(self) -> pd.DataFrame:
        """The cells whose seconds count: ok, alone, of the kind of machine with most of these."""
        alone = self.ok[self.ok["shared"].isna().to_numpy()]
        counts = Counter(alone["machine"])
        if len(counts) < 2:
            return alone
        letter = min(counts, key=lambda name: (-counts[name], name))
        return alone[(alone["machine"] == letter).to_numpy(dtype=bool)]

    @property
    def machine(self) -> str | None:
        """The letter of the machine that the seconds are of; that of any cell without seconds."""
        letters = self.timed if len(self.timed) else self.cells
        return next(iter(letters["machine"]), None)

    @cached_property
    def parts(self) -> "list[Group]":
        """A group for each kind of machine, in the order of their letters."""
        if len(set(self.cells["machine"])) < 2:
            return [self]
        return [Group(self.dataset, self.method, part) for _, part in self.cells.groupby("machine")]

    @cached_property
    def shared(self) -> list[str]:
        """Why each ok cell that shared its hardware was not alone."""
        return self.ok["shared"].dropna().to_list()

    @cached_property
    def accuracy(self) -> Estimate | None:
        """Test accuracy with its interval; None if no cell is ok."""
        n_test = self.values("n_test")
        return accuracy_estimate(self.values("accuracy"), int(min(n_test)) if n_test else None)

    @cached_property
    def failures(self) -> list[tuple[str, str]]:
        """The distinct (status, reason) of the cells that are not ok."""
        if self.n_ok == len(self.cells):
            return []
        bad = self.cells[(self.cells["status"] != "ok").to_numpy(dtype=bool)]
        reasons = bad["reason"].fillna("no reason was recorded")
        return sorted(set(zip(bad["status"], reasons, strict=True)))

    @cached_property
    def words(self) -> str:
        """What happened to the cells that are not ok: `timeout`, or `timeout ×2, failed`."""
        bad = Counter(status for status in self.cells["status"] if status != "ok")
        if len(bad) == 1:
            return status_words(next(iter(bad)))
        several = {status: f" ×{n}" if n > 1 else "" for status, n in bad.items()}
        return ", ".join(status_words(status) + n for status, n in sorted(several.items()))

    @cached_property
    def _of_ok(self) -> dict[str, np.ndarray]:
        return _numbers(self.ok)

    @cached_property
    def _of_timed(self) -> dict[str, np.ndarray]:
        return self._of_ok if len(self.timed) == self.n_ok else _numbers(self.timed)

    def values(self, column: str) -> list[float]:
        """The numbers of a column over the ok cells, in the order of seeds, without nulls.

        Seconds are those that count.
        """
        numbers = (self._of_timed if column.endswith("_seconds") else self._of_ok)[column]
        return numbers[~np.isnan(numbers)].tolist()

    def is_left_out(self, column: str) -> bool:
        """Whether there are seconds, and none that count."""
        if not column.endswith("_seconds") or not self.shared or self.values(column):
            return False
        return not np.isnan(self._of_ok[column]).all()

    def mean(self, column: str) -> Estimate | None:
        return estimate(self.values(column))

    def spread(self, column: str) -> Spread | None:
        values = self.values(column)
        if not values:
            return None
        return Spread(float(np.median(values)), min(values), max(values), len(values))

    @cached_property
    def total_seconds(self) -> float | None:
        """Median conversion + training + prediction: the time to use the method."""
        totals = np.sum([self._of_timed[column] for column in TOTAL], axis=0)
        known = totals[~np.isnan(totals)]
        return float(np.median(known)) if len(known) else None

    @cached_property
    def image_shape(self) -> str | None:
        return next((shape for shape in self.ok["image_shape"] if isinstance(shape, str)), None)


def _numbers(cells: pd.DataFrame) -> dict[str, np.ndarray]:
    """The columns of numbers as arrays, NaN for null: one slice instead of one a column."""
    names = [name for name, kind in columns().items() if kind != TEXT]
    values = cells[names].to_numpy(dtype=float, na_value=np.nan)
    return dict(zip(names, values.T, strict=True))


@dataclass(frozen=True)
class Results:
    """Everything a view needs. The source is only read.

    Args:
        frame: a row a cell, with method labels that name device or split if those differ.
        as_recorded: the same with the labels of the records: results.parquet.
    """

    source: Source
    records: dict[str, Record]
    frame: pd.DataFrame
    as_recorded: pd.DataFrame

    @classmethod
    def read(cls, place: Path | Store | Source) -> "Results":
        """The cells of an output folder or of a published topic."""
        source = open_source(place)
        records = {record["key"]: record for record in _shared_parts(source.records())}
        frame = frame_of(records.values(), source)
        return cls(source, records, tell_apart(frame), frame)

    def of_machine(self, letter: str) -> "Results":
        """The cells of one kind of machine."""
        here = self.frame["machine"] == letter
        return Results(self.source, self.records, self.frame[here], self.as_recorded)

    @cached_property
    def machines(self) -> list[Kind]:
        """The kinds of machine, that with most cells first."""
        return kinds(self.records.values())

    @cached_property
    def times_note(self) -> str:
        """Which times are left out, and of which machines they are; "" if all are alike.

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
        # Plain numbers and texts: pandas' nullable types take longer to slice than to read.
        plain = {name: object if kind == TEXT else float for name, kind in columns().items()}
        frame = self.frame.astype(plain)
        grouped = frame.groupby(["dataset_label", "method_label"])
        return {(str(d), str(m)): Group(str(d), str(m), cells) for (d, m), cells in grouped}

    def group(self, dataset: str, method: str) -> Group | None:
        """The cells of a method on a dataset; None if it was not run there."""
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

    def history(self, key: str) -> list[dict[str, Any]]:
        """The training history of a cell, a row an epoch; [] if it has none."""
        text = self.source.array(key, "history")
        return json.loads(str(text)) if text is not None else []

    def chance(self, dataset: str) -> float | None:
        """The share of the largest class in the test rows; 1 / classes if labels are missing."""
        for key in self.keys[dataset]:
            labels = self.source.array(key, "y_test")
            if labels is not None and len(labels):
                return float(np.bincount(labels.astype(int)).max() / len(labels))
        n_classes = self.dataset_facts(dataset).get("n_classes")
        return 1 / n_classes if n_classes else None


def _shared_parts(records: Iterable[Record]) -> Iterator[Record]:
    """The records, with one object for each distinct dataset and environment.

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
