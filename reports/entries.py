"""Entries that the tables share: a failed cell, an interval, the plain data behind a view."""

from collections.abc import Callable

import pandas as pd

from reports import units
from reports.machines import reasons
from reports.results import Group, Results, Spread
from reports.statistics import Estimate
from reports.views import ABSENT, FAILED, Cell, Column, Footnotes

NOT_RUN = Cell("not run", mark=ABSENT)
ELSEWHERE = Cell("other machine", mark=ABSENT)  # run, but not on the machine of this row


def interval(estimate: Estimate, digits: int) -> str:
    """[low, high]; "" without an interval."""
    if estimate.low is None:
        return ""
    return f"[{units.share(estimate.low, digits)}, {units.share(estimate.high, digits)}]"


def failed_cell(group: Group, notes: Footnotes) -> Cell:
    """The status instead of a number; `no value` if the cells are ok but lack the number."""
    return Cell(group.words or "no value", mark=FAILED, notes=failure_notes(group, notes))


def failure_notes(group: Group, notes: Footnotes) -> tuple[int, ...]:
    """The numbers of the footnotes with the reasons of failed cells."""
    words = [f"{units.status_words(status)}: {reason}" for status, reason in group.failures]
    return tuple(notes.number(text) for text in words)


def shared_notes(group: Group, notes: Footnotes) -> tuple[int, ...]:
    """The number of the footnote about seconds of this group that do not count."""
    if not group.shared:
        return ()
    text = (
        f"Without the seconds of {len(group.shared)} of {len(group.ok)} ok cells, not alone on "
        f"what they ran on ({reasons(group.shared)})."
    )
    return (notes.number(text),)


def left_out_cell(group: Group, notes: Footnotes) -> Cell:
    """The entry instead of seconds if no cell was alone."""
    return Cell("shared", mark=ABSENT, notes=shared_notes(group, notes))


def machine_column(results: Results) -> list[Column]:
    """The column of the machine's letter, in a list; [] for one kind of machine."""
    return [Column("Machine")] if len(results.machines) > 1 else []


def machine_cell(results: Results, letter: str) -> list[Cell]:
    """The entry of `machine_column`; [] for one kind of machine."""
    return [Cell(letter)] if len(results.machines) > 1 else []


def timed_groups(results: Results, dataset: str) -> list[Group]:
    """The groups of a dataset, one a method and kind of machine."""
    return [part for group in results.groups(dataset) for part in group.parts]


def extent(spread: Spread, write: Callable[[float], str]) -> str:
    """[lowest, highest]; "" if they are equal."""
    low, high = write(spread.low), write(spread.high)
    return f"[{low}, {high}]" if low != high else ""


def long_data(
    results: Results, values: Callable[[Group], dict[str, object]], *, timed: bool = False
) -> pd.DataFrame:
    """One row for each dataset and method that ran: n, the values, and the failures.

    With `timed`, also one for each kind of machine, with the column `machine` if there are several,
    and the column `n_shared` if there are cells whose seconds do not count.
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
