"""Table 1: the generated variables and their ranges, from the generator's own parameters."""

import pandas as pd

from reports.paper import remarks
from reports.paper.evidence import Evidence, keys_of
from reports.paper.exhibit import Exhibit
from reports.paper.labels import NIHS, NIHS_NOTEBOOK, NIHS_RANDOM
from reports.results import Group
from reports.views import Block, Cell, Column, Footnotes, View

BOUNDS = ("low_0", "high_0", "low_1", "high_1")
TITLE = "Table 1: generated variables and their ranges"
CAPTION = (
    "The ranges that the stored tables were generated with, read from the records of their cells. "
    "Variables are counted from 0. The class ranges of each needle do not overlap, so that one cut "
    "on one variable tells the classes apart. The paper's table has the needles of "
    f"`{NIHS}`; the notebooks' own has its second needle at 17,689, and 15,000 rows."
)


def table1(evidence: Evidence) -> Exhibit:
    """A block a table of needles."""
    found = {d: evidence.results.groups(d) for d in (NIHS, NIHS_NOTEBOOK, NIHS_RANDOM)}
    groups = {d: next((g for g in some if _facts(evidence, g)), None) for d, some in found.items()}
    shown = {d: group for d, group in groups.items() if group is not None}
    if not shown:
        return Exhibit("table1", TITLE, CAPTION, missing="needs a cell on a table of needles")
    blocks, rows, notes = [], [], Footnotes()
    for dataset, group in shown.items():
        facts = _facts(evidence, group)
        keys = keys_of(group)[:1]
        needles, ranges = facts["relevant"], facts["params"]["ranges"]
        marks = remarks.of_size(evidence, dataset, notes)
        columns = [
            Column("Class", notes=marks),
            *(Column(f"Variable {n:,}") for n in needles),
            Column("All others"),
        ]
        lines = []
        for c in (0, 1):
            entries = [
                Cell(_range(four[2 * c : 2 * c + 2]), keys=keys)
                for four in (ranges[i % len(ranges)] for i in range(len(needles)))
            ]
            lines.append([Cell(str(c)), *entries, Cell("0.00–1.00", keys=keys)])
        size = f"{facts['n_samples']:,} × {facts['n_features']:,}"
        blocks.append(Block(f"{dataset} ({size})", columns, lines, dataset))
        rows += [
            {"dataset": dataset, "variable": n, "cells": " ".join(keys)}
            | dict(zip(BOUNDS, ranges[i % len(ranges)], strict=True))
            | {"smaller": evidence.smaller(dataset)}
            for i, n in enumerate(needles)
        ]
    view = View("table1", TITLE, CAPTION, blocks, notes.texts, pd.DataFrame(rows))
    return Exhibit("table1", TITLE, CAPTION, keys_of(*shown.values()), view=view)


def _facts(evidence: Evidence, group: Group) -> dict:
    for key in group.cells["key"]:
        facts = evidence.results.records[str(key)]["dataset"]
        if facts.get("relevant"):
            return facts
    return {}


def _range(pair: list[float]) -> str:
    return f"{pair[0]:.2f}–{pair[1]:.2f}"
