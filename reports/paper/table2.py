"""Table 2: conversion, image, training and accuracy, published and measured."""

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from reports import units
from reports.paper.evidence import NOT_MEASURED, ON_A_GPU, Evidence, in_words, keys_of
from reports.paper.exhibit import Exhibit
from reports.paper.labels import (
    EXPRESSION,
    MNIST,
    MUTATIONS,
    NIHS,
    NIHS_NOTEBOOK,
    SHUFFLED,
    TCGA,
    TCGA_NOTEBOOK,
)
from reports.results import Group
from reports.tables.entries import interval
from reports.tables.views import ABSENT, PUBLISHED, Block, Cell, Column, Footnotes, View

TITLE = "Table 2: conversion, training and accuracy"
CAPTION = (
    "The rows of the paper's Table 2 as columns, for every table and method. Published figures "
    "(italic) come from other data and other hardware. `faithful` runs the notebooks' settings "
    "with their mistakes, `corrected` the paper's description without them, `best` the engine "
    "without restrictions. With `equal pixels` DeepInsight has the number of pixels of DeepMapper. "
    "Durations are medians, accuracies means over the seeds (n) with 95% intervals."
)
# Our table -> the table of the published figures. For NIHS these are the notebook's.
NAMES = {
    TCGA: "tcga",
    TCGA_NOTEBOOK: "tcga",
    EXPRESSION: "tcga",
    MUTATIONS: None,
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


_TEXT = Path(__file__).with_name("published.toml").read_text()
PUBLISHED_COLUMNS: list[dict[str, Any]] = tomllib.loads(_TEXT)["column"]


def table2(evidence: Evidence) -> Exhibit:
    notes = Footnotes()
    datasets = [d for d in NAMES if evidence.results.groups(d) or evidence.not_run(d)]
    if not any(map(evidence.results.groups, datasets)):
        return Exhibit("table2", TITLE, CAPTION, missing="needs a cell")
    blocks = [_block(evidence, dataset, notes) for dataset in datasets]
    groups = [group for dataset in datasets for group in evidence.results.groups(dataset)]
    view = View("table2", TITLE, CAPTION, blocks, notes.texts, _data(evidence, datasets))
    return Exhibit("table2", TITLE, CAPTION, keys_of(*groups), view=view)


def _block(evidence: Evidence, dataset: str, notes: Footnotes) -> Block:
    rows = [_published_row(entry, notes) for entry in _published(dataset)]
    groups = evidence.groups(dataset)
    rows += [_row(evidence, group, notes) for group in groups]
    for method in evidence.not_run(dataset) if groups else ["every method"]:
        absent = Cell(NOT_MEASURED, mark=ABSENT, notes=(notes.number(ON_A_GPU),))
        rows.append([Cell(method), *(absent for _ in COLUMNS)])
    size = ""
    facts = evidence.results.dataset_facts(dataset) if groups else {}
    if facts.get("n_samples"):
        size = f" ({facts['n_samples']:,} × {facts['n_features']:,}, {facts['n_classes']} classes)"
    first = Column("Method", notes=evidence.size_notes(dataset, notes) if groups else ())
    return Block(f"{dataset}{size}", [first, *map(Column, COLUMNS)], rows, dataset)


def _published(dataset: str) -> list[dict[str, Any]]:
    return [entry for entry in PUBLISHED_COLUMNS if entry["dataset"] == NAMES[dataset]]


def _published_row(entry: dict[str, Any], notes: Footnotes) -> list[Cell]:
    label, where = entry["label"], entry["where"]
    number = notes.number(f"{label}, {where}: {entry['caveat']}.")
    name = Cell(f"{label} (published, {where})", mark=PUBLISHED, notes=(number,))
    cells = []
    for column in COLUMNS.values():
        value = entry.get(column)
        text = _text(value, column, 3) if value is not None else entry.get("remark", "not given")
        cells.append(Cell(text, mark=PUBLISHED))
    return [name, *cells]


def _row(evidence: Evidence, group: Group, notes: Footnotes) -> list[Cell]:
    keys = keys_of(group)
    name = Cell(group.method, notes=evidence.method_notes(group, notes), keys=keys)
    if not group.ok:
        failed = replace(evidence.failed(group, notes), keys=keys)
        return [name, *(failed for _ in COLUMNS)]
    digits = units.share_digits(evidence.results.dataset_facts(group.dataset).get("n_test"))
    return [name, *(_cell(group, column, digits, keys) for column in COLUMNS.values())]


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
    """Return the median of durations, the mean of accuracies, or the image's shape."""
    if column == "image_shape":
        return group.image_shape
    if column.endswith("_seconds"):
        return group.median(column)
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
            {"dataset": dataset, "method": e["label"], "origin": f"published, {e['where']}"}
            | {column: e.get(column) for column in COLUMNS.values()}
            for e in _published(dataset)
        ]
        for group in evidence.groups(dataset):
            smaller = evidence.smaller(dataset), evidence.smaller(dataset, group.method)
            rows.append(
                {"dataset": dataset, "method": group.method, "origin": "measured"}
                | {column: value_of(group, column) for column in COLUMNS.values()}
                | {"n": len(group.ok), "failures": group.words}
                | {"smaller": ", ".join(in_words(part) for part in smaller if part)}
                | {"cells": " ".join(keys_of(group))}
            )
        rows += [
            {"dataset": dataset, "method": method, "origin": NOT_MEASURED}
            for method in evidence.not_run(dataset)
        ]
    return pd.DataFrame(rows)
