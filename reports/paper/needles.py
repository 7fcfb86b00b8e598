"""The needles in the passes and in their consensus, counted as in the notebooks."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from reports import units
from reports.paper.evidence import Evidence, keys_of
from reports.paper.exhibit import Exhibit
from reports.paper.labels import NIHS, NIHS_NOTEBOOK, NIHS_RANDOM
from reports.results import Group
from reports.tables.entries import interval
from reports.tables.views import PROSE, PUBLISHED, Block, Cell, Column, Footnotes, View

TITLE = "Needles found"
HEAD = ("Method", "Passes that count", "Accuracy, test", "Needles found", "Consensus")
BAR = 0.8  # smallest test accuracy of a pass that counts in the notebooks
TOP = 20  # number of features that the notebooks keep of a pass
CAPTION = (
    "Each seed is one pass, with another split and other weights. A pass counts from a test "
    f"accuracy of {BAR}, as in the notebooks. Found: the needle is among the {TOP} strongest "
    "features of a pass that counts (in brackets: among the strongest two). Consensus: the place "
    "of each needle when features are ordered as in the notebooks: number of passes in the top "
    f"{TOP}, times mean strength there."
)
PUBLISHED_ROW = (  # from the tables that the notebook printed
    "notebook (printed)",
    "10 of 10",
    "0.936 (0.889 to 0.993)",
    "20: 10 of 10; 17,689: 5 of 10",
    "17,998 in no pass",
)


@dataclass(frozen=True)
class Tally:
    """The passes of one method on one table.

    `accepted` has the keys of the passes that count. For each needle, `in_top` and `in_two` are its
    numbers of passes, and `consensus` is its place among all features, None if no pass names it.
    `all_on_top` is the number of passes in which no feature is stronger than a needle.
    """

    needles: list[int]
    accepted: list[str]
    in_top: list[int]
    in_two: list[int]
    all_on_top: int
    consensus: list[int | None]


def needles(evidence: Evidence) -> Exhibit:
    """Build a block for each table of needles, a line for each method."""
    notes = Footnotes()
    blocks, rows, shown = [], [], []
    for dataset in (NIHS_NOTEBOOK, NIHS, NIHS_RANDOM):
        lines = []
        if dataset == NIHS_NOTEBOOK:
            lines.append([Cell(text, mark=PUBLISHED) for text in PUBLISHED_ROW])
        groups = evidence.groups(dataset)
        for group in groups:
            tally = passes(evidence, group)
            lines.append(_line(evidence, group, tally, notes))
            rows.append(_data(group, tally))
        if groups:
            first = Column(HEAD[0], notes=evidence.dataset_notes(dataset, notes))
            prose = [Column(name, mark=PROSE) for name in HEAD[3:]]
            blocks.append(Block(dataset, [first, *map(Column, HEAD[1:3]), *prose], lines, dataset))
        shown += groups
    if not blocks:
        return Exhibit("needles", TITLE, CAPTION, missing="needs a cell on a table of needles")
    view = View("needles", TITLE, CAPTION, blocks, notes.texts, pd.DataFrame(rows))
    return Exhibit("needles", TITLE, CAPTION, keys_of(*shown), view=view)


def strongest(arrays: dict[str, np.ndarray], n: int) -> dict[int, float]:
    """Return the n strongest features and their strengths, ties by index.

    A strength is the mean over classes of absolute attributions, of all features or of those that
    `reports.publish` kept.
    """
    if "attributions" in arrays:
        strengths = np.abs(arrays["attributions"]).mean(0)
        features = np.arange(len(strengths))
    elif "top_values" in arrays:
        features, strengths = arrays["top_features"], np.abs(arrays["top_values"]).mean(0)
    else:
        return {}
    order = np.lexsort((features, -strengths))[:n]
    return dict(zip(features[order].tolist(), strengths[order].tolist(), strict=True))


def passes(evidence: Evidence, group: Group) -> Tally | None:
    """Count the needles in the passes that count. None without attributions."""
    facts = evidence.results.dataset_facts(group.dataset)
    expected = [int(feature) for feature in facts.get("relevant") or []]
    accepted = [cell["key"] for cell in group.ok if (cell["accuracy"] or 0.0) >= BAR]
    tops = {key: strongest(evidence.results.source.arrays(key), TOP) for key in accepted}
    attributes = tops or {"first": strongest(evidence.arrays(group), TOP)}
    if not all(attributes.values()):
        return None
    records = {key: evidence.results.records[key] for key in accepted}
    relevant = {k: [int(f) for f in r["dataset"]["relevant"]] for k, r in records.items()}
    n = len(expected)
    # A table drawn again for each seed has other needles: the i-th counts as the i-th.
    in_top = [sum(relevant[k][i] in top for k, top in tops.items()) for i in range(n)]
    in_two = [sum(relevant[k][i] in list(top)[:n] for k, top in tops.items()) for i in range(n)]
    on_top = sum(set(list(top)[:n]) == set(relevant[k]) for k, top in tops.items())
    is_fixed = len({tuple(places) for places in relevant.values()}) <= 1
    order = consensus(list(tops.values())) if is_fixed else []  # needles that change have no place
    places = [order.index(f) + 1 if f in order else None for f in expected]
    return Tally(expected, list(tops), in_top, in_two, on_top, places)


def consensus(tops: list[dict[int, float]]) -> list[int]:
    """Order features by count x mean strength over passes, ties by index."""
    features = sorted({feature for top in tops for feature in top})
    totals = {
        feature: len(values) * float(np.mean(values))
        for feature in features
        if (values := [top[feature] for top in tops if feature in top])
    }
    return sorted(features, key=lambda feature: (-totals[feature], feature))


def _line(evidence: Evidence, group: Group, tally: Tally | None, notes: Footnotes) -> list[Cell]:
    keys = keys_of(group)
    name = Cell(group.method, notes=evidence.method_notes(group, notes), keys=keys)
    if group.accuracy is None:
        return [name, *(evidence.failed(group, notes) for _ in HEAD[1:])]
    digits = units.share_digits(evidence.results.dataset_facts(group.dataset).get("n_test"))
    mean = units.share(group.accuracy.mean, digits)
    n = sum(value >= BAR for value in group.values("accuracy"))
    line = [
        name,
        Cell(f"{n} of {len(group.ok)}", keys=keys),
        Cell(mean, interval(group.accuracy, digits), keys=keys),
    ]
    if tally is None:
        return [*line, Cell("names none"), Cell("names none")]
    words = "; ".join(
        f"{f:,}: {top} ({two}) of {n}"
        for f, top, two in zip(tally.needles, tally.in_top, tally.in_two, strict=True)
    )
    places = "; ".join(
        f"{f:,}: {place if place is not None else 'not named'}"
        for f, place in zip(tally.needles, tally.consensus, strict=True)
    )
    return [*line, Cell(words, keys=keys), Cell(places, keys=keys)]


def _data(group: Group, tally: Tally | None) -> dict[str, object]:
    row: dict[str, object] = {
        "dataset": group.dataset,
        "method": group.method,
        "n_ok": len(group.ok),
        "accuracy": group.accuracy.mean if group.accuracy else None,
    }
    if tally is not None:
        row["accepted"] = len(tally.accepted)
        for i, needle in enumerate(tally.needles):
            row[f"needle_{i + 1}"] = needle
            row[f"in_top_{i + 1}"] = tally.in_top[i]
            row[f"in_two_{i + 1}"] = tally.in_two[i]
            row[f"consensus_{i + 1}"] = tally.consensus[i]
        row["all_on_top"] = tally.all_on_top
    return row | {"cells": " ".join(keys_of(group))}
