"""Rows of one person are all training rows or all test rows."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from deepmapper._app.cli import app
from deepmapper.errors import DeepMapperError
from deepmapper.tables import TrainingTables, read_training


def _frame(column: str = "site") -> pd.DataFrame:
    """20 persons with three rows each and two classes. The rows have names."""
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(draw.normal(size=(60, 3)), columns=["a", "b", "c"])
    frame.insert(0, "sample_id", [f"s{i}" for i in range(60)])
    persons = np.repeat(np.arange(20), 3)
    frame[column] = persons * 7 if column != "clinic" else [f"at {person}" for person in persons]
    frame["status"] = np.where(persons % 2, "ill", "well")
    return frame.sample(frac=1, random_state=0).reset_index(drop=True)


def _write(folder: Path, frame: pd.DataFrame, file: str) -> Path:
    path = folder / file
    if file.endswith(".h5ad"):
        h5py = pytest.importorskip("h5py", reason="optional: pip install h5py")
        text = h5py.string_dtype()
        with h5py.File(path, "w") as h5ad:
            h5ad["X"] = frame[["a", "b", "c"]].to_numpy("float32")
            obs, var = h5ad.create_group("obs"), h5ad.create_group("var")
            others = frame.drop(columns=["a", "b", "c"]).astype(str)
            for name, values in others.items():
                obs.create_dataset(str(name), data=values.to_list(), dtype=text)
            obs.attrs["_index"] = "sample_id"
            obs.attrs["column-order"] = np.array(others.columns[1:], dtype=text)
            var.create_dataset("_index", data=["a", "b", "c"], dtype=text)
            var.attrs["_index"] = "_index"
            var.attrs["column-order"] = np.array([], dtype=text)
    elif file.endswith(".parquet"):
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False)
    return path


def _persons(tables: TrainingTables, frame: pd.DataFrame, column: str) -> tuple[set[Any], set[Any]]:
    person = frame.set_index("sample_id")[column]
    assert tables.test is not None
    return set(person[tables.train.row_names]), set(person[tables.test.row_names])


@pytest.mark.parametrize("column", ["site", "patient", "clinic"])  # a number, an id, a text
@pytest.mark.parametrize("file", ["t.csv", "t.parquet", "t.h5ad"])
def test_a_group_is_on_one_side(tmp_path: Path, file: str, column: str) -> None:
    frame = _frame(column)
    path = _write(tmp_path, frame, file)
    tables = read_training(path, label="status", groups=column, test_fraction=0.2)
    assert tables.train.features == ["a", "b", "c"]
    train, test = _persons(tables, frame, column)
    assert not train & test
    assert len(train) == 16
    assert set(tables.test.y) == {"ill", "well"}
    other = read_training(path, label="status", groups=column, test_fraction=0.2, random_state=1)
    assert _persons(other, frame, column)[1] != test


def test_groups_of_the_file_of_the_labels(tmp_path: Path) -> None:
    frame = _frame()
    path = _write(tmp_path, frame[["sample_id", "a", "b", "c"]], "t.csv")
    clinical = _write(tmp_path, frame[["sample_id", "site", "status"]].iloc[::-1], "clinical.csv")
    tables = read_training(path, label="status", labels=clinical, groups="site", test_fraction=0.2)
    train, test = _persons(tables, frame, "site")
    assert not train & test
    with pytest.raises(
        DeepMapperError, match=r"no column 'sites' for the groups; nearest: 'site'$"
    ):
        read_training(path, label="status", labels=clinical, groups="sites")
    np.save(tmp_path / "y.npy", frame["status"].to_numpy(str))
    with pytest.raises(DeepMapperError, match=r"y\.npy has no columns"):
        read_training(path, labels=tmp_path / "y.npy", groups="site")


def test_groups_are_the_names_that_labels_are_joined_by(tmp_path: Path) -> None:
    frame = _frame("patient")
    path = _write(tmp_path, frame.drop(columns="status"), "t.csv")
    patients = frame[["patient", "status"]].drop_duplicates()
    clinical = _write(tmp_path, patients, "clinical.csv")
    tables = read_training(
        path, label="status", labels=clinical, groups="patient", test_fraction=0.2
    )
    train, test = _persons(tables, frame, "patient")
    assert not train & test
    expected = frame.set_index("sample_id")["status"]
    np.testing.assert_array_equal(tables.train.y, expected[tables.train.row_names])


def test_persons_on_both_sides_are_pointed_out(tmp_path: Path) -> None:
    path = _write(tmp_path, _frame("patient"), "t.csv")
    with pytest.warns(UserWarning, match=r"values of 'patient' .* --groups patient"):
        read_training(path, label="status", test_fraction=0.2)
    for options in ({}, {"groups": "patient", "test_fraction": 0.2}):
        with warnings.catch_warnings(record=True) as records:
            warnings.simplefilter("always")
            read_training(path, label="status", **options)
        assert not any("--groups" in str(record.message) for record in records)


def test_groups_that_cannot_be_divided_are_refused(tmp_path: Path) -> None:
    frame = _frame()
    with pytest.raises(DeepMapperError, match="no column 'person' for the groups"):
        read_training(_write(tmp_path, frame, "t.csv"), label="status", groups="person")
    frame["site"] = np.where(frame["status"] == "ill", 1, 2)
    path = _write(tmp_path, frame, "t.csv")
    with pytest.raises(DeepMapperError, match="2 groups cannot be divided"):
        read_training(path, label="status", groups="site", test_fraction=0.2)
    assert read_training(path, label="status", groups="site").test is None
    frame.loc[3, "site"] = np.nan
    path = _write(tmp_path, frame, "t.csv")
    with pytest.raises(DeepMapperError, match="1 of 60 rows have no value in the column"):
        read_training(path, label="status", groups="site")


def test_fit_with_groups_predicts_the_same_file(tmp_path: Path) -> None:
    path = _write(tmp_path, _frame(), "t.csv")
    run = str(tmp_path / "run")
    words = ["fit", str(path), "--label", "status", "--groups", "site", "--out", run]
    short = ["--device", "cpu", "--set", "passes=1", "--set", "max_epochs=1"]
    fitted = CliRunner().invoke(app, [*words, *short])
    assert fitted.exit_code == 0, fitted.output
    assert "ids site (1)" in fitted.output
    predicted = CliRunner().invoke(app, ["predict", run, str(path)])
    assert predicted.exit_code == 0
    assert "note" not in predicted.output
