"""A store as the tables and figures want it: labels in order, cells grouped, intervals at hand."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from bench.store import Record, Store
from reports.aggregate import frame_of
from reports.statistics import Estimate, accuracy_estimate, estimate, mean_ranks
from reports.units import natural_order, status_words


@dataclass(frozen=True)
class Spread:
    """Median and range over seeds: for durations and ranks, whose means one outlier rules."""

    median: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, eq=False)
class Group:
    """The cells of one method on one dataset: one a seed."""

    dataset: str
    method: str
    cells: pd.DataFrame

    @cached_property
    def ok(self) -> pd.DataFrame:
        return self.cells[self.cells["status"] == "ok"]

    @cached_property
    def accuracy(self) -> Estimate | None:
        """Test accuracy with its interval; None where no cell is ok."""
        n_test = self.ok["n_test"].dropna()
        return accuracy_estimate(
            self.values("accuracy"), int(n_test.min()) if len(n_test) else None
        )

    @cached_property
    def failures(self) -> list[tuple[str, str]]:
        """The distinct (status, reason) of the cells that are not ok."""
        bad = self.cells[self.cells["status"] != "ok"]
        pairs = zip(bad["status"], bad["reason"].fillna("no reason was recorded"), strict=True)
        return sorted({(str(status), str(reason)) for status, reason in pairs})

    @cached_property
    def words(self) -> str:
        """What happened to the cells that are not ok: `timeout`, or `timeout ×2, failed`."""
        bad = Counter(self.cells.loc[self.cells["status"] != "ok", "status"])
        if len(bad) == 1:
            return status_words(next(iter(bad)))
        several = {status: f" ×{n}" if n > 1 else "" for status, n in bad.items()}
        return ", ".join(status_words(status) + n for status, n in sorted(several.items()))

    def values(self, column: str) -> list[float]:
        """The numbers of a column over the ok cells, in the order of seeds, nulls left out."""
        return [float(value) for value in self.ok[column].dropna()]

    def mean(self, column: str) -> Estimate | None:
        return estimate(self.values(column))

    def spread(self, column: str) -> Spread | None:
        values = self.values(column)
        if not values:
            return None
        return Spread(float(np.median(values)), min(values), max(values), len(values))

    def total_seconds(self) -> float | None:
        """Median conversion + training + prediction: what it takes to use the method."""
        columns = ["conversion_seconds", "train_seconds", "predict_seconds"]
        totals = self.ok[columns].sum(axis=1, skipna=False).dropna()
        return float(totals.median()) if len(totals) else None

    def image_shape(self) -> str | None:
        shapes = self.ok["image_shape"].dropna()
        return str(shapes.iloc[0]) if len(shapes) else None


@dataclass(frozen=True)
class Results:
    """Everything a view needs. `store` is only read."""

    store: Store
    records: dict[str, Record]
    frame: pd.DataFrame

    @classmethod
    def read(cls, store: Store) -> "Results":
        records = {record["key"]: record for record in store.records()}
        return cls(store, records, tell_apart(frame_of(records.values())))

    @cached_property
    def datasets(self) -> list[str]:
        return sorted(set(self.frame["dataset_label"]), key=natural_order)

    @cached_property
    def methods(self) -> list[str]:
        """All method labels, best mean rank first: one order for all tables and figures."""
        ranked = [str(name) for name in mean_ranks(self.frame).index] if len(self.frame) else []
        return ranked + sorted(set(self.frame["method_label"]) - set(ranked))

    @cached_property
    def _groups(self) -> dict[tuple[str, str], Group]:
        grouped = self.frame.groupby(["dataset_label", "method_label"])
        return {(str(d), str(m)): Group(str(d), str(m), cells) for (d, m), cells in grouped}

    def group(self, dataset: str, method: str) -> Group | None:
        """The cells of a method on a dataset; None where it was not run there."""
        return self._groups.get((dataset, method))

    def groups(self, dataset: str) -> list[Group]:
        """The groups of a dataset, in the order of `methods`."""
        found = [self.group(dataset, method) for method in self.methods]
        return [group for group in found if group is not None]

    def dataset_facts(self, dataset: str) -> Record:
        """The `dataset` part of a record of this label, from a cell that had the data if any."""
        keys = self.frame.loc[self.frame["dataset_label"] == dataset, "key"]
        facts = [self.records[key]["dataset"] for key in keys]
        return next((f for f in facts if f.get("n_samples")), facts[0])

    def chance(self, dataset: str) -> float | None:
        """The share of the largest class in the test rows; 1 / classes where they are unknown."""
        for key in self.frame.loc[self.frame["dataset_label"] == dataset, "key"]:
            labels = self.store.artifact(key).get("y_test")
            if labels is not None and len(labels):
                return float(np.bincount(labels.astype(int)).max() / len(labels))
        n_classes = self.dataset_facts(dataset).get("n_classes")
        return 1 / n_classes if n_classes else None


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
