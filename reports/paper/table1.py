"""Table 1: generated variables and their ranges, from the stored parameters."""

import pandas as pd

from reports.paper.evidence import Evidence, in_words, keys_of
from reports.paper.exhibit import Exhibit
from reports.paper.labels import NIHS, NIHS_NOTEBOOK, NIHS_RANDOM
from reports.results import Group
from reports.tables.views import Block, Cell, Column, Footnotes, View

BOUNDS = ("low_0", "high_0", "low_1", "high_1")
TITLE = "Table 1: generated variables and their ranges"
CAPTION = (
    "The ranges that the stored tables were generated with, read from the records of their cells. "
    "Variables are counted from 0. The class ranges of each needle do not overlap, so one cut on "
    "one variable separates the classes. The paper's table has the needles of "
    f"`{NIHS}`; the notebooks' own has its second needle at 17,689, and 15,000 rows."
)


def table1(evidence: Evidence) -> Exhibit:
    blocks, data, shown, notes = [], [], [], Footnotes()
    for dataset in (NIHS, NIHS_NOTEBOOK, NIHS_RANDOM):
        groups = evidence.results.groups(dataset)
        group = next((group for group in groups if _facts(evidence, group)), None)
        if group is None:
            continue
        shown.append(group)
        facts, keys = _facts(evidence, group), keys_of(group)[:1]
        needles, ranges = facts["relevant"], facts["params"]["ranges"]
        of_needles = [ranges[i % len(ranges)] for i in range(len(needles))]
        columns = [
            Column("Class", notes=evidence.size_notes(dataset, notes)),
            *(Column(f"Variable {n:,}") for n in needles),
            Column("All others"),
        ]
        lines = []
        for label in (0, 1):
            pairs = [bounds[2 * label : 2 * label + 2] for bounds in of_needles]
            texts = [*(f"{low:.2f}–{high:.2f}" for low, high in pairs), "0.00–1.00"]
            lines.append([Cell(str(label)), *(Cell(text, keys=keys) for text in texts)])
        size = f"{facts['n_samples']:,} × {facts['n_features']:,}"
        blocks.append(Block(f"{dataset} ({size})", columns, lines, dataset))
        data += [
            {"dataset": dataset, "variable": needle, "cells": " ".join(keys)}
            | dict(zip(BOUNDS, bounds, strict=True))
            | {"smaller": in_words(evidence.smaller(dataset))}
            for needle, bounds in zip(needles, of_needles, strict=True)
        ]
    if not blocks:
        return Exhibit("table1", TITLE, CAPTION, missing="needs a cell on a table of needles")
    view = View("table1", TITLE, CAPTION, blocks, notes.texts, pd.DataFrame(data))
    return Exhibit("table1", TITLE, CAPTION, keys_of(*shown), view=view)


def _facts(evidence: Evidence, group: Group) -> dict:
    listed = [evidence.results.records[key]["dataset"] for key in keys_of(group)]
    return next((facts for facts in listed if facts.get("relevant")), {})
