"""The cells of a result for tables and figures: groups, order, intervals."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.metrics import MAIN
from bench.store.store import Record, Store
from reports.aggregate import frame_of
from reports.machines import Kind, kinds, left_out, legend
from reports.statistics.estimates import Estimate, estimate, families, mean_ranks, share_estimate
from reports.topics import Source, open_source
from reports.units import natural_order, status_words


@dataclass(frozen=True)
class Spread:
    """Median and range over seeds, for durations and ranks: one outlier rules a mean."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Group:
    """The cells (rows of the frame) of one method on one dataset, one a seed.

    Seconds are those of cells that had their cores to themselves, on one kind of machine.
    """

    dataset: str
    method: str
    cells: list[dict[str, Any]]

    @cached_property
    def ok(self) -> list[dict[str, Any]]:
        return [cell for cell in self.cells if cell["status"] == "ok"]

    @cached_property
    def timed(self) -> list[dict[str, Any]]:
        """The cells whose seconds count: ok, undisturbed, on the most frequent machine."""
        alone = [cell for cell in self.ok if cell["shared"] is None]
        counts = Counter(cell["machine"] for cell in alone)
        letter = min(counts, key=lambda name: (-counts[name], name), default=None)
        return [cell for cell in alone if cell["machine"] == letter]

    @property
    def machine(self) -> str:
        """The letter of the machine of the seconds, or of any cell without seconds."""
        return str((self.timed or self.cells)[0]["machine"])

    @property
    def parts(self) -> "list[Group]":
        """A group for each kind of machine, in the order of their letters."""
        by_machine = defaultdict(list)
        for cell in self.cells:
            by_machine[cell["machine"]].append(cell)
        return [Group(self.dataset, self.method, by_machine[name]) for name in sorted(by_machine)]

    @property
    def shared(self) -> list[str]:
        """Why each ok cell that shared its hardware was disturbed."""
        return [cell["shared"] for cell in self.ok if cell["shared"] is not None]

    @property
    def failures(self) -> list[tuple[str, str]]:
        """The distinct (status, reason) of the cells that are not ok."""
        failed = [cell for cell in self.cells if cell["status"] != "ok"]
        return sorted({(c["status"], c["reason"] or "no reason was recorded") for c in failed})

    @property
    def words(self) -> str:
        """The statuses of the cells that are not ok: `timeout`, or `timeout ×2, failed`."""
        counts = Counter(cell["status"] for cell in self.cells if cell["status"] != "ok")
        if len(counts) == 1:
            return status_words(next(iter(counts)))
        times = {status: f" ×{n}" if n > 1 else "" for status, n in counts.items()}
        return ", ".join(status_words(status) + n for status, n in sorted(times.items()))

    def values(self, column: str) -> list[float]:
        """Return the numbers of a column over the ok cells, without nulls.

        Of a column of seconds, only those that count. CPU seconds do on a shared machine too.
        """
        is_timed = column.endswith("_seconds") and column != "cpu_seconds"
        cells = self.timed if is_timed else self.ok
        return [float(cell[column]) for cell in cells if cell[column] is not None]

    def is_left_out(self, column: str) -> bool:
        """Return whether this column has seconds, but none that count."""
        return not self.values(column) and any(cell[column] is not None for cell in self.ok)

    @cached_property
    def accuracy(self) -> Estimate | None:
        """Test accuracy with its interval, or None if no cell is ok."""
        return share_estimate(self.values("accuracy"), self._n_rows("n_test"), self._overlap)

    @cached_property
    def main(self) -> Estimate | None:
        """Balanced accuracy with its interval, or None if no cell is ok."""
        return share_estimate(self.values(MAIN), self._n_rows("even_rows"), self._overlap)

    def mean(self, column: str) -> Estimate | None:
        """Return mean and interval over seeds, or None without values."""
        return estimate(self.values(column), self._overlap)

    @property
    def _overlap(self) -> float:
        """The test rows a training row of a drawn split, 0 for an official one."""
        return overlap(self.ok[0]) if self.ok else 0.0

    def _n_rows(self, column: str) -> float | None:
        """The test rows of one seed, or of all different folds of a cross-validation."""
        rows = self.values(column)
        if not rows:
            return None
        n_folds = round(1 + 1 / self._overlap) if "folds" in (self.ok[0]["split"] or "") else 1
        return min(rows) * min(len(rows), n_folds)

    def spread(self, column: str) -> Spread | None:
        """Return median and range over seeds, or None without values."""
        values = self.values(column)
        return Spread(float(np.median(values)), min(values), max(values)) if values else None

    def median(self, column: str) -> float | None:
        spread = self.spread(column)
        return spread.median if spread else None

    @cached_property
    def total_seconds(self) -> float | None:
        """Median of conversion + training + prediction."""
        return self.median("warm_seconds")

    @property
    def image_shape(self) -> str | None:
        """Such as `28x28`, or None if the method makes no images."""
        return next((cell["image_shape"] for cell in self.ok if cell["image_shape"]), None)


def overlap(cell: dict[str, Any]) -> float:
    """Return test rows / other rows of a drawn split: see `t_interval`.

    0 for an official split, and if each seed has a table of its own. The other rows are the
    training rows, or those from which `n_train` of a spec draws them.
    """
    if cell["split"] == "official" or cell["is_redrawn"] or not cell["n_train"]:
        return 0.0
    return cell["n_test"] / max(cell["n_train"], (cell["n_samples"] or 0) - cell["n_test"])


def cells_of(frame: pd.DataFrame) -> list[dict[Any, Any]]:
    """Return the rows of the frame, with None for null."""
    plain = frame.astype(object)
    return plain.where(plain.notna(), None).to_dict("records")


def groups_of(frame: pd.DataFrame) -> dict[tuple[str, str], Group]:
    """Return (dataset, method) -> its group, by their labels."""
    cells = defaultdict(list)
    for cell in cells_of(frame):
        cells[cell["dataset_label"], cell["method_label"]].append(cell)
    return {labels: Group(*labels, listed) for labels, listed in cells.items()}


@dataclass(frozen=True)
class Results:
    """The cells of a result for views.

    `frame` has a row a cell. Its method labels name device or split if those differ. `as_recorded`
    has the labels of the records, for results.parquet.
    """

    source: Source
    records: dict[str, Record]
    frame: pd.DataFrame
    as_recorded: pd.DataFrame

    @classmethod
    def read(cls, place: Path | Store | Source) -> "Results":
        """Read the cells of an output folder or of a published topic."""
        source = open_source(place)
        records = {record["key"]: record for record in _shared_parts(source.records())}
        frame = frame_of(records.values(), source)
        return cls(source, records, distinguish_labels(frame), frame)

    def of_machine(self, letter: str) -> "Results":
        is_there = self.frame["machine"] == letter
        return Results(self.source, self.records, self.frame[is_there], self.as_recorded)

    def without(self, datasets: Sequence[str]) -> "Results":
        """Return the results without some datasets."""
        kept = ~self.frame["dataset_label"].isin(datasets)
        return Results(self.source, self.records, self.frame[kept], self.as_recorded)

    @cached_property
    def machines(self) -> list[Kind]:
        """The kinds of machine, the one with most cells first."""
        return kinds(self.records.values())

    @cached_property
    def times_note(self) -> str:
        """Which times are left out, and their machines, after a space. "" if all count."""
        ok = self.frame.loc[self.frame["status"] == "ok", "shared"]
        texts = (left_out(ok.dropna().to_list(), len(ok)), legend(self.machines))
        return "".join(f" {text}" for text in texts if text)

    @cached_property
    def datasets(self) -> list[str]:
        """All dataset labels. Numbers in them sort as numbers."""
        return sorted(set(self.frame["dataset_label"]), key=natural_order)

    @cached_property
    def methods(self) -> list[str]:
        """All method labels, one order for all tables and figures: `entries`, then variants."""
        return [*self.entries, *sorted(self.families.keys() - set(self.entries))]

    @cached_property
    def entries(self) -> list[str]:
        """One label a method, best mean rank first: see `statistics.families`."""
        return [str(name) for name in self.mean_ranks.index]

    @cached_property
    def families(self) -> dict[str, str]:
        return families(self.frame)

    @cached_property
    def replicates(self) -> dict[str, str]:
        """The label of each repeated method (`replicate` of a spec) -> that of its original."""
        originals: dict[str, str] = {}
        repeats: dict[str, str] = {}
        for row in self.frame.drop_duplicates("method_label").itertuples():
            facts = self.records[str(row.key)]["method"]
            settings = json.dumps((facts["name"], facts["params"]), sort_keys=True)
            if facts.get("replicate"):
                repeats[str(row.method_label)] = settings
            else:
                originals[settings] = str(row.method_label)
        return {name: originals[text] for name, text in repeats.items() if text in originals}

    @cached_property
    def mean_ranks(self) -> pd.DataFrame:
        return mean_ranks(self.frame)

    def values(self, measure: str = MAIN) -> pd.DataFrame:
        """Return a measure of the ok cells: rows (dataset, seed), a column a method."""
        ok = self.frame[self.frame["status"] == "ok"]
        values = ok.pivot_table(measure, ["dataset_label", "seed"], "method_label", aggfunc="mean")
        return values.reindex(columns=self.methods)

    @cached_property
    def _groups(self) -> dict[tuple[str, str], Group]:
        return groups_of(self.frame)

    def group(self, dataset: str, method: str) -> Group | None:
        """Return the cells of a method on a dataset, or None if it was not run there."""
        return self._groups.get((dataset, method))

    def groups(self, dataset: str) -> list[Group]:
        """Return the groups of a dataset, in the order of `methods`."""
        listed = [self.group(dataset, method) for method in self.methods]
        return [group for group in listed if group is not None]

    @cached_property
    def _keys(self) -> dict[str, list[str]]:
        grouped = self.frame.groupby("dataset_label")["key"]
        return {str(dataset): keys.to_list() for dataset, keys in grouped}

    @cached_property
    def _facts(self) -> dict[str, Record]:
        described = {}
        for dataset, keys in self._keys.items():
            listed = [self.records[key]["dataset"] for key in keys]
            described[dataset] = next((f for f in listed if f.get("n_samples")), listed[0])
        return described

    def dataset_facts(self, dataset: str) -> Record:
        """Return the `dataset` part of a record of this label, with sizes if known."""
        return self._facts[dataset]

    def history(self, key: str) -> list[dict[str, Any]]:
        text = self.source.array(key, "history")
        return json.loads(str(text)) if text is not None else []


def _shared_parts(records: Iterable[Record]) -> Iterator[Record]:
    """Yield the records with one object for each distinct dataset and environment.

    Thousands of cells have a few of each, and copies would fill the memory.
    """
    known: dict[str, Any] = {}
    for record in records:
        for part in ("dataset", "environment"):
            if part in record:
                text = json.dumps(record[part])
                record[part] = known.setdefault(text, record[part])
        yield record


def distinguish_labels(frame: pd.DataFrame) -> pd.DataFrame:
    """Add device or split to method labels that would mix two of them."""
    frame = frame.copy()
    for column in ("device", "split"):
        labels = ["dataset_label", "method_label", "seed"]
        mixed = frame.groupby(labels)[column].transform("nunique") > 1
        names = frame.loc[mixed, "method_label"]
        affected = frame["method_label"].isin(set(names)) & frame[column].notna()
        frame.loc[affected, "method_label"] += " [" + frame.loc[affected, column] + "]"
    return frame
