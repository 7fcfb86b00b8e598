"""The table of the command line: at most 120 columns, and failures as words."""

import io

import pandas as pd
from rich.console import Console

from bench.store.store import Store
from reports.aggregate import results_frame
from reports.terminal import comparison
from reports.units import natural_order


def printed(frame: pd.DataFrame) -> str:
    file = io.StringIO()
    Console(file=file, width=120, color_system=None).print(comparison(frame))
    return file.getvalue()


def test_rows_are_methods_and_failures_are_words(filled: Store) -> None:
    text = printed(results_frame(filled))
    lines = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    assert "timeout" in lines["deepinsight_tsne"]
    assert "unavailable" in lines["logistic"]
    assert "(1/2)" in lines["random_forest"]
    assert lines["majority"].split()[-1] == "205"  # five datasets of 20 and 21 seconds


def test_twelve_methods_and_five_datasets_fit(filled: Store) -> None:
    frame = results_frame(filled)
    second = frame.assign(method_label=frame["method_label"] + "_2")
    long = frame.assign(dataset_label=frame["dataset_label"].replace("digits", "shuffled_mnist"))
    for shown in (frame, pd.concat([frame, second]), long):
        text = printed(shown)
        assert "…" not in text
        assert max(map(len, text.splitlines())) <= 120
        body, _ = text.split("†:")
        rows = [line for line in body.splitlines()[4:] if line.strip()]
        assert len(rows) == shown["method_label"].nunique()  # no row was folded


def test_nothing_to_compare_is_said(store: Store) -> None:
    assert "No cells yet" in printed(results_frame(store))


def test_labels_with_numbers_are_in_the_order_of_the_numbers() -> None:
    labels = ["56,537 genes", "10,000 genes", "tcga", "2,500 genes", "digits 2", "digits 10"]
    expected = ["2,500 genes", "10,000 genes", "56,537 genes", "digits 2", "digits 10", "tcga"]
    assert sorted(labels, key=natural_order) == expected
