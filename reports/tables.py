"""The tables of the report. A failure is a word with its reason in a footnote, never a hole."""

from pathlib import Path

from bench.store.store import write_atomically
from reports.markup import csv, latex, markdown
from reports.results import Results
from reports.table_accuracy import accuracy, differences
from reports.table_measures import attribution, timing
from reports.table_needs import needs
from reports.views import View

__all__ = [
    "accuracy",
    "all_views",
    "attribution",
    "differences",
    "needs",
    "timing",
    "write_tables",
]


def all_views(results: Results) -> list[View]:
    """Every table of the report."""
    return [make(results) for make in (accuracy, needs, timing, attribution, differences)]


def write_tables(views: list[View], folder: Path) -> None:
    """Each view as .md, .csv and .tex in the folder, each file whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    for view in views:
        for suffix, write in (("md", markdown), ("csv", csv), ("tex", latex)):
            _write_text(folder / f"{view.name}.{suffix}", write(view))


def _write_text(path: Path, text: str) -> None:
    write_atomically(path, lambda file: file.write(text.encode()))
