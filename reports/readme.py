"""Numbers of the READMEs from the published records: `python -m reports readme`.

A README marks what comes from records by comments, which a page does not show:

- `<!-- records: quick; accuracy -->` begins a table that `<!-- end -->` ends. It has the mean of a
  measure (a column of results.parquet) over seeds, for each method and table, the best mean rank
  first.
- `<!-- records: wide_pilot; summary -->`: balanced accuracy and log loss of one entry a method,
  with their mean ranks (`reports.statistics.estimates`) with failures last and over ok cells, and
  the sum of its CPU seconds. `; without prostate_shift` leaves out a table, `; best 20` the methods
  after the first 20.
- `<!-- records: wide_pilot; behind deepmapper -->`: the tables on which a method is more than 0.01
  behind the best other one, with the paired interval of the difference, and p corrected by Holm
  for the number of all tables.
- `<!-- records: wide_pilot; difference; deepmapper; mlp -->`: two methods on each table with the
  paired interval of their difference, and over tables.
- `<!-- records: wide_pilot; summary against deepmapper -->` adds the comparison with a reference
  (`reports.statistics.over_tables`): tables better, tied and worse, p, and the noise.
- `<!-- records: causes; variance -->`: shares of the variance of the error with their intervals
  (`reports.statistics.variance_shares`). `<!-- records: causes; levels -->`: the mean balanced
  accuracy of each layout, network and gate on each table, over the complete part of that grid.
- `<!-- record: quick; needle_auprc; expression; deepmapper -->.966` is one mean.
  `<!-- record: quick; cells -->132` is the number of cells that are ok.
- `<!-- difference: quick; log_loss; gravier; mlp; logistic -->+.01 [−.08, +.10]` is the first
  method minus the second with its paired 95% interval (`reports.statistics.pairs.Pairs`).

`docs/claims.md` lists all of them with the cells behind each.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from bench.catalog import ROOT
from bench.errors import BenchError, unknown
from bench.metrics import MAIN
from reports.paper.exhibit import short
from reports.results import Results
from reports.statistics.estimates import Estimate, correct, mean_ranks
from reports.statistics.over_tables import (
    EQUIVALENT,
    Comparison,
    compare,
    compare_over_tables,
    equivalent,
    limits,
)
from reports.statistics.pairs import LOSS, Pairs
from reports.statistics.variance_shares import FACTORS, factors_of, read_grid
from reports.topics import PUBLISHED
from reports.used_rows import mark_text, used_tables

TABLE = re.compile(r"(<!-- records: (.*?) -->\n).*?(<!-- end -->)", re.DOTALL)
NUMBER = re.compile(r"(<!-- (record|difference): ([^>]*?) -->)[+−]?[\d.,]*\d( \[[^]]*\])?")
AGAINST = ["better, tie, worse", "p"]
LOWER_IS_BETTER = ("log_loss", "calibration_error", "false_discovery_share")
CLAIMS = ROOT / "docs" / "claims.md"
CLAIMS_HEAD = """# Numbers and their cells

The numbers that `python -m reports readme` writes into README.md, into
[Which method for my table?](which-method.md) and into the pages of the published topics, with the
cells behind them. A number is the mean over its cells. A table has a number for each method. Keys
are the first digits of those in `cells.parquet` of the topic. A test compares this page with the
records. Other numbers and all sentences of these pages are written by hand: nothing compares them.
"""


def readmes() -> list[Path]:
    """Return the pages with numbers from records."""
    pages = ROOT / "README.md", ROOT / "docs" / "which-method.md"
    return [*pages, *sorted(PUBLISHED.glob("*/README.md"))]


def renew(text: str) -> str:
    """Return a README with the numbers of the published records.

    Raises
    ------
    BenchError
        A comment names no topic, measure, table or method of the records.
    """
    text = TABLE.sub(lambda match: match[1] + _table(_words(match[2])) + match[3], text)
    write = {"record": _number, "difference": _difference}
    return NUMBER.sub(lambda match: match[1] + write[match[2]](_words(match[3])), text)


def list_claims() -> str:
    """Return the page of all numbers and tables with their cells."""
    sections = [CLAIMS_HEAD]
    for path in readmes():
        text = path.read_text()
        lines = []
        for match in TABLE.finditer(text):
            topic, kind, *_ = _words(match[2])
            lines.append(_claim("a table", topic, kind, None, []))
        for match in NUMBER.finditer(text):
            topic, measure, *place = _words(match[3])
            table, *methods = place or (None,)
            number = match[0].removeprefix(match[1])
            lines.append(_claim(number, topic, measure, table, methods))
        if lines:
            head = [f"## {path.relative_to(ROOT)}\n", *_head("number", "of", "cells", "keys")]
            sections.append("\n".join([*head, *lines]).replace("---: |", "--- |") + "\n")
    return "\n".join(sections)


def _claim(number: str, topic: str, measure: str, table: str | None, methods: list[str]) -> str:
    results = _results(topic)
    frame = _ok(results)
    if table is not None:
        is_meant = (frame["dataset_label"] == table) & frame["method_label"].isin(methods)
        frame = frame[is_meant]
    commits = {str(results.records[key]["environment"]["commit"])[:7] for key in frame["key"]}
    cells = f"{len(frame):,} of [{topic}](../reports/published/{topic}/README.md)"
    keys = short(tuple(frame["key"])) if table else "all"
    place = ", ".join(filter(None, (measure, table, " − ".join(methods))))
    return _line(number, place, f"{cells}, {', '.join(sorted(commits))}", keys)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(";")]


@lru_cache
def _results(topic: str) -> Results:
    topics = [path.name for path in PUBLISHED.iterdir() if path.is_dir()]
    if topic not in topics:
        raise unknown(topic, "topic", topics, "reports/published")
    return Results.read(PUBLISHED / topic)


def _ok(results: Results) -> pd.DataFrame:
    return results.frame.query("status == 'ok'")


def _means(frame: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Means over seeds, a row a method and a column a table."""
    if measure not in frame:
        raise unknown(measure, "measure", map(str, frame), "results.parquet")
    return frame.pivot_table(measure, "method_label", "dataset_label", aggfunc="mean")


def _table(words: Sequence[str]) -> str:
    topic, kind, *rest = words
    left_out = [word.removeprefix("without ") for word in rest if word.startswith("without ")]
    best = [int(word.removeprefix("best ")) for word in rest if word.startswith("best ")]
    methods = [word for word in rest if not word.startswith(("without ", "best "))]
    results = _results(topic).without(left_out)
    if kind == "summary":
        lines = _summary(results, {}, *best)
    elif kind.startswith("summary against "):
        reference = kind.removeprefix("summary against ")
        lines = _summary(results, _compare_with(results, reference), *best)
    elif kind == "difference":
        lines = _differences(results, *methods)
    elif kind.startswith("behind "):
        lines = _behind(results, kind.removeprefix("behind "))
    elif kind == "variance":
        lines = _variance(results)
    elif kind == "levels":
        lines = _levels(results)
    else:
        lines = _measure(_ok(results), kind)
    return mark_text("\n".join(lines) + "\n", used_tables(results.frame))


def _measure(frame: pd.DataFrame, measure: str) -> Iterator[str]:
    means = _means(frame, measure)
    yield from _head("method", *means.columns)
    ranked = mean_ranks(frame, measure, lower_is_better=measure in LOWER_IS_BETTER)
    ordered = ranked.index.intersection(means.index, sort=False)
    for method in [*ordered, *means.index.difference(ordered)]:
        yield _line(method, *(_format(value) for value in means.loc[method]))


def _summary(
    results: Results, compared: dict[str, Comparison], most: int | None = None
) -> Iterator[str]:
    frame = _ok(results)
    ranks = [
        mean_ranks(results.frame, measure, lower_is_better=measure == LOSS)
        for measure in (MAIN, LOSS)
    ]
    means = [_means(frame, measure) for measure in (MAIN, LOSS)]
    seconds = frame.groupby("method_label")["cpu_seconds"].sum()
    columns = ["balanced accuracy", "mean rank", "if ok", "failed", "log loss", "mean rank"]
    yield from _head("method", *columns, "CPU s", *(AGAINST if compared else []))
    for method in [name for name in ranks[0].index if name in means[0].index][:most]:
        accuracy, loss = (_format(table.loc[method].mean()) for table in means)
        last, of_ok, n, n_failed = ranks[0].loc[method].astype(float)
        places = f"{last:.1f}", f"{of_ok:.1f}", f"{n_failed:.0f}/{n:.0f}"
        against = _format_comparison(compared.get(method)) if compared else []
        rank = f"{ranks[1]['mean_rank'][method]:.1f}"
        yield _line(method, accuracy, *places, loss, rank, f"{seconds[method]:.0f}", *against)
    if compared:
        yield f"\n{limits(results, list(compared.values()))}"


def _format_comparison(compared: Comparison | None) -> list[str]:
    if compared is None:  # the reference
        return ["", ""]
    counts = f"{compared.wins}/{compared.ties}/{compared.losses}"
    return [counts, "–" if compared.p is None else _format(compared.p)]


def _behind(results: Results, method: str) -> Iterator[str]:
    _check_method(results, method)
    means = _means(_ok(results), MAIN).reindex(results.entries)
    own, others = means.T[method], means.drop(index=method)
    yield from _head("table", method, "best other", "its value", "difference", "p, corrected")
    best, values = others.idxmax(), others.max()
    pairs = {table: _paired(results, MAIN, table, method, best[table]) for table in own.index}
    corrected = dict(zip(pairs, correct([pair.p for pair in pairs.values()]), strict=True))
    for table in own.index[own < values - EQUIVALENT]:
        others_value, ends = _format(values[table]), _ends(pairs[table])
        p = _format(corrected[table])
        yield _line(table, _format(own[table]), best[table], others_value, ends, p)


def _differences(results: Results, method: str, other: str) -> Iterator[str]:
    _check_method(results, method)
    _check_method(results, other)
    means = _means(_ok(results), MAIN)
    yield from _head("table", method, other, "difference")
    for table in means.columns[means.loc[[method, other]].notna().all()]:
        ends = _ends(_paired(results, MAIN, table, method, other))
        yield _line(table, *(_format(means.at[name, table]) for name in (method, other)), ends)
    (compared,) = compare(results.values(), [(method, other)], equivalent(results))
    if compared.mean is not None:
        counts, p = _format_comparison(compared)
        tie = f"tie (at most {_format(equivalent(results))})"
        mean = f"mean difference {_signed(compared.mean)}; better, {tie}, worse: {counts}"
        yield f"\nOver {compared.n_tables} tables: {mean}; p (Wilcoxon): {p}."


def _variance(results: Results) -> Iterator[str]:
    yield from _head("term", "df", "share of the variance in percent", "95% interval")
    for share in read_grid(results.frame).shares():
        ends = "–"
        if share.low is not None and share.high is not None:
            ends = f"{100 * share.low:.1f} to {100 * share.high:.1f}"
        yield _line(share.term, str(share.df), f"{100 * share.share:.1f}", ends)


def _levels(results: Results) -> Iterator[str]:
    grid = read_grid(results.frame)
    factors = _ok(results)["method_label"].map(factors_of).dropna()
    names = pd.DataFrame(factors.tolist(), factors.index, FACTORS[1:])
    cells = _ok(results).join(names, how="inner")
    for factor, levels in zip(FACTORS[1:], grid.levels[1:], strict=True):
        cells = cells[cells[factor].isin(levels)]
    yield from _head("level", *grid.tables)
    for factor, levels in zip(FACTORS[1:], grid.levels[1:], strict=True):
        means = cells.pivot_table(MAIN, factor, "dataset_label").loc[levels, grid.tables]
        for level, values in means.iterrows():
            yield _line(f"{factor}: {level}", *map(_format, values))


def _check_method(results: Results, method: str) -> None:
    if method not in results.methods:
        raise unknown(method, "method", results.methods, "these records")


def _compare_with(results: Results, reference: str) -> dict[str, Comparison]:
    _check_method(results, reference)
    return {c.method: c for c in compare_over_tables(results, reference)}


def _number(words: Sequence[str]) -> str:
    topic, *place = words
    frame = _ok(_results(topic))
    if place == ["cells"]:
        return f"{len(frame):,}"
    measure, table, method = place
    means = _means(frame, measure)
    if table not in means or method not in means.index:
        message = f"no cell of {topic} has the table {table!r} and the method {method!r}"
        raise BenchError(message)
    return _format(means.at[method, table])


def _difference(words: Sequence[str]) -> str:
    topic, measure, table, method, other = words
    return _ends(_paired(_results(topic), measure, table, method, other))


def _paired(results: Results, measure: str, table: str, method: str, other: str) -> Estimate:
    """Return the difference of two methods with its paired interval, or raise BenchError."""
    if measure not in results.frame:
        raise unknown(measure, "measure", map(str, results.frame), "results.parquet")
    group, base = results.group(table, method), results.group(table, other)
    difference = Pairs(results).difference(group, base, measure) if group and base else None
    if difference is None or difference.low is None:
        message = f"no paired interval of {measure} on {table!r} for {method!r} and {other!r}"
        raise BenchError(message)
    return difference


def _ends(difference: Estimate) -> str:
    mean, low, high = map(_signed, (difference.mean, *difference.ends))
    return f"{mean} [{low}, {high}]"


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("0.", ".").replace("-", "−")


def _format(value: Any) -> str:
    text = f"{value:.3f}"
    return text.removeprefix("0") if value < 1 else text


def _head(first: str, *others: str) -> list[str]:
    return [_line(first, *others), "| --- |" + " ---: |" * len(others)]


def _line(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"
