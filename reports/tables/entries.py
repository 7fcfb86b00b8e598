"""Entries that tables share: a failed cell, an interval, the data behind a view."""

from collections.abc import Callable

import pandas as pd

from reports import units
from reports.machines import reasons
from reports.results import Group, Results, Spread
from reports.statistics.estimates import Estimate
from reports.tables.views import ABSENT, FAILED, Cell, Column, Footnotes

NOT_RUN = Cell("not run", mark=ABSENT)
ELSEWHERE = Cell("other machine", mark=ABSENT)  # run on another machine than this row


def interval(estimate: Estimate, digits: int) -> str:
    if estimate.low is None:
        return ""
    return f"[{units.share(estimate.low, digits)}, {units.share(estimate.high, digits)}]"


def failed_cell(group: Group, notes: Footnotes) -> Cell:
    """Return the status, or `no value` if the cells are ok but lack the number."""
    return Cell(group.words or "no value", mark=FAILED, notes=failure_notes(group, notes))


def failure_notes(group: Group, notes: Footnotes) -> tuple[int, ...]:
    """Return the numbers of the footnotes with the reasons of failed cells."""
    words = [f"{units.status_words(status)}: {reason}" for status, reason in group.failures]
    return tuple(notes.number(text) for text in words)


def shared_notes(group: Group, notes: Footnotes) -> tuple[int, ...]:
    """Return the number of the footnote about seconds that do not count."""
    if not group.shared:
        return ()
    text = (
        f"Without the seconds of {len(group.shared)} of {len(group.ok)} ok cells, which shared "
        f"their hardware ({reasons(group.shared)})."
    )
    return (notes.number(text),)


def left_out_cell(group: Group, notes: Footnotes) -> Cell:
    """Return the entry that replaces seconds if no cell had its cores to itself."""
    return Cell("shared", mark=ABSENT, notes=shared_notes(group, notes))


def machine_column(results: Results) -> list[Column]:
    """Return the column of the machine's letter in a list, or [] for one kind."""
    return [Column("Machine")] if len(results.machines) > 1 else []


def machine_cell(results: Results, letter: str) -> list[Cell]:
    """Return the entry of `machine_column`, or [] for one kind of machine."""
    return [Cell(letter)] if len(results.machines) > 1 else []


def timed_groups(results: Results, dataset: str) -> list[Group]:
    """Return the groups of a dataset, one for each method and kind of machine."""
    return [part for group in results.groups(dataset) for part in group.parts]


def extent(spread: Spread, write: Callable[[float], str]) -> str:
    low, high = write(spread.low), write(spread.high)
    return f"[{low}, {high}]" if low != high else ""


def long_data(
    results: Results, values: Callable[[Group], dict[str, object]], *, timed: bool = False
) -> pd.DataFrame:
    """Return one row for each dataset and method: n, the values, the failures.

    With `timed`, one row for each kind of machine, and the columns `machine` and `n_shared` if
    needed.
    """
    groups_of = timed_groups if timed else Results.groups
    groups = [group for dataset in results.datasets for group in groups_of(results, dataset)]
    several = timed and len(results.machines) > 1
    shared = timed and any(group.shared for group in groups)
    rows = [
        {
            "dataset": group.dataset,
            "method": group.method,
            **({"machine": group.machine} if several else {}),
            "n_cells": len(group.cells),
            "n_ok": len(group.ok),
            **({"n_shared": len(group.shared)} if shared else {}),
            **values(group),
            "failures": group.words,
            "reasons": "; ".join(reason for _, reason in group.failures),
        }
        for group in groups
    ]
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=["dataset", "method", "failures"])
