"""Tables of balanced accuracy, of paired differences and of comparisons over tables."""

import itertools
from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np
import pandas as pd

from bench.metrics import MAIN
from reports import units
from reports.results import Group, Results
from reports.statistics.estimates import Estimate
from reports.statistics.over_tables import (
    EQUIVALENT,
    FEWEST_TABLES,
    SIGNIFICANT,
    Comparison,
    compare,
    compare_over_tables,
    equivalent,
    limits,
    main_entries,
    reference_of,
)
from reports.statistics.pairs import LOSS, Pairs
from reports.tables.entries import NOT_RUN, failed_cell, failure_notes, interval, long_data
from reports.tables.views import (
    ABSENT,
    BEST,
    FAILED,
    LEVEL,
    PLAIN,
    UNSURE,
    Block,
    Cell,
    Column,
    Footnotes,
    View,
)

READING = (
    "Mean balanced accuracy on test rows over n seeds, with a 95% interval: Student's t over the "
    "seeds, widened for the rows that splits share (Nadeau and Bengio 2003), and never narrower "
    "than Wilson's interval for the test rows (of all folds, of one seed else). The best mean of a "
    "dataset is bold. The others have a paired difference from the best on the same rows (see "
    f"“Paired differences”). ≈: its 95% interval is within ±{EQUIVALENT}. No mark: the "
    f"method is worse (p < {SIGNIFICANT}, Holm's correction for the methods of the column). ?: too "
    "few rows to say which, or no stored predictions. “Smallest seen” is half the median 95% "
    "interval of these differences. “A/A” is a method minus its second entry. Mean ranks are "
    "within dataset and seed, 1 is best; a dataset and its variants count once. In the first, "
    "failed cells share the last ranks; the second leaves them out. Unavailable cells have no "
    "rank. Each method has one entry here. Its other entries are variants: the second block "
    "compares them with each other in the same way."
)
NO_PAIR, NOTHING = Cell("no pair", mark=ABSENT), Cell("–", mark=ABSENT)
OVER_TABLES = (
    *("Method", "Tables", "Mean difference", "Smallest found", "Better on", "Tie on", "Worse on"),
    *("p (Holm)", "P(better)", "P(equivalent)", "P(worse)"),
)


def accuracy(results: Results) -> View:
    """Build the table of one entry a method, and that of the variants."""
    notes, pairs = Footnotes(), Pairs(results)
    columns = _columns(results, notes)
    marked = [_marked(pairs, name, results.entries, notes) for name in results.datasets]
    rows = [
        [Cell(method), *(cells[method] for cells, _ in marked), *_ranks(results, method)]
        for method in results.entries
    ]
    for name, original in results.replicates.items():
        cells = [
            _difference(None, _compared(pairs, dataset, original, name))
            for dataset in results.datasets
        ]
        rows.append([Cell(f"A/A: {original} − {name}"), *cells, *[NOTHING] * 3])
    if rows:
        rows.append([Cell("Smallest seen"), *(cell for _, cell in marked), *[NOTHING] * 3])
    last = [Column(name) for name in ("Mean rank", "Rank if ok", "Failed")]
    blocks = [Block("One entry a method", [*columns, *last], rows)]
    if variants := _variants(results):
        rows = []
        for labels in variants:
            marked = [_marked(pairs, name, labels, notes) for name in results.datasets]
            rows += [[Cell(label), *(cells[label] for cells, _ in marked)] for label in labels]
        blocks.append(Block("Variants of a method", columns, rows))
    data = long_data(results, _accuracy_data)
    return View("accuracy", "Balanced accuracy", READING, blocks, notes.texts, data)


def _columns(results: Results, notes: Footnotes) -> list[Column]:
    """A column for each dataset, with a footnote if its cells are of several processors."""
    ok = results.frame[results.frame["status"] == "ok"]
    machines = ok.groupby("dataset_label")["machine"].unique()
    columns = [Column("Method")]
    for dataset in results.datasets:
        letters = sorted(machines.get(dataset, ()))
        text = (
            f"Cells of the machines {', '.join(letters)} count together. Trained networks differ "
            "between processors, because these round differently."
        )
        numbers = (notes.number(text),) if len(letters) > 1 else ()
        columns.append(Column(dataset, dataset, notes=numbers))
    return columns


def _variants(results: Results) -> list[list[str]]:
    """The entry and the variants of each method with several, without replicates."""
    labels = [name for name in results.methods if name not in results.replicates]
    listed = [[n for n in labels if results.families[n] == entry] for entry in results.entries]
    return [names for names in listed if len(names) > 1]


def _marked(
    pairs: Pairs, dataset: str, methods: Sequence[str], notes: Footnotes
) -> tuple[dict[str, Cell], Cell]:
    """Return the entries of a column, compared with the best of them, and its smallest seen."""
    results = pairs.results
    best, differences = pairs.from_best(dataset, methods)
    marks = {name: _mark(difference) for name, difference in differences.items()}
    marks |= dict.fromkeys(best, BEST)
    digits = units.share_digits(results.dataset_facts(dataset).get("n_test"))
    groups = {name: results.group(dataset, name) for name in methods}
    cells = {
        name: _cell(group, marks.get(name, PLAIN), digits, notes) if group else NOT_RUN
        for name, group in groups.items()
    }
    halves = [d.half for d in differences.values() if d is not None and d.half is not None]
    return cells, Cell(units.share(float(np.median(halves)))) if halves else NOTHING


def _mark(difference: Estimate | None) -> str:
    """The outcome of the best minus a method: worse, level or unsure."""
    if difference is None or difference.p is None:
        return UNSURE
    if difference.p < SIGNIFICANT:
        return PLAIN
    low, high = difference.ends
    return LEVEL if low >= -EQUIVALENT and high <= EQUIVALENT else UNSURE


def _cell(group: Group, mark: str, digits: int, notes: Footnotes) -> Cell:
    main = group.main
    if main is None:
        return failed_cell(group, notes)
    missing = f", {group.words}" if group.failures else ""
    detail = f"{interval(main, digits)} n = {main.n}{missing}".strip()
    text = units.share(main.mean, digits)
    return Cell(text, detail, main.mean, mark, failure_notes(group, notes))


def _ranks(results: Results, method: str) -> list[Cell]:
    last, of_ok, n, n_failed = results.mean_ranks.loc[method].to_numpy(dtype=float)
    if not n:
        return [Cell("none", mark=ABSENT)] * 3
    ranks = [NOTHING if pd.isna(r) else Cell(f"{r:.1f}", sort=float(r)) for r in (last, of_ok)]
    return [*ranks, Cell(f"{n_failed:.0f} of {n:.0f}", sort=int(n_failed))]


def _accuracy_data(group: Group) -> dict[str, object]:
    main = group.main
    if main is None:
        return {MAIN: None}
    return {MAIN: main.mean, "sd": main.sd, "low": main.low, "high": main.high}


def differences(results: Results) -> View:
    """Build the tables of measures minus those of a reference, on the same rows."""
    name, pairs, notes = reference_of(results), Pairs(results), Footnotes()
    titles = {MAIN: "Balanced accuracy", LOSS: "Log loss (lower is better)"}
    rows: dict[str, list[list[Cell]]] = {measure: [] for measure in titles}
    data: list[dict[str, object]] = []
    for method in results.methods:
        if method == name:
            continue
        for measure in titles:  # for both, predictions are read once
            listed = {d: _compared(pairs, d, method, str(name), measure) for d in results.datasets}
            cells = (_difference(results.group(d, method), value) for d, value in listed.items())
            rows[measure].append([Cell(method), *cells])
            about = {"method": method, "measure": measure}
            data += [{"dataset": d, **about, **vars(value)} for d, value in listed.items() if value]
    columns = _columns(results, notes)
    blocks = [Block(f"{titles[m]} minus that of {name}", columns, rows[m]) for m in titles]
    reading = (
        f"Difference from {name} on the same test rows: mean over the n seeds on which both "
        "are ok. The 95% interval has two parts. One is for the test rows (McNemar's test, with "
        "rows weighted by class for balanced accuracy; the paired t-test for log loss; a row that "
        "several seeds tested counts once, and rows of a group count together). One is for the "
        "seeds: Student's t of the paired differences, widened for the rows that splits share "
        "(Nadeau and Bengio 2003). Drawn splits have the wider one, official splits the root of "
        "the sum of squares. There is no interval without stored predictions, or without the "
        "groups of a table that has groups. Not corrected for the number of comparisons. "
        f"{limits(results, _against_reference(results))}"
    )
    names = ["dataset", "method", "measure", *(field.name for field in fields(Estimate))]
    frame = pd.DataFrame(data, columns=names)
    return View("differences", "Paired differences", reading, blocks, notes.texts, frame)


def _compared(
    pairs: Pairs, dataset: str, method: str, reference: str, measure: str = MAIN
) -> Estimate | None:
    groups = [pairs.results.group(dataset, name) for name in (method, reference)]
    return pairs.difference(groups[0], groups[1], measure) if groups[0] and groups[1] else None


def _against_reference(results: Results) -> list[Comparison]:
    name = reference_of(results)
    return compare_over_tables(results, name) if name else []


def over_tables(results: Results) -> View:
    """Build the table of each method against a reference, over tables, and of its variants."""
    name, compared = reference_of(results), _against_reference(results)
    head = [Column(text) for text in OVER_TABLES]
    blocks = [Block(f"Balanced accuracy, against {name}", head, [_over(c) for c in compared])]
    variants = [
        comparison
        for entry, *others in _variants(results)
        for comparison in compare_over_tables(results, entry, others)
    ]
    if variants:
        rows = [_over(c, f"against {c.reference}") for c in variants]
        blocks.append(Block("Balanced accuracy of variants, against their method", head, rows))
    region = _region(results)
    reading = (
        f"Balanced accuracy minus that of {name}. Each table counts once: the mean over the seeds "
        "on which both are ok, and over its variants (counts, shuffled, transfer). A tie is a "
        f"difference of at most {region}. p: Wilcoxon's signed-rank test over tables, "
        "corrected for the number of methods (Holm). The last three columns are the posterior "
        "probabilities of the "
        "Bayesian signed-rank test (Benavoli et al. 2017) that the most probable outcome is a "
        f"better method, one within {region}, or a worse one. There is no test with fewer than "
        f"{FEWEST_TABLES} tables. Smallest found: the mean difference that a t-test finds with a "
        "probability of 80% on as many tables. Tables on which only one of the two is ok are "
        "counted, and are in no mean. Without deepmapper, the reference is the best ranked method, "
        f"and p is too small. {limits(results, compared)}"
    )
    data = _frame(compared + variants)
    return View("over_tables", "Comparison over tables", reading, blocks, [], data)


def _region(results: Results) -> str:
    """The region of equivalence in words."""
    region = equivalent(results)
    return f"{region}" if region == EQUIVALENT else f"{units.share(region)} (the noise, see A/A)"


def _frame(compared: list[Comparison]) -> pd.DataFrame:
    names = [field.name for field in fields(Comparison)]
    return pd.DataFrame([vars(c) for c in compared], columns=names)


def _over(c: Comparison, detail: str = "") -> list[Cell]:
    return [
        Cell(c.method, detail),
        Cell(str(c.n_tables), _missing(c), c.n_tables),
        *(NOTHING if v is None else _signed(v) for v in (c.mean,)),
        *(NOTHING if v is None else Cell(units.share(v), sort=v) for v in (c.smallest,)),
        *(Cell(str(n), sort=n) for n in (c.wins, c.ties, c.losses)),
        *(_probability(value) for value in (c.p, c.better, c.equal, c.worse)),
    ]


def pairwise(results: Results) -> View:
    """Build the matrix of at most ten methods, each against each, over tables."""
    methods, values = main_entries(results), results.values()
    compared = compare(values, list(itertools.combinations(methods, 2)), equivalent(results))
    by_pair = {(c.method, c.reference): c for c in compared}
    rows = [
        [Cell(name), *(_pair(by_pair.get((name, other))) for other in methods[1:])]
        for name in methods[:-1]
    ]
    block = Block("Row minus column", [Column("Method"), *map(Column, methods[1:])], rows)
    reading = (
        "Mean difference of balanced accuracy over tables, row minus column, with the tables on "
        f"which the row is better, within {_region(results)} and worse. Bold: p < {SIGNIFICANT} by "
        "Wilcoxon's signed-rank test, corrected by Holm for all pairs. The best ranked methods "
        "and the reference, one entry each, on tables where both are ok. "
        f"{limits(results, compared)}"
    )
    return View("pairwise", "Each method against each", reading, [block], [], _frame(compared))


def _pair(c: Comparison | None) -> Cell:
    if c is None or c.mean is None:
        return NOTHING
    is_shown = c.p is not None and c.p < SIGNIFICANT
    cell = _signed(c.mean, f"{c.wins}, {c.ties}, {c.losses}")
    return replace(cell, mark=BEST if is_shown else PLAIN)


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


def _difference(group: Group | None, difference: Estimate | None) -> Cell:
    if difference is None:
        has_failed = group is not None and not group.ok
        return Cell(group.words, mark=FAILED) if group and has_failed else NO_PAIR
    ends = ""
    if difference.low is not None and difference.high is not None:
        ends = f"[{difference.low:+.3f}, {difference.high:+.3f}] "
    return _signed(difference.mean, f"{ends}n = {difference.n}")
