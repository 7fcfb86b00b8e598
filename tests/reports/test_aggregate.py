"""The frame of results of a store: columns, sums and nulls."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.store.store import Store
from reports.aggregate import columns, results_frame, write_results
from reports.statistics.estimates import even_rows


def test_every_cell_is_a_row(filled: Store) -> None:
    frame = results_frame(filled)
    assert len(frame) == 5 * 6 * 2
    assert frame["key"].is_unique


def test_a_row_has_the_values_of_the_record(filled: Store, make_cell: Callable) -> None:
    record, _ = make_cell("nihs", "deepmapper", 1)
    row = results_frame(filled).set_index("key").loc[record["key"]]
    seconds = {name: phase["seconds"] for name, phase in record["phases"].items()}
    converting = seconds["convert_fit"] + seconds["convert_train"] + seconds["convert_test"]
    assert row["conversion_seconds"] == pytest.approx(converting)
    assert row["train_seconds"] == seconds["train"]
    warm = converting + seconds["train"] + seconds["predict"]
    assert row["warm_seconds"] == pytest.approx(warm)
    assert row["cold_seconds"] == pytest.approx(warm + seconds["load"] + seconds["warm_up"])
    assert row["cpu_seconds"] == record["cpu_seconds"]
    assert row["peak_host_mib"] == 412.0
    assert pd.isna(row["peak_device_mib"])
    assert row["image_shape"] == "30x30"
    assert row["split"] == "stratified 0.25"
    assert row["accuracy"] == record["metrics"]["accuracy"]


def test_rows_count_as_if_classes_were_equally_frequent(store: Store, make_cell: Callable) -> None:
    record, arrays = make_cell("nihs", "logistic", 1)
    store.put(record, arrays)
    assert results_frame(store)["even_rows"].tolist() == [even_rows(arrays["y_test"])]


@pytest.mark.parametrize(
    ("address", "seeds", "is_redrawn"),
    [
        ("generated", (0, 1), True),
        ("generated", (7, 7), False),  # the spec fixes the seed of the table
        ("https://example.org", (0, 1), False),  # real rows, of which the columns are shuffled
    ],
)
def test_a_generator_draws_other_rows_for_another_seed(
    store: Store,
    make_cell: Callable,
    address: str,
    seeds: tuple[int, int],
    is_redrawn: bool,
) -> None:
    for seed, seed_of_table in enumerate(seeds):
        record, arrays = make_cell("nihs", "logistic", seed)
        record["dataset"] |= {"params": {"seed": seed_of_table}, "source": {"address": address}}
        store.put(record, arrays)
    assert results_frame(store)["is_redrawn"].tolist() == [is_redrawn, is_redrawn]


def test_a_failed_cell_is_a_row_of_nulls_with_its_reason(filled: Store) -> None:
    frame = results_frame(filled)
    row = frame[(frame["method"] == "deepinsight_tsne") & (frame["dataset"] == "nihs")].iloc[0]
    assert row["status"] == "timeout"
    assert "300 s" in row["reason"]
    assert row[["accuracy", "conversion_seconds", "cold_seconds", "warm_seconds"]].isna().all()


def test_records_of_killed_cells_are_read(store: Store, make_cell: Callable) -> None:
    record, _ = make_cell("nihs", "deepmapper", 0)
    phases = {name: record["phases"][name] for name in ("load", "convert_fit")}
    never_began = {"wall_seconds": None, "started": None, "finished": None}
    store.put(record | {"status": "timeout", "phases": phases})
    record, _ = make_cell("gisette", "logistic", 0)
    store.put(record | {"split": {"kind": None, "test_fraction": 0.25}} | never_began)
    frame = results_frame(store).set_index("dataset")
    assert pd.isna(frame.at["nihs", "conversion_seconds"])  # the phase is not complete
    assert frame.at["nihs", "load_seconds"] == phases["load"]["seconds"]
    assert frame.loc["gisette", ["split", "wall_seconds", "n_samples"]].isna().all()


def test_superseded_records_do_not_count(store: Store, make_cell: Callable) -> None:
    for seed in (0, 1):
        store.put(*make_cell("nihs", "logistic", seed))
    store.supersede(make_cell("nihs", "logistic", 0)[0]["key"])
    assert results_frame(store)["seed"].tolist() == [1]


def test_the_written_file_reads_back_the_same(filled: Store, tmp_path: Path) -> None:
    frame = results_frame(filled)
    write_results(frame, tmp_path / "results.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "results.parquet"), frame)


def test_an_empty_store_has_the_columns_and_types(store: Store) -> None:
    frame = results_frame(store)
    assert frame.empty
    assert list(frame.columns) == list(columns())
    assert frame["accuracy"].dtype == np.float64
