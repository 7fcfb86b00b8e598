"""The tables of the report. A failure is a word with its reason in a footnote."""

from pathlib import Path

from bench.store.store import write_atomically
from reports.results import Results
from reports.statistics.variance_shares import has_grid
from reports.tables.accuracy import accuracy, differences, over_tables, pairwise
from reports.tables.markup import csv, latex, markdown
from reports.tables.measures import attribution, quality, timing
from reports.tables.needs import needs
from reports.tables.variance import variance
from reports.tables.views import View
from reports.used_rows import mark_view, used_tables

WRITERS = {"md": markdown, "csv": csv, "tex": latex}


def all_views(results: Results) -> list[View]:
    """Build the tables of a report. A grid of layouts and networks has one of its variance."""
    makers = [accuracy, needs, quality, timing, attribution]
    makers += [differences, over_tables, pairwise]
    used = used_tables(results.frame)
    views = [make(results) for make in makers + [variance] * has_grid(results.frame)]
    return [mark_view(view, used) for view in views]


def write_view(view: View, folder: Path) -> None:
    """Write a view as .md, .csv and .tex, each file whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    for suffix, write in WRITERS.items():
        write_text(folder / f"{view.name}.{suffix}", write(view))


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda file: file.write(text.encode()))
