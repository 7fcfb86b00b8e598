"""The entries that all tables share: a failed cell, an interval, the plain data behind a view."""

from collections.abc import Callable

import pandas as pd

from reports import units
from reports.machines import reasons
from reports.results import Group, Results, Spread
from reports.statistics import Estimate
from reports.views import ABSENT, FAILED, Cell, Column, Footnotes

NOT_RUN = Cell("not run", mark=ABSENT)
ELSEWHERE = Cell("other machine", mark=ABSENT)  # run, but not on that of this row


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


def shared_notes(group: Group, notes: Footnotes) -> tuple[int, ...]:
    """The number of the footnote that says which seconds of this group do not count."""
    if not len(group.shared):
        return ()
    text = (
        f"Without the seconds of {len(group.shared)} of {group.n_ok} ok cells, not alone on "
        f"what they ran on ({reasons(group.shared)})."
    )
    return (notes.number(text),)


def left_out_cell(group: Group, notes: Footnotes) -> Cell:
    """In place of seconds where no cell was alone."""
    return Cell("shared", mark=ABSENT, notes=shared_notes(group, notes))


def machine_column(results: Results) -> list[Column]:
    """The column that tells machines apart, in a list; [] where there is one kind."""
    return [Column("Machine")] if len(results.machines) > 1 else []


def machine_cell(results: Results, letter: str | None) -> list[Cell]:
    return [Cell(letter or units.NOT_KNOWN)] if len(results.machines) > 1 else []


def timed_groups(results: Results, dataset: str) -> list[Group]:
    """The groups of a dataset, one a method and kind of machine."""
    return [part for group in results.groups(dataset) for part in group.parts]


def extent(found: Spread, write: Callable[[float], str]) -> str:
    low, high = write(found.low), write(found.high)
    return f"[{low}, {high}]" if low != high else ""


def long_data(
    results: Results, values: Callable[[Group], dict[str, object]], *, timed: bool = False
) -> pd.DataFrame:
    """One row for each dataset and method that met: n, the values, and what went wrong.

    With `timed` also one for each kind of machine, if there are several, with the column `machine`;
    and the column `n_shared` if there are cells whose seconds do not count.
    """
    groups_of = timed_groups if timed else Results.groups
    groups = [group for dataset in results.datasets for group in groups_of(results, dataset)]
    several = timed and len(results.machines) > 1
    shared = timed and any(len(group.shared) for group in groups)
    rows = [
        {
            "dataset": group.dataset,
            "method": group.method,
            **({"machine": group.machine} if several else {}),
            "n_cells": len(group.cells),
            "n_ok": group.n_ok,
            **({"n_shared": len(group.shared)} if shared else {}),
            **values(group),
            "failures": group.words,
            "reasons": "; ".join(reason for _, reason in group.failures),
        }
        for group in groups
    ]
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=["dataset", "method", "failures"])
