"""Marks of tables whose rows were in sight when settings were chosen, from used_rows.toml."""

import tomllib
from collections import defaultdict
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

import pandas as pd

from reports.tables.views import Block, Column, Footnotes, View

READING = " A footnote of a dataset names settings that were chosen with its rows in sight."
CAPTION = (
    "†: settings of methods were chosen with rows of this table in sight "
    "(`reports/used_rows.toml` names them)."
)
FILE = Path(__file__).with_suffix(".toml")


def used_tables(frame: pd.DataFrame) -> dict[str, list[str]]:
    """Return dataset -> a sentence for each choice that had its rows in sight, if there is any.

    `frame` has the columns `dataset_label` and `seed`.
    """
    entries = tomllib.loads(FILE.read_text())["used"]
    used: dict[str, list[str]] = defaultdict(list)
    for label, seeds in frame.groupby("dataset_label")["seed"].agg(set).items():
        for entry in entries:
            is_meant = any(fnmatchcase(str(label), pattern) for pattern in entry["labels"])
            if is_meant and not seeds.isdisjoint(entry.get("seeds", seeds)):
                used[str(label)].append(
                    "Settings were chosen with rows of this table in sight: "
                    f"{entry['chosen']} (source: {entry['source']})."
                )
    return used


def mark_view(view: View, used: dict[str, list[str]]) -> View:
    """Add footnotes to the datasets of a table: at their columns, or at that of the methods."""
    notes = Footnotes()
    for text in view.footnotes:
        notes.number(text)

    def mark(column: Column, block: Block) -> Column:
        dataset = block.dataset if column is block.columns[0] else column.dataset
        numbers = [notes.number(text) for text in used.get(dataset or "", [])]
        return replace(column, notes=(*column.notes, *numbers))

    blocks = [replace(b, columns=[mark(column, b) for column in b.columns]) for b in view.blocks]
    reading = view.reading + READING * (len(notes.texts) > len(view.footnotes))
    return replace(view, reading=reading, blocks=blocks, footnotes=notes.texts)


def mark_text(text: str, used: dict[str, list[str]]) -> str:
    """Mark the datasets of a table of Markdown, and explain the mark below it."""
    marked = text
    for label in used:
        marked = marked.replace(f"| {label} |", f"| {label} † |")
    return text if marked == text else f"{marked}\n{CAPTION}\n"
