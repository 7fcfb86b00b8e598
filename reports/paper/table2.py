"""Table 2: conversion, image, training and accuracy, published beside measured, for all methods."""

import pandas as pd

from reports import units
from reports.entries import failed_cell, interval
from reports.paper import remarks
from reports.paper.evidence import MODES, Evidence, keys_of
from reports.paper.exhibit import Exhibit
from reports.paper.labels import (
    EXPRESSION,
    MNIST,
    NIHS,
    NIHS_NOTEBOOK,
    SHUFFLED,
    TCGA,
    TCGA_NOTEBOOK,
)
from reports.paper.published import PUBLISHED as PUBLISHED_COLUMNS
from reports.paper.published import Published
from reports.results import Group
from reports.views import ABSENT, PUBLISHED, Block, Cell, Column, Footnotes, View

TITLE = "Table 2: conversion, training and accuracy"
CAPTION = (
    "The rows of the paper's Table 2 as columns, for every table and method. Published figures "
    "(italic) come from other data and other hardware. `faithful` runs the notebooks' settings "
    "with their mistakes, `corrected` the paper's description done right, `best` the engine "
    "without restrictions; with `equal pixels` DeepInsight has as many as DeepMapper, so that what "
    "is left is the method. Durations are medians, accuracies means over the seeds (n) "
    "with 95% intervals. Failures stand where they happened."
)
# Our table -> that of the published figures, and the paper's NIHS has none but the notebook's.
NAMES = {
    TCGA: "tcga",
    TCGA_NOTEBOOK: "tcga",
    EXPRESSION: "tcga",
    NIHS: "nihs",
    NIHS_NOTEBOOK: "nihs",
    SHUFFLED: "shuffled_mnist",
    MNIST: None,
}
COLUMNS = {
    "Conversion": "conversion_seconds",
    "Image": "image_shape",
    "Training": "train_seconds",
    "Accuracy, train": "train_accuracy",
    "Accuracy, test": "accuracy",
}


def table2(evidence: Evidence) -> Exhibit:
    """One block a table that was run."""
    notes = Footnotes()
    datasets = [d for d in NAMES if evidence.results.groups(d)]
    if not datasets:
        return Exhibit("table2", TITLE, CAPTION, missing="needs a cell")
    blocks = [_block(evidence, dataset, notes) for dataset in datasets]
    groups = [group for dataset in datasets for group in evidence.results.groups(dataset)]
    view = View("table2", TITLE, CAPTION, blocks, notes.texts, _data(evidence, datasets))
    return Exhibit("table2", TITLE, CAPTION, keys_of(*groups), view=view)


def _block(evidence: Evidence, dataset: str, notes: Footnotes) -> Block:
    rows = [_published_row(entry, notes) for entry in _published(dataset)]
    for method in _in_order(evidence.methods(dataset)):
        group = evidence.group(dataset, method)
        if group is not None:
            rows.append(_row(evidence, group, notes))
    facts = evidence.results.dataset_facts(dataset)
    size = ""
    if facts.get("n_samples"):
        size = f" ({facts['n_samples']:,} × {facts['n_features']:,}, {facts['n_classes']} classes)"
    head = [Column("Method"), *(Column(name) for name in COLUMNS)]
    head[0] = Column("Method", notes=remarks.of_dataset(evidence, dataset, notes))
    return Block(f"{dataset}{size}", head, rows, dataset)


def _in_order(methods: list[str]) -> list[str]:
    """The modes first, then the others as the spec has them."""
    return [m for m in MODES if m in methods] + [m for m in methods if m not in MODES]


def _published(dataset: str) -> list[Published]:
    return [entry for entry in PUBLISHED_COLUMNS if entry.dataset == NAMES[dataset]]


def _published_row(entry: Published, notes: Footnotes) -> list[Cell]:
    number = notes.number(f"{entry.label}, {entry.where}: {entry.caveat}.")
    name = Cell(f"{entry.label} (published, {entry.where})", mark=PUBLISHED, notes=(number,))
    cells = []
    for column in COLUMNS.values():
        value = getattr(entry, column)
        text = _text(value, column, 3) if value is not None else entry.remark or "not given"
        cells.append(Cell(text, mark=PUBLISHED))
    return [name, *cells]


def _row(evidence: Evidence, group: Group, notes: Footnotes) -> list[Cell]:
    keys = keys_of(group)
    mine = remarks.of_method(evidence, group.dataset, group.method, notes)
    name = Cell(group.method, notes=mine, keys=keys)
    if not group.n_ok:
        failed = failed_cell(group, notes)
        return [name, *(_with_keys(failed, keys) for _ in COLUMNS)]
    digits = units.share_digits(evidence.results.dataset_facts(group.dataset).get("n_test"))
    return [name, *(_cell(group, column, digits, keys) for column in COLUMNS.values())]


def _with_keys(cell: Cell, keys: tuple[str, ...]) -> Cell:
    return Cell(cell.text, cell.detail, cell.sort, cell.mark, cell.notes, keys)


def _cell(group: Group, column: str, digits: int, keys: tuple[str, ...]) -> Cell:
    value = value_of(group, column)
    if value is None:
        words = "no image" if column == "image_shape" else units.NOT_KNOWN
        return Cell(words, mark=ABSENT, keys=keys)
    detail = ""
    if column == "accuracy" and group.accuracy is not None:
        detail = f"{interval(group.accuracy, digits)} n = {group.accuracy.n}".strip()
    return Cell(_text(value, column, digits), detail, keys=keys)


def value_of(group: Group, column: str) -> float | str | None:
    """The number that the table shows: a median of durations, a mean of accuracies."""
    if column == "image_shape":
        return group.image_shape
    if column.endswith("_seconds"):
        found = group.spread(column)
        return found.median if found else None
    mean = group.mean(column)
    return mean.mean if mean else None


def _text(value: float | str, column: str, digits: int) -> str:
    if isinstance(value, str):
        return units.shape(value)
    return units.duration(value) if column.endswith("_seconds") else units.share(value, digits)


def _data(evidence: Evidence, datasets: list[str]) -> pd.DataFrame:
    rows = []
    for dataset in datasets:
        rows += [
            {"dataset": dataset, "method": e.label, "origin": f"published, {e.where}"}
            | {column: getattr(e, column) for column in COLUMNS.values()}
            for e in _published(dataset)
        ]
        for method in _in_order(evidence.methods(dataset)):
            group = evidence.group(dataset, method)
            if group is not None:
                rows.append(
                    {"dataset": dataset, "method": method, "origin": "measured"}
                    | {column: value_of(group, column) for column in COLUMNS.values()}
                    | {"n": group.n_ok, "failures": group.words}
                    | {"smaller": evidence.smaller(dataset, method)}
                    | {"cells": " ".join(keys_of(group))}
                )
    return pd.DataFrame(rows)
