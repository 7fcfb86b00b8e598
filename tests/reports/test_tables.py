"""Tables show failures with reasons and mark the best result."""

import csv
import re
from collections.abc import Callable

import pandas as pd
import pytest

from bench.store.store import Store
from reports import units
from reports.results import Results
from reports.tables.accuracy import accuracy, differences, over_tables
from reports.tables.markup import latex, markdown, tex
from reports.tables.measures import attribution, quality, timing
from reports.tables.needs import needs
from reports.tables.views import Block, Cell, Column, View
from reports.tables.writer import all_views


@pytest.fixture(scope="module")
def results(filled: Store) -> Results:
    return Results.read(filled)


def test_failures_are_words_with_their_reasons_in_markdown(results: Results) -> None:
    text = markdown(accuracy(results))
    for word, reason in {
        "timeout": "stopped after 300 s in convert_fit",
        "out of memory": "asked for 9.1 GiB of 8 GiB",
        "diverged": "loss is NaN & 50% \\<of> epoch_3",
        "unsupported": "64 features are too few",
        "unavailable": "no data: run `python -m bench data fetch gisette`",
    }.items():
        assert word in text
        assert f"{word}: {reason}" in text


def test_failures_are_rows_with_their_reasons_in_csv(filled: Store) -> None:
    with (filled.folder / "report" / "tables" / "accuracy.csv").open() as file:
        rows = {(row["dataset"], row["method"]): row for row in csv.DictReader(file)}
    row = rows["nihs", "deepinsight_tsne"]
    assert (row["n_ok"], row["balanced_accuracy"], row["failures"]) == ("0", "", "timeout")
    assert row["reasons"] == "stopped after 300 s in convert_fit"
    assert rows["tcga", "random_forest"]["reasons"] == "ValueError: a | b"
    assert len(rows) == 5 * 6


def test_needs_give_seconds_and_memory_or_the_reason_to_give_up(results: Results) -> None:
    view = needs(results)
    frame = view.data.set_index(["dataset", "method"])
    group = results.group("tcga", "deepmapper")
    assert group is not None
    assert frame.at[("tcga", "deepmapper"), "warm_seconds"] == group.total_seconds
    text = markdown(view)
    assert re.search(r"\| deepmapper \|.* 1\d\.\d s cold 1\d\.\d s, CPU 540 s, \d+ MiB", text)
    assert "timeout: stopped after 300 s in convert_fit" in text


def test_every_table_is_written_without_empty_cells(filled: Store, results: Results) -> None:
    for view in all_views(results):
        for suffix in ("md", "csv", "tex"):
            path = filled.folder / "report" / "tables" / f"{view.name}.{suffix}"
            assert path.stat().st_size > 100
        for block in view.blocks:
            for row in block.rows:
                assert len(row) == len(block.columns)
                assert all(cell.text.strip() for cell in row)


def test_a_pipe_in_a_name_does_not_break_the_grid(results: Results) -> None:
    for line in markdown(timing(results)).splitlines():
        if line.startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", line)) == 9


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("`a_b | c` and d_e", "`a_b \\| c` and d\\_e"),
        ("one ` alone_", "one \\` alone\\_"),
    ],
)
def test_code_stays_code_in_markdown(text: str, expected: str) -> None:
    block = Block("x", [Column("x")], [[Cell(text)]])
    assert expected in markdown(View("x", "x", "x", [block], [], pd.DataFrame()))


def test_one_dataset_has_one_best_and_marks_those_level_with_it(results: Results) -> None:
    block = accuracy(results).blocks[0]
    column = [c.header for c in block.columns].index("digits")
    marks = {row[0].text: row[column].mark for row in block.rows}
    assert marks["deepmapper"] == "best"
    assert marks["majority"] == ""
    assert marks["deepinsight_tsne"] == "failed"
    assert list(marks.values()).count("best") == 1


def test_marks_and_differences_rest_on_paired_tests(results: Results) -> None:
    reading = accuracy(results).reading
    assert "paired difference from the best" in reading
    assert differences(results).title in reading
    assert "McNemar" in differences(results).reading


def test_methods_are_compared_over_tables(results: Results) -> None:
    """Four tables are too few for a test. Tables on which only one is ok are counted."""
    view = over_tables(results)
    assert "against deepmapper" in view.blocks[0].caption
    rows = {row[0].text: row for row in view.blocks[0].rows}
    assert rows["majority"][2].text.startswith("−")
    assert "without it" in rows["deepinsight_tsne"][1].detail
    assert rows["logistic"][7].text == "too few tables"


def test_quality_has_a_block_for_each_dataset(results: Results) -> None:
    view = quality(results)
    assert [block.dataset for block in view.blocks] == results.datasets
    assert {"log_loss", "auroc", "calibration_error"} <= set(view.data.columns)


def test_attribution_has_a_block_for_each_dataset_with_needles(results: Results) -> None:
    view = attribution(results)
    assert [block.dataset for block in view.blocks] == ["needles", "nihs"]
    texts = {row[0].text: row[1].text for row in view.blocks[0].rows}
    assert texts["majority"] == "none given"
    assert texts["deepmapper_published"] == "diverged"


def test_the_attribution_of_needles_states_their_bayes_error(
    make_cell: Callable, store: Store, put_again: Callable
) -> None:
    record, arrays = make_cell("needles", "logistic", 0)
    params = {"kind": "xor", "n_needles": 2, "flip": 0.1, "n_samples": 1000}
    put_again(store, record | {"dataset": record["dataset"] | {"params": params}}, arrays)
    [block] = attribution(Results.read(store)).blocks
    assert block.caption.endswith("in 400 features, Bayes error 0.100")


def test_latex_escapes_what_would_be_a_command() -> None:
    assert tex("50% & a_b #1 $x$ {y} ^~") == (
        r"50\% \& a\_b \#1 \$x\$ \{y\} \textasciicircum{}\textasciitilde{}"
    )
    assert tex("a\\b") == r"a\textbackslash{}b"
    assert tex("0.9 ± 0.1, 8×8") == r"0.9 $\pm$ 0.1, 8$\times$8"
    assert tex("naïve 数") == "naive ?"
    assert tex("`a_b` and ` alone") == "`a\\_b` and ` alone"
    assert tex("`a_b` and c") == r"\texttt{a\_b} and c"


def test_latex_is_balanced(results: Results) -> None:
    for view in all_views(results):
        text = latex(view)
        assert text.isascii()
        body = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
        bare = re.sub(r"\\[{}$&%#_\\]", "", body)
        depth = 0
        for char in bare:
            depth += {"{": 1, "}": -1}.get(char, 0)
            assert depth >= 0
        assert depth == 0
        assert bare.count("$") % 2 == 0
        columns = 0
        for line in body.splitlines():
            if match := re.match(r"\\begin\{tabular\}\{(\w+)\}", line):
                columns = len(match[1])
            if line.endswith(r" \\"):
                assert len(re.findall(r"(?<!\\)&", line)) == columns - 1
        environments = re.findall(r"\\begin\{(\w+)\}", body)
        assert sorted(environments) == sorted(re.findall(r"\\end\{(\w+)\}", body))


def test_two_devices_are_two_methods(store: Store, make_cell: Callable) -> None:
    record, _ = make_cell("digits", "logistic", 0)
    store.put(record)
    store.put(record | {"key": "0" * 32, "device": "cuda"})
    assert set(Results.read(store).methods) == {"logistic [cpu]", "logistic [cuda]"}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.334, "334 ms"),
        (94, "1 min 34 s"),
        (1417, "23 min 37 s"),
        (12.34, "12.3 s"),
        (7500, "2 h 05 min"),
        (0.00001, "<1 ms"),
        (59.99, "1 min"),
        (0.9996, "1.00 s"),
        (None, "n/a"),
    ],
)
def test_durations_are_written_as_in_the_paper(seconds: float | None, text: str) -> None:
    assert units.duration(seconds) == text
