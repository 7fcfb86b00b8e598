"""Tables of test accuracy and of its paired differences: methods by datasets."""

from dataclasses import fields

import pandas as pd

from reports import units
from reports.entries import NOT_RUN, failed_cell, failure_notes, interval, long_data
from reports.pairs import EQUIVALENT, FEWEST_TABLES, Comparison, Pairs, compare_over_tables
from reports.results import Group, Results
from reports.statistics import Estimate
from reports.views import ABSENT, BEST, FAILED, LEVEL, PLAIN, Block, Cell, Column, Footnotes, View

READING = (
    "Mean accuracy on test rows over n seeds, with a 95% interval: Student's t over the seeds, and "
    "never narrower than Wilson's interval for the number of test rows. The best mean of a dataset "
    "is bold. ≈ marks methods that these rows do not show to be worse: the 95% interval of their "
    "paired difference from the best (see “Paired differences”) has 0 in it. A single "
    "seed needs stored predictions for this interval and mark. Mean rank: within dataset and "
    "seed, 1 is best, ties averaged. A dataset and its variants count once. Failed cells share the "
    "last ranks, unavailable cells have no rank."
)
NO_PAIR = Cell("no pair", mark=ABSENT)
OVER_TABLES = (
    *("Method", "Tables", "Mean difference", "Better on", "Tie on", "Worse on"),
    *("p (Holm)", "P(better)", "P(equivalent)", "P(worse)"),
)


def accuracy(results: Results) -> View:
    notes = Footnotes()
    columns = [Column(name, dataset=name) for name in results.datasets]
    pairs = Pairs(results)
    by_dataset = {name: _accuracy_column(pairs, name, notes) for name in results.datasets}
    mean_rank = results.mean_ranks
    rows = [
        [Cell(method), *(by_dataset[d][method] for d in results.datasets), _rank(mean_rank, method)]
        for method in results.methods
    ]
    head = [Column("Method"), *columns, Column("Mean rank")]
    block = Block("Test accuracy", head, rows)
    data = long_data(results, _accuracy_data)
    return View("accuracy", "Test accuracy", READING, [block], notes.texts, data)


def _accuracy_column(pairs: Pairs, dataset: str, notes: Footnotes) -> dict[str, Cell]:
    results = pairs.results
    groups = results.groups(dataset)
    best, level = pairs.best_and_level(dataset)
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
    """Build the table of accuracy minus that of a reference, on the same rows."""
    name, pairs = reference_of(results), Pairs(results)
    data = []
    head = [Column("Method"), *(Column(d, dataset=d) for d in results.datasets)]
    rows = []
    for method in results.methods:
        if method == name:
            continue
        row = [Cell(method)]
        for dataset in results.datasets:
            group, base = results.group(dataset, method), results.group(dataset, name or "")
            difference = pairs.difference(group, base) if group and base else None
            row.append(_difference(group, difference))
            if difference is not None:
                data.append({"dataset": dataset, "method": method, **vars(difference)})
        rows.append(row)
    block = Block(f"Accuracy minus that of {name}", head, rows)
    reading = (
        f"Test accuracy minus that of {name} on the same rows: mean over the n seeds on which both "
        "are ok. The 95% interval has two parts. One is for the test rows (McNemar; a row that "
        "several seeds tested counts once, and rows of a group count together). One is for the "
        "seeds: Student's t of the paired differences, widened for the rows that splits share "
        "(Nadeau and Bengio 2003). Drawn splits have the wider one, official splits the root of "
        "the sum of squares. There is no interval without stored predictions, or without the "
        "groups of a table that has groups. Not corrected for the number of comparisons."
    )
    columns = ["dataset", "method", *(field.name for field in fields(Estimate))]
    frame = pd.DataFrame(data, columns=columns)
    return View("differences", "Paired differences", reading, [block], [], frame)


def over_tables(results: Results) -> View:
    """Build the table of each method against a reference, over tables."""
    name = reference_of(results)
    compared = compare_over_tables(results, name) if name else []
    head = [Column(text) for text in OVER_TABLES]
    rows = [
        [
            Cell(c.method),
            Cell(str(c.n_tables), _missing(c), c.n_tables),
            Cell("none", mark=ABSENT) if c.mean is None else _signed(c.mean),
            *(Cell(str(n), sort=n) for n in (c.wins, c.ties, c.losses)),
            *(_probability(value) for value in (c.p, c.better, c.equal, c.worse)),
        ]
        for c in compared
    ]
    block = Block(f"Balanced accuracy, against {name}", head, rows)
    reading = (
        f"Balanced accuracy minus that of {name}. Each table counts once: the mean over the seeds "
        "on which both are ok, and over its variants (counts, shuffled, transfer). A tie is a "
        f"difference of at most {EQUIVALENT}. p: Wilcoxon's signed-rank test over tables, "
        "corrected for the number of methods (Holm). The last three columns are the posterior "
        "probabilities of the "
        "Bayesian signed-rank test (Benavoli et al. 2017) that the most probable outcome is a "
        f"better method, one within {EQUIVALENT}, or a worse one. There is no test with fewer than "
        f"{FEWEST_TABLES} tables. Tables on which only one of the two is ok are counted, and are "
        "in no mean. Without deepmapper, the reference is the best ranked method, and p "
        "is too small."
    )
    names = [field.name for field in fields(Comparison)]
    data = pd.DataFrame([vars(c) for c in compared], columns=names)
    return View("over_tables", "Comparison over tables", reading, [block], [], data)


def _missing(compared: Comparison) -> str:
    """The numbers of tables on which only one method is ok."""
    missing = f"{compared.n_missing} without it" if compared.n_missing else ""
    alone = f"{compared.n_alone} without the reference" if compared.n_alone else ""
    return ", ".join(filter(None, (missing, alone)))


def _signed(value: float, detail: str = "") -> Cell:
    text = f"{value:+.3f}".replace("-0.000", "+0.000").replace("-", "−")
    return Cell(text, detail.replace("-", "−"), value)


def _probability(value: float | None) -> Cell:
    if value is None:
        return Cell("too few tables", mark=ABSENT)
    return Cell("<0.001" if value < 0.001 else units.share(value), sort=value)


def reference_of(results: Results) -> str | None:
    """Return the method to compare with: `deepmapper`, else the best ranked."""
    if "deepmapper" in results.methods:
        return "deepmapper"
    return results.methods[0] if results.methods else None


def _difference(group: Group | None, difference: Estimate | None) -> Cell:
    if difference is None:
        has_failed = group is not None and not group.ok
        return Cell(group.words, mark=FAILED) if group and has_failed else NO_PAIR
    ends = ""
    if difference.low is not None and difference.high is not None:
        ends = f"[{difference.low:+.3f}, {difference.high:+.3f}] "
    return _signed(difference.mean, f"{ends}n = {difference.n}")
