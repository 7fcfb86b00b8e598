"""Table 2 of the paper, for every dataset: one column a method, what was published beside it."""

from collections.abc import Callable

import pandas as pd

from reports import units
from reports.entries import failed_cell, left_out_cell, long_data, timed_groups
from reports.paper.published import Published, published_for
from reports.results import Group, Results
from reports.views import ABSENT, PUBLISHED, Block, Cell, Column, Footnotes, View

READING = (
    "The rows of Table 2 of the DeepMapper paper (Sci Rep 14, 2024), for every dataset and method. "
    "Durations are medians and accuracies means over seeds; the intervals are in the other tables. "
    'Columns headed "published" are from other data and other hardware: see their footnotes, and '
    "compare accuracies with care and durations not at all."
)

# Row of the paper -> the column of results.parquet.
ROWS = {
    "Image conversion time": "conversion_seconds",
    "Image size": "image_shape",
    "Training time": "train_seconds",
    "Accuracy, train": "train_accuracy",
    "Accuracy, test": "accuracy",
}

Entry = Group | Published


def paper(results: Results) -> View:
    """One block a dataset; methods in the order of the other tables."""
    notes = Footnotes()
    blocks = [_block(results, dataset, notes) for dataset in results.datasets]
    title = "Table 2 of the paper, for every dataset"
    reading = READING + results.times_note
    return View("paper", title, reading, blocks, notes.texts, _data(results))


def _block(results: Results, dataset: str, notes: Footnotes) -> Block:
    published = published_for(results.dataset_facts(dataset))
    entries = _in_order(timed_groups(results, dataset), published)
    head = [Column(""), *(_column(entry, notes) for entry in entries)]
    digits = units.share_digits(results.dataset_facts(dataset).get("n_test"))
    rows = [
        [Cell(label), *(_cell(entry, column, digits, notes) for entry in entries)]
        for label, column in ROWS.items()
    ]
    if len(results.machines) > 1:
        rows.insert(0, [Cell("Machine"), *map(_machine_cell, entries)])
    return Block(f"{dataset}: table 2", head, rows, dataset)


def _machine_cell(entry: Entry) -> Cell:
    if isinstance(entry, Published):
        return Cell("not ours", mark=PUBLISHED)
    return Cell(entry.machine or units.NOT_KNOWN)


def _in_order(groups: list[Group], published: list[Published]) -> list[Entry]:
    """The published columns first, each with the method it belongs to; then the other methods."""
    first: list[Entry] = []
    for entry in published:
        first += [entry, *(g for g in groups if entry.beside in set(g.cells["method"]))]
    return first + [group for group in groups if group not in first]


def _column(entry: Entry, notes: Footnotes) -> Column:
    if isinstance(entry, Group):
        return Column(entry.method)
    remark = f"{entry.label}, {entry.where}: published figures; {entry.caveat}."
    header = f"{entry.label} (published, {entry.where})"
    return Column(header, mark=PUBLISHED, notes=(notes.number(remark),))


def _cell(entry: Entry, column: str, digits: int, notes: Footnotes) -> Cell:
    if isinstance(entry, Published):
        return _published_cell(entry, column)
    if not entry.n_ok:
        return failed_cell(entry, notes)
    value = _value(entry, column)
    if value is None and entry.is_left_out(column):
        return left_out_cell(entry, notes)
    if value is None:
        return Cell("no image" if column == "image_shape" else units.NOT_KNOWN, mark=ABSENT)
    return Cell(_writer(column, digits)(value))


def _value(group: Group, column: str) -> float | str | None:
    if column == "image_shape":
        return group.image_shape
    if column.endswith("_seconds"):
        found = group.spread(column)
        return found.median if found else None
    mean = group.mean(column)
    return mean.mean if mean else None


def _writer(column: str, digits: int) -> Callable[..., str]:
    if column == "image_shape":
        return units.shape
    if column.endswith("_seconds"):
        return units.duration
    return lambda value: units.share(value, digits)


def _published_cell(entry: Published, column: str) -> Cell:
    value = getattr(entry, column)
    if value is None:
        return Cell(entry.remark or "not given", mark=PUBLISHED)
    return Cell(_writer(column, 3)(value), mark=PUBLISHED)


def _data(results: Results) -> pd.DataFrame:
    """The measured rows, then the published ones, told apart by the column `origin`."""
    measured = long_data(
        results, lambda group: {c: _value(group, c) for c in ROWS.values()}, timed=True
    )
    measured.insert(2, "origin", "measured")
    found = [
        {"dataset": dataset, "method": entry.label, "origin": f"published, {entry.where}"}
        | {column: getattr(entry, column) for column in ROWS.values()}
        | {"failures": entry.remark or "", "reasons": entry.caveat}
        for dataset in results.datasets
        for entry in published_for(results.dataset_facts(dataset))
    ]
    if not found:
        return measured
    both = pd.concat([measured, pd.DataFrame(found)], ignore_index=True)
    return both.astype({"n_cells": "Int64", "n_ok": "Int64"})
