"""Which needles were found: by pass and in the consensus of the passes, as the notebooks count."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from reports import units
from reports.entries import failed_cell, interval
from reports.paper import remarks
from reports.paper.attributions import strongest
from reports.paper.evidence import MODES, Evidence, keys_of
from reports.paper.exhibit import Exhibit
from reports.paper.labels import NIHS, NIHS_NOTEBOOK, NIHS_RANDOM
from reports.results import Group
from reports.views import PROSE, PUBLISHED, Block, Cell, Column, Footnotes, View

TITLE = "Needles found"
BAR = 0.8  # test accuracy from which the notebooks let a pass count
TOP = 20  # features of a pass that the notebooks keep
CAPTION = (
    "Each seed is one pass: another split, other weights. A pass counts from a test accuracy of "
    f"{BAR}, as in the notebooks. Found: the needle is among the {TOP} strongest features of a "
    "pass that counts (in brackets: among the strongest two). Consensus: the place of each needle "
    f"when features are ordered as in the notebooks: how often they are among the top {TOP}, times "
    "their mean strength there."
)
PUBLISHED_ROW = (  # the notebook's passes: facts of its printed tables
    "notebook (printed)",
    "10 of 10",
    "0.936 (0.889 to 0.993)",
    "20: 10 of 10; 17,689: 5 of 10",
    "17,998 in no pass",
)


@dataclass(frozen=True)
class Found:
    """The passes of one method on one table.

    Args:
        accepted: the keys of the passes that count.
        in_top, in_two: of each needle, in how many of them it is found.
        all_on_top: in how many of them no feature is stronger than a needle.
        consensus: of each needle, its place among all features; None where no pass names it.
    """

    needles: list[int]
    accepted: list[str]
    in_top: list[int]
    in_two: list[int]
    all_on_top: int
    consensus: list[int | None]


def needles(evidence: Evidence) -> Exhibit:
    """A block a table of needles, a line a method that attributes."""
    notes = Footnotes()
    blocks, rows, groups = [], [], []
    for dataset in (NIHS_NOTEBOOK, NIHS, NIHS_RANDOM):
        lines = [_published()] if dataset == NIHS_NOTEBOOK else []
        methods = evidence.methods(dataset)
        for method in [m for m in MODES if m in methods] + [m for m in methods if m not in MODES]:
            group = evidence.group(dataset, method)
            if group is None:
                continue
            found = passes(evidence, group)
            groups.append(group)
            lines.append(_line(evidence, group, found, notes))
            rows.append(_data(group, found))
        if any(line[0].mark != PUBLISHED for line in lines):
            first = Column(HEAD[0], notes=remarks.of_dataset(evidence, dataset, notes))
            head = [
                first,
                *map(Column, HEAD[1:3]),
                *(Column(name, mark=PROSE) for name in HEAD[3:]),
            ]
            blocks.append(Block(dataset, head, lines, dataset))
    if not blocks:
        return Exhibit("needles", TITLE, CAPTION, missing="needs a cell on a table of needles")
    view = View("needles", TITLE, CAPTION, blocks, notes.texts, pd.DataFrame(rows))
    return Exhibit("needles", TITLE, CAPTION, keys_of(*groups), view=view)


HEAD = ("Method", "Passes that count", "Accuracy, test", "Needles found", "Consensus")


def passes(evidence: Evidence, group: Group) -> Found | None:
    """What the passes that count name; None where the method does not attribute."""
    facts = evidence.results.dataset_facts(group.dataset)
    true = [int(feature) for feature in facts.get("relevant") or []]
    accepted = group.ok[group.ok["accuracy"] >= BAR]
    tops = {}
    relevant = {}
    for key in accepted["key"]:
        features, strengths = strongest(evidence.results.source.arrays(key), TOP)
        if not len(features):
            return None
        tops[str(key)] = dict(zip(features.tolist(), strengths.tolist(), strict=True))
        record = evidence.results.records[str(key)]
        relevant[str(key)] = [int(f) for f in record["dataset"]["relevant"]]
    if not tops and not _attributes(evidence, group):
        return None
    n = len(true)
    # A table drawn anew for each seed has its needles elsewhere: the i-th counts as the i-th.
    in_top = [sum(relevant[k][i] in top for k, top in tops.items()) for i in range(n)]
    in_two = [sum(relevant[k][i] in list(top)[:n] for k, top in tops.items()) for i in range(n)]
    on_top = sum(set(list(top)[:n]) == set(relevant[k]) for k, top in tops.items())
    same = len({tuple(places) for places in relevant.values()}) <= 1
    order = consensus(list(tops.values())) if same else []  # needles that move have no place
    places = [order.index(f) + 1 if f in order else None for f in true]
    return Found(true, list(tops), in_top, in_two, on_top, places)


def _attributes(evidence: Evidence, group: Group) -> bool:
    arrays = evidence.arrays(group)
    return "attributions" in arrays or "top_features" in arrays


def consensus(tops: list[dict[int, float]]) -> list[int]:
    """Features by count x mean strength over passes, the strongest first; ties by index."""
    features = sorted({feature for top in tops for feature in top})
    totals = {
        feature: len(values) * float(np.mean(values))
        for feature in features
        if (values := [top[feature] for top in tops if feature in top])
    }
    return sorted(features, key=lambda feature: (-totals[feature], feature))


def _published() -> list[Cell]:
    return [Cell(text, mark=PUBLISHED) for text in PUBLISHED_ROW]


def _line(evidence: Evidence, group: Group, found: Found | None, notes: Footnotes) -> list[Cell]:
    keys = keys_of(group)
    mine = remarks.of_method(evidence, group.dataset, group.method, notes)
    name = Cell(group.method, notes=mine, keys=keys)
    if group.accuracy is None:
        return [name, *(failed_cell(group, notes) for _ in HEAD[1:])]
    digits = units.share_digits(evidence.results.dataset_facts(group.dataset).get("n_test"))
    accuracy = Cell(
        units.share(group.accuracy.mean, digits), interval(group.accuracy, digits), keys=keys
    )
    if found is None:
        counts = int((group.ok["accuracy"] >= BAR).sum())
        return [name, _of(counts, group, keys), accuracy, Cell("names none"), Cell("names none")]
    n = len(found.accepted)
    words = "; ".join(
        f"{f:,}: {top} ({two}) of {n}"
        for f, top, two in zip(found.needles, found.in_top, found.in_two, strict=True)
    )
    places = "; ".join(
        f"{f:,}: {place if place is not None else 'not named'}"
        for f, place in zip(found.needles, found.consensus, strict=True)
    )
    return [name, _of(n, group, keys), accuracy, Cell(words, keys=keys), Cell(places, keys=keys)]


def _of(n: int, group: Group, keys: tuple[str, ...]) -> Cell:
    return Cell(f"{n} of {group.n_ok}", keys=keys)


def _data(group: Group, found: Found | None) -> dict[str, object]:
    row: dict[str, object] = {
        "dataset": group.dataset,
        "method": group.method,
        "n_ok": group.n_ok,
        "accuracy": group.accuracy.mean if group.accuracy else None,
    }
    if found is not None:
        row |= {"accepted": len(found.accepted)}
        for i, needle in enumerate(found.needles):
            row |= {
                f"needle_{i + 1}": needle,
                f"in_top_{i + 1}": found.in_top[i],
                f"in_two_{i + 1}": found.in_two[i],
                f"consensus_{i + 1}": found.consensus[i],
            }
        row |= {"all_on_top": found.all_on_top}
    return row | {"cells": " ".join(keys_of(group))}
