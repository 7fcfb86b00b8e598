"""Where the paper and the code published with it differ, and what each difference is worth here."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from reports import units
from reports.paper.evidence import Evidence, keys_of
from reports.paper.exhibit import Exhibit
from reports.paper.labels import (
    CORRECTED,
    DEEPINSIGHT,
    DEEPINSIGHT_EQUAL,
    FAITHFUL,
    MNIST,
    NIHS,
    NIHS_NOTEBOOK,
    NIHS_RANDOM,
    SHUFFLED,
    TCGA,
)
from reports.results import Group
from reports.views import PROSE, Block, Cell, Column, Footnotes, View

TITLE = "Paper and published code"
CAPTION = (
    "What the paper says, what the notebooks published with it did (GitHub tansel/deepmapper, "
    "commit eea218e), how our two modes take it, and what we measured of the difference."
)
Measured = tuple[str, tuple[Group | None, ...]]


@dataclass(frozen=True)
class Discrepancy:
    """One line; `measure` gives a text and the groups behind it."""

    what: str
    paper: str
    notebook: str
    faithful: str
    corrected: str
    measure: Callable[[Evidence], Measured]


def discrepancies(evidence: Evidence) -> Exhibit:
    """A line a difference."""
    rows, data, groups, footnotes = [], [], [], Footnotes()
    for entry in DISCREPANCIES:
        text, behind = entry.measure(evidence)
        keys = keys_of(*behind)
        smaller = evidence.shrunk(keys)
        notes = (footnotes.number(smaller),) if smaller else ()
        groups += list(behind)
        texts = (entry.what, entry.paper, entry.notebook, entry.faithful, entry.corrected)
        rows.append([*(Cell(t) for t in texts), Cell(text, notes=notes, keys=keys)])
        data.append(dict(zip(HEAD, (*texts, text), strict=True)) | {"cells": " ".join(keys)})
    columns = [Column(name, mark=PROSE) for name in HEAD]
    blocks = [Block(TITLE, columns, rows)]
    view = View("discrepancies", TITLE, CAPTION, blocks, footnotes.texts, pd.DataFrame(data))
    return Exhibit("discrepancies", TITLE, CAPTION, keys_of(*groups), view=view)


HEAD = ("What", "Paper", "Notebooks", "faithful", "corrected", "Measured")


def _accuracies(*places: tuple[str, str]) -> Callable[[Evidence], Measured]:
    """The test accuracies of these (dataset, method)."""

    def measure(evidence: Evidence) -> Measured:
        groups = tuple(evidence.group(dataset, method) for dataset, method in places)
        parts = [_words(group) for group in groups if group is not None]
        return "; ".join(parts) or "not measured", groups

    return measure


def _words(group: Group) -> str:
    found = group.accuracy
    value = units.share(found.mean, 4) if found is not None else group.words
    return f"{group.dataset}, {group.method}: {value}"


def _seconds(column: str, *places: tuple[str, str]) -> Callable[[Evidence], Measured]:
    """The median durations of these (dataset, method), with the images that they were for."""

    def measure(evidence: Evidence) -> Measured:
        groups = tuple(evidence.group(dataset, method) for dataset, method in places)
        parts = []
        for group in groups:
            spread = evidence.seconds(group, column)
            if group is not None and spread is not None:
                shape = units.shape(group.image_shape)
                parts.append(f"{group.method} at {shape}: {units.duration(spread.median)}")
        return "; ".join(parts) or "not measured", groups

    return measure


DISCREPANCIES = (
    Discrepancy(
        "TCGA: samples and types",
        "6,216 samples × 19,319 genes",
        "4,179 samples, 7 types (BRCA, HNSC, KIRC, LGG, LUAD, LUSC, THCA)",
        "the types that can be had",
        "the same; `expression` is generated at 6,216 × 19,319 for the timings",
        _accuracies((TCGA, FAITHFUL), (TCGA, CORRECTED)),
    ),
    Discrepancy(
        "TCGA: normalisation",
        "“normalised using log normalisation” (Fig. 2)",
        "none: raw values of up to a million go into the network",
        "raw",
        "log1p, then 0..1 on training rows",
        _accuracies((TCGA, FAITHFUL), (TCGA, CORRECTED)),
    ),
    Discrepancy(
        "MNIST: BatchNorm",
        "not said",
        "the network is in evaluation mode from before the first epoch on (`model.train()` is "
        "commented out): BatchNorm keeps mean 0 and variance 1",
        "as the notebook",
        "BatchNorm is trained",
        _accuracies((SHUFFLED, FAITHFUL), (SHUFFLED, CORRECTED), (MNIST, CORRECTED)),
    ),
    Discrepancy(
        "MNIST: epochs",
        "50, of which “about 15 [...] would be enough” (Fig. 4)",
        "15",
        "15",
        "50",
        _accuracies((SHUFFLED, FAITHFUL), (SHUFFLED, CORRECTED)),
    ),
    Discrepancy(
        "TCGA: accuracy of DeepMapper",
        "0.975 (Table 2)",
        "0.956 to 0.977 over ten passes, mean 0.970",
        "a pass a seed, their mean",
        "one pass a seed, their mean",
        _accuracies((TCGA, FAITHFUL), (TCGA, CORRECTED)),
    ),
    Discrepancy(
        "TCGA: conversion by DeepMapper",
        "334 ms (Table 2)",
        "701 ms",
        "folded, unscaled",
        "logs, scaled, folded",
        _seconds("conversion_seconds", (TCGA, FAITHFUL), (TCGA, CORRECTED)),
    ),
    Discrepancy(
        "Training of DeepMapper",
        "not said",
        "AdamW, a constant rate: 1e-3 in batches of 20 (TCGA, NIHS), 1e-4 in batches of 256 "
        "(MNIST)",
        "as the notebook",
        "AdamW, batches by the size of the table, a rate that rises and falls, classes balanced",
        _seconds("train_seconds", (TCGA, FAITHFUL), (TCGA, CORRECTED)),
    ),
    Discrepancy(
        "MNIST: test images",
        "“a separate batch of 20,000 images”",
        "the 10,000 test images of MNIST",
        "10,000",
        "10,000",
        _accuracies((SHUFFLED, FAITHFUL)),
    ),
    Discrepancy(
        "NIHS: rows",
        "10,000",
        "15,000, of which 3,750 are tested (Fig. 5b shows 3,750)",
        "15,000",
        "10,000",
        _accuracies((NIHS_NOTEBOOK, FAITHFUL), (NIHS, CORRECTED)),
    ),
    Discrepancy(
        "NIHS: needles",
        "variables 20 and 17,998 (Table 1)",
        "20 in 10 of 10 passes, 17,689 in 5; 17,998 appears nowhere",
        "20 and 17,689",
        "20 and 17,998; and drawn at random, for both published ones lie near the border, where "
        "zero padding gives places away",
        _accuracies((NIHS_NOTEBOOK, FAITHFUL), (NIHS, CORRECTED), (NIHS_RANDOM, CORRECTED)),
    ),
    Discrepancy(
        "Split",
        "“SciPy train test split”; training, test and validation data are shuffled anew",
        "scikit-learn's, 25%, not stratified, anew in each pass; no validation rows",
        "25%, not stratified, one pass a seed",
        "25%, stratified; a tenth of the training rows judges each pass",
        _accuracies((TCGA, FAITHFUL), (TCGA, CORRECTED)),
    ),
    Discrepancy(
        "Attribution",
        "over true positives and true negatives",
        "Saliency over all test rows, the 20 strongest features of a class; counts × mean over "
        "passes; no test of convergence",
        "Saliency over all rows of the test set",
        "over true positives and true negatives among training rows",
        _accuracies((NIHS_NOTEBOOK, FAITHFUL)),
    ),
    Discrepancy(
        "DeepInsight: normalisation and accuracy",
        "0.976 (Table 2)",
        "layout fitted on raw values and applied to normalised ones; 0.983",
        "-",
        "fitted and applied to the same, on training rows",
        _accuracies((TCGA, DEEPINSIGHT)),
    ),
    Discrepancy(
        "Training time of DeepInsight",
        "23 min 37 s against 8 min 56 s: “superior in speed”",
        "100 epochs of batch 200 at 227×227 against 15 of batch 20 at 139×139; its notebook "
        "printed 5 min 12 s. The ratio of Table 2, 2.64, is that of the pixels, 2.60",
        "-",
        "both at 224×224 and at equal pixels",
        _seconds(
            "train_seconds", *((TCGA, m) for m in (DEEPINSIGHT, DEEPINSIGHT_EQUAL, CORRECTED))
        ),
    ),
)
