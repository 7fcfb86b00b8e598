"""The frame of a store: its columns, its sums, its nulls."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.store.store import Store
from reports.aggregate import columns, results_frame, write_results

# The names of the design, section 5: others depend on them.
PROMISED = {
    "dataset",
    "method",
    "seed",
    "status",
    "reason",
    "n_samples",
    "n_features",
    "n_classes",
    "image_shape",
    "device",
    "load_seconds",
    "conversion_seconds",
    "train_seconds",
    "predict_seconds",
    "attribute_seconds",
    "peak_host_mib",
    "peak_device_mib",
    "n_parameters",
    "train_accuracy",
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "log_loss",
    "auroc",
    "precision_at_k",
    "recall_at_k",
    "worst_needle_rank",
    "needle_auprc",
}


def test_the_promised_columns_are_there(filled: Store) -> None:
    frame = results_frame(filled)
    assert PROMISED | {"key", "n_train", "n_test", "wall_seconds"} <= set(frame.columns)
    assert len(frame) == 5 * 6 * 2
    assert frame["key"].is_unique


def test_a_row_holds_what_the_record_says(filled: Store, make_cell: Callable) -> None:
    record, _ = make_cell("nihs", "deepmapper", 1)
    row = results_frame(filled).set_index("key").loc[record["key"]]
    seconds = {name: phase["seconds"] for name, phase in record["phases"].items()}
    converting = seconds["convert_fit"] + seconds["convert_train"] + seconds["convert_test"]
    assert row["conversion_seconds"] == pytest.approx(converting)
    assert row["train_seconds"] == seconds["train"]
    assert row["peak_host_mib"] == 412.0
    assert pd.isna(row["peak_device_mib"])
    assert row["image_shape"] == "30x30"
    assert row["split"] == "stratified 0.25"
    assert row["accuracy"] == record["metrics"]["accuracy"]


def test_a_failed_cell_is_a_row_of_nulls_with_its_reason(filled: Store) -> None:
    frame = results_frame(filled)
    row = frame[(frame["method"] == "deepinsight_tsne") & (frame["dataset"] == "nihs")].iloc[0]
    assert row["status"] == "timeout"
    assert "300 s" in row["reason"]
    assert row[["accuracy", "conversion_seconds", "train_seconds"]].isna().all()


def test_a_killed_conversion_has_no_duration(tmp_path: Path, make_cell: Callable) -> None:
    record, _ = make_cell("nihs", "deepmapper", 0)
    phases = {name: record["phases"][name] for name in ("load", "convert_fit")}
    store = Store(tmp_path)
    store.create()
    store.put(record | {"status": "timeout", "phases": phases})
    row = results_frame(store).iloc[0]
    assert pd.isna(row["conversion_seconds"])
    assert row["load_seconds"] == phases["load"]["seconds"]


def test_what_a_run_that_never_began_leaves_is_read(tmp_path: Path, make_cell: Callable) -> None:
    record, _ = make_cell("gisette", "logistic", 0)
    split = {"kind": None, "test_fraction": 0.25}
    store = Store(tmp_path)
    store.create()
    store.put(record | {"split": split, "wall_seconds": None, "started": None, "finished": None})
    row = results_frame(store).iloc[0]
    assert row[["split", "wall_seconds", "n_samples"]].isna().all()


def test_superseded_records_do_not_count(tmp_path: Path, make_cell: Callable) -> None:
    store = Store(tmp_path)
    store.create()
    for seed in (0, 1):
        store.put(*make_cell("nihs", "logistic", seed))
    store.supersede(make_cell("nihs", "logistic", 0)[0]["key"])
    assert results_frame(store)["seed"].tolist() == [1]


def test_the_written_file_reads_back_the_same(filled: Store, tmp_path: Path) -> None:
    frame = results_frame(filled)
    write_results(frame, tmp_path / "results.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "results.parquet"), frame)


def test_an_empty_store_has_the_columns_and_types(empty: Store) -> None:
    frame = results_frame(empty)
    assert frame.empty
    assert list(frame.columns) == list(columns())
    assert frame["accuracy"].dtype == np.float64
