"""Differences between the paper and its published code, with our measurements."""

import tomllib
from pathlib import Path
from typing import Any

import pandas as pd

from reports import units
from reports.paper.evidence import NOT_MEASURED, Evidence, is_timeout, keys_of
from reports.paper.exhibit import Exhibit
from reports.results import Group
from reports.tables.views import PROSE, Block, Cell, Column, Footnotes, View

TITLE = "Paper and published code"
CAPTION = (
    "The text of the paper, the notebooks published with it (GitHub tansel/deepmapper, commit "
    "eea218e), our two modes, and our measurements of the difference."
)
DIFFERENCES = Path(__file__).with_suffix(".toml")
TEXTS = ("what", "paper", "notebook", "faithful", "corrected")
HEAD = ("What", "Paper", "Notebooks", "faithful", "corrected", "Measured")


def discrepancies(evidence: Evidence) -> Exhibit:
    rows, data, footnotes = [], [], Footnotes()
    groups: list[Group | None] = []
    for entry in tomllib.loads(DIFFERENCES.read_text())["difference"]:
        behind = [evidence.group(dataset, method) for dataset, method in entry["cells"]]
        words = [_words(evidence, group, entry) for group in behind if group is not None]
        measured = "; ".join(filter(None, words)) or NOT_MEASURED
        texts = [*(entry[name] for name in TEXTS), measured]
        keys = keys_of(*behind)
        smaller = evidence.shrunk(keys)
        notes = (footnotes.number(smaller),) if smaller else ()
        groups += behind
        rows.append([*map(Cell, texts[:-1]), Cell(measured, notes=notes, keys=keys)])
        data.append(dict(zip(HEAD, texts, strict=True)) | {"cells": " ".join(keys)})
    columns = [Column(name, mark=PROSE) for name in HEAD]
    blocks = [Block(TITLE, columns, rows)]
    view = View("discrepancies", TITLE, CAPTION, blocks, footnotes.texts, pd.DataFrame(data))
    return Exhibit("discrepancies", TITLE, CAPTION, keys_of(*groups), view=view)


def _words(evidence: Evidence, group: Group, entry: dict[str, Any]) -> str:
    """Return the test accuracy, or the median duration with the image's size."""
    if entry["measured"] == "accuracy":
        accuracy = group.accuracy
        failure = NOT_MEASURED if is_timeout(group) else group.words
        value = units.share(accuracy.mean, 4) if accuracy is not None else failure
        return f"{group.dataset}, {group.method}: {value}"
    spread = evidence.seconds(group, entry["measured"])
    if spread is None:
        return ""
    return f"{group.method} at {units.shape(group.image_shape)}: {units.duration(spread.median)}"
