"""The entries that all tables share: a failed cell, an interval, the plain data behind a view."""

from collections.abc import Callable

import pandas as pd

from reports import units
from reports.results import Group, Results, Spread
from reports.statistics import Estimate
from reports.views import ABSENT, FAILED, Cell, Footnotes

NOT_RUN = Cell("not run", mark=ABSENT)


def interval(found: Estimate, digits: int) -> str:
    """[low, high], or nothing where no interval is known."""
    if found.low is None:
        return ""
    return f"[{units.share(found.low, digits)}, {units.share(found.high, digits)}]"


def failed_cell(group: Group, notes: Footnotes) -> Cell:
    """What happened instead of a number; `ok` cells may lack one too."""
    text = group.words or "no value"
    return Cell(text, mark=FAILED, notes=failure_notes(group, notes))


def failure_notes(group: Group, notes: Footnotes) -> tuple[int, ...]:
    """The numbers of the footnotes that say why cells of this group are not ok."""
    words = [f"{units.status_words(status)}: {reason}" for status, reason in group.failures]
    return tuple(notes.number(text) for text in words)


def extent(found: Spread, write: Callable[[float], str]) -> str:
    low, high = write(found.low), write(found.high)
    return f"[{low}, {high}]" if low != high else ""


def long_data(results: Results, values: Callable[[Group], dict[str, object]]) -> pd.DataFrame:
    """One row for each dataset and method that met: n, the values, and what went wrong."""
    groups = [group for dataset in results.datasets for group in results.groups(dataset)]
    rows = [
        {
            "dataset": group.dataset,
            "method": group.method,
            "n_cells": len(group.cells),
            "n_ok": len(group.ok),
            **values(group),
            "failures": group.words,
            "reasons": "; ".join(reason for _, reason in group.failures),
        }
        for group in groups
    ]
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=["dataset", "method", "failures"])
