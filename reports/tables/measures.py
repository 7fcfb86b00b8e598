"""Quality, time, memory and attribution: one block a dataset, rows are methods."""

import inspect
import math
from collections.abc import Callable

from bench.catalog import entry
from reports import units
from reports.results import Group, Results
from reports.statistics.stability import stabilities
from reports.tables.entries import (
    extent,
    failed_cell,
    interval,
    left_out_cell,
    long_data,
    machine_cell,
    machine_column,
    shared_notes,
    timed_groups,
)
from reports.tables.views import ABSENT, FAILED, Block, Cell, Column, Footnotes, View

READING_TIMING = (
    "Median over seeds, with the range if there is more than one seed. Conversion: fit the "
    "converter and convert training and test rows. Training: with the method's own search for "
    "settings, if it has one. Peak memory: the memory that the cell added to its process during "
    "conversion, training and prediction. First-use warm-up and the loading of data are not "
    "counted."
)
READING_QUALITY = (
    "Means over seeds, with Student's t interval. Balanced accuracy: the mean over classes of the "
    "accuracy on their rows. Log loss: in nats, lower is better. AUROC: each class against the "
    "rest, averaged. Calibration error: mean distance of the probability of the predicted class "
    "and the accuracy, over the test rows; lower is better."
)
READING_ATTRIBUTION = (
    "How well the attributions rank the k features that are known to matter (needles). Precision "
    "at k: the share of the top k that are needles; at 20 and at 100, if that many are needles. "
    "Recall: the share of the needles in the top 20, or in the top k if k is larger. Worst needle "
    "rank: median over seeds, k is perfect. AUPRC: the area under the precision-recall curve. "
    "Named: the number of features that a method names, if it does not only rank them, median over "
    "seeds. False findings: the share of them that are no needles. Other columns are means over "
    "seeds with Student's t interval. Stability: of the features that are among the 20 strongest "
    "for one of two seeds, the share that is for both (Jaccard), averaged over pairs of seeds of "
    "the same table. Features that tie at the limit do not count."
)
NOTHING = Cell("–", mark=ABSENT)


def timing(results: Results) -> View:
    """Build one block a dataset: seconds of each phase, peak memory, parameters."""
    notes = Footnotes()
    blocks = [_timing_block(results, dataset, notes) for dataset in results.datasets]
    data = long_data(results, lambda group: _spread_data(group, list(_TIMES)), timed=True)
    reading = READING_TIMING + results.times_note
    return View("timing", "Time and memory", reading, blocks, notes.texts, data)


_QUALITY = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "log_loss": "Log loss",
    "auroc": "AUROC",
    "calibration_error": "Calibration error",
}


def quality(results: Results) -> View:
    """Build one block a dataset: how good the predicted classes and probabilities are."""
    notes = Footnotes()
    blocks = [
        _block(results, d, "quality of predictions", _QUALITY, lambda g, c: _mean(g, c, notes))
        for d in results.datasets
    ]
    data = long_data(results, lambda group: {name: _middle(group, name) for name in _QUALITY})
    return View("quality", "Quality of predictions", READING_QUALITY, blocks, notes.texts, data)


def _mean(group: Group, column: str, notes: Footnotes) -> Cell:
    mean = group.mean(column)
    if mean is None:
        return Cell(units.NOT_KNOWN, mark=ABSENT) if group.ok else failed_cell(group, notes)
    shown = mean.within(0.0, math.inf if column == "log_loss" else 1.0)
    return Cell(units.share(mean.mean), interval(shown, 3), mean.mean)


_TIMES = {
    "conversion_seconds": "Conversion (s)",
    "train_seconds": "Training (s)",
    "predict_seconds": "Prediction (s)",
    "attribute_seconds": "Attribution (s)",
    "peak_host_mib": "Peak host (MiB)",
    "peak_device_mib": "Peak device (MiB)",
    "n_parameters": "Parameters",
}


def _timing_block(results: Results, dataset: str, notes: Footnotes) -> Block:
    head = [Column("Method"), *machine_column(results), *map(Column, _TIMES.values())]
    rows = []
    for group in timed_groups(results, dataset):
        cells = _cells(group, list(_TIMES), lambda g, c: _timing_cell(g, c, notes))
        rows.append([Cell(group.method), *machine_cell(results, group.machine), *cells])
    return Block(f"{dataset}: time and memory", head, rows, dataset)


def _cells(group: Group, columns: list[str], cell: Callable[[Group, str], Cell]) -> list[Cell]:
    """Return one cell a column. A failure is in the first only."""
    first, *others = (cell(group, name) for name in columns)
    return [first, *(other if other.mark != FAILED else NOTHING for other in others)]


def _timing_cell(group: Group, column: str, notes: Footnotes) -> Cell:
    spread = group.spread(column)
    if spread is not None:
        write = units.count if column == "n_parameters" else units.number
        numbers = shared_notes(group, notes) if column == "conversion_seconds" else ()
        return Cell(write(spread.median), extent(spread, write), spread.median, notes=numbers)
    if group.is_left_out(column):
        return left_out_cell(group, notes)
    return Cell(units.NOT_KNOWN, mark=ABSENT) if group.ok else failed_cell(group, notes)


def _spread_data(group: Group, columns: list[str]) -> dict[str, object]:
    row: dict[str, object] = {}
    for column in columns:
        spread = group.spread(column)
        row[column] = spread.median if spread else None
        row[f"{column}_low"] = spread.low if spread else None
        row[f"{column}_high"] = spread.high if spread else None
    return row


_FINDING = {
    "precision_at_k": "Precision at k",
    "precision_at_20": "Precision at 20",
    "precision_at_100": "Precision at 100",
    "recall_at_k": "Recall in the top 20",
    "worst_needle_rank": "Worst needle rank",
    "needle_auprc": "Needle AUPRC",
    "n_selected": "Named",
    "false_discovery_share": "False findings",
    "selected_recall": "Needles named",
}
_COUNTS = ("worst_needle_rank", "n_selected")


def attribution(results: Results) -> View:
    """Build one block a dataset: how attributions rank the needles, if known, and how stably.

    Without known needles: how many features are named. With permuted labels, all of them are false.
    """
    notes, stable = Footnotes(), stabilities(results)
    stable_on = {dataset for dataset, _ in stable}
    known = {name for name in results.datasets if results.dataset_facts(name).get("relevant")}
    named = set(results.frame.loc[results.frame["n_selected"].notna(), "dataset_label"])
    shown = [name for name in results.datasets if name in known | stable_on | named]

    def cell(group: Group, column: str) -> Cell:
        if column != "stability":
            return _finding(group, column, notes)
        value = stable.get((group.dataset, group.method))
        if value is None:
            return Cell("none", mark=ABSENT) if group.ok else failed_cell(group, notes)
        return Cell(units.share(value), sort=value)

    blocks = []
    for dataset in shown:
        is_known = dataset in known
        caption = _needles(results, dataset) if is_known else "needles not known"
        measures = _FINDING if is_known else {"n_selected": _FINDING["n_selected"]}
        if is_known or dataset in stable_on:
            measures = measures | {"stability": "Stability"}
        blocks.append(_block(results, dataset, caption, measures, cell))
    data = long_data(
        results,
        lambda group: {
            **{name: _middle(group, name) for name in _FINDING},
            "stability": stable.get((group.dataset, group.method)),
        },
    )
    data = data[data["dataset"].isin(shown)]
    return View("attribution", "Attribution", READING_ATTRIBUTION, blocks, notes.texts, data)


def _block(
    results: Results,
    dataset: str,
    caption: str,
    measures: dict[str, str],
    cell: Callable[[Group, str], Cell],
) -> Block:
    """A row for each method and a column for each measure (name -> header)."""
    rows = [
        [Cell(group.method), *_cells(group, list(measures), cell)]
        for group in results.groups(dataset)
    ]
    head = [Column("Method"), *map(Column, measures.values())]
    return Block(f"{dataset}: {caption}", head, rows, dataset)


def _needles(results: Results, dataset: str) -> str:
    facts = results.dataset_facts(dataset)
    text = f"{len(facts['relevant'])} needles in {units.count(facts.get('n_features'))} features"
    if facts["name"] != "needles" or "kind" not in facts["params"]:
        return text
    bayes_error = entry("generators", "needles").load().bayes_error
    known = inspect.signature(bayes_error).parameters
    error = bayes_error(**{k: value for k, value in facts["params"].items() if k in known})
    return f"{text}, Bayes error {units.share(error)}"


def _middle(group: Group, column: str) -> float | None:
    if column in _COUNTS:
        return group.median(column)
    mean = group.mean(column)
    return mean.mean if mean else None


def _finding(group: Group, column: str, notes: Footnotes) -> Cell:
    spread, mean = group.spread(column), group.mean(column)
    if spread is None or mean is None:
        absent = Cell("none given", mark=ABSENT)
        return absent if group.ok else failed_cell(group, notes)
    if column in _COUNTS:
        return Cell(units.count(spread.median), extent(spread, units.count), spread.median)
    return Cell(units.share(mean.mean), interval(mean.within(0.0, 1.0), 3), mean.mean)
