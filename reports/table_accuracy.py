"""Tables of test accuracy and of its paired differences: methods by datasets."""

import pandas as pd

from reports import units
from reports.entries import NOT_RUN, failed_cell, failure_notes, interval, long_data
from reports.results import Group, Results
from reports.statistics import level_with_best, paired_differences
from reports.views import ABSENT, BEST, FAILED, LEVEL, PLAIN, Block, Cell, Column, Footnotes, View

READING = (
    "Mean accuracy on test rows over n seeds, with a 95% interval: Student's t over the seeds, and "
    "never narrower than Wilson's interval for the number of test rows. The best mean of a dataset "
    "is bold. ≈ marks methods whose interval overlaps that of the best. Overlap is no test of "
    "equality: see the table “Paired differences”. Mean rank: over all (dataset, seed), 1 is "
    "best, ties averaged. Failed cells share the last rank, unavailable cells have no rank."
)
NO_PAIR = Cell("no pair", mark=ABSENT)


def accuracy(results: Results) -> View:
    notes = Footnotes()
    columns = [Column(name, dataset=name) for name in results.datasets]
    by_dataset = {name: _accuracy_column(results, name, notes) for name in results.datasets}
    mean_rank = results.mean_ranks
    rows = [
        [Cell(method), *(by_dataset[d][method] for d in results.datasets), _rank(mean_rank, method)]
        for method in results.methods
    ]
    head = [Column("Method"), *columns, Column("Mean rank")]
    block = Block("Test accuracy", head, rows)
    data = long_data(results, _accuracy_data)
    return View("accuracy", "Test accuracy", READING, [block], notes.texts, data)


def _accuracy_column(results: Results, dataset: str, notes: Footnotes) -> dict[str, Cell]:
    groups = results.groups(dataset)
    best, level = level_with_best({g.method: g.accuracy for g in groups if g.accuracy})
    marks = dict.fromkeys(level, LEVEL) | dict.fromkeys(best, BEST)
    digits = units.share_digits(results.dataset_facts(dataset).get("n_test"))
    cells = {g.method: _accuracy_cell(g, marks.get(g.method, PLAIN), digits, notes) for g in groups}
    return {method: NOT_RUN for method in results.methods} | cells


def _accuracy_cell(group: Group, mark: str, digits: int, notes: Footnotes) -> Cell:
    accuracy = group.accuracy
    if accuracy is None:
        return failed_cell(group, notes)
    missing = f", {group.words}" if group.failures else ""
    detail = f"{interval(accuracy, digits)} n = {accuracy.n}{missing}".strip()
    text = units.share(accuracy.mean, digits)
    return Cell(text, detail, accuracy.mean, mark, failure_notes(group, notes))


def _rank(mean_rank: pd.DataFrame, method: str) -> Cell:
    if not mean_rank.at[method, "n_blocks"]:
        return Cell("none", mark=ABSENT)
    value = float(mean_rank["mean_rank"][method])
    return Cell(f"{value:.1f}", f"n = {mean_rank['n_blocks'][method]}", value)


def _accuracy_data(group: Group) -> dict[str, object]:
    accuracy = group.accuracy
    if accuracy is None:
        return {"accuracy": None}
    return {
        "accuracy": accuracy.mean,
        "sd": accuracy.sd,
        "low": accuracy.low,
        "high": accuracy.high,
    }


def differences(results: Results) -> View:
    """Build the table of accuracy minus that of a reference, paired by seed."""
    name = reference_of(results)
    data = paired_differences(results.frame, name) if name else pd.DataFrame()
    pairs = {(row["dataset_label"], row["method_label"]): row for _, row in data.iterrows()}
    head = [Column("Method"), *(Column(d, dataset=d) for d in results.datasets)]
    rows = [
        [Cell(method), *(_difference(results, pairs, d, method) for d in results.datasets)]
        for method in results.methods
        if method != name
    ]
    block = Block(f"Accuracy minus that of {name}", head, rows)
    reading = (
        f"Test accuracy minus that of {name} on the same dataset and seed (so on the same rows): "
        "mean over pairs, 95% t interval of the paired differences, number of pairs n. If seeds "
        "draw the split, the interval is widened for the rows that splits share (Nadeau and Bengio "
        "2003). One pair has no interval. Not corrected for the number of comparisons."
    )
    data = data if len(data) else pd.DataFrame(columns=["dataset_label", "method_label"])
    return View("differences", "Paired differences", reading, [block], [], data)


def reference_of(results: Results) -> str | None:
    """Return the method to compare with: `deepmapper`, else the best ranked."""
    if "deepmapper" in results.methods:
        return "deepmapper"
    return results.methods[0] if results.methods else None


def _difference(
    results: Results, pairs: dict[tuple[str, str], pd.Series], dataset: str, method: str
) -> Cell:
    row, group = pairs.get((dataset, method)), results.group(dataset, method)
    if row is None:
        has_failed = group is not None and not group.ok
        return Cell(group.words, mark=FAILED) if group and has_failed else NO_PAIR
    text = f"{row['difference']:+.3f}".replace("-", "−")
    ends = "" if pd.isna(row["low"]) else f"[{row['low']:+.3f}, {row['high']:+.3f}] "
    return Cell(text, f"{ends}n = {row['n']}".replace("-", "−"), float(row["difference"]))
