"""Tables on which a statistic or a ranking could be wrong without a word."""

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from typer.testing import CliRunner

from deepmapper import DeepMapperClassifier, DeepMapperError
from deepmapper._app.cli import app
from deepmapper._app.report import report
from deepmapper._app.runs import fit
from deepmapper.networks.screen import false_discovery_rate, screen
from deepmapper.tables import read_training


def _binary_table(n: int = 200, p: int = 100, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % 2)
    return rng.integers(0, 2, (n, p)).astype(np.float32), y


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("values", [(0.0, 1.0), (-3.7, 0.1), (100.0, 100.5)])
def test_a_feature_identical_to_the_class_is_the_strongest(
    n_classes: int, values: tuple[float, float]
) -> None:
    X, y = _binary_table()
    y = np.arange(len(y)) % n_classes
    X[:, 7] = np.where(y == 1, *values)
    result = screen(torch.from_numpy(X), torch.from_numpy(y), n_classes, interactions=False)
    assert result.strength.argmax() == 7
    assert result.opening()[7] > 0.999


def test_a_constant_feature_has_no_strength() -> None:
    X, y = _binary_table()
    X[:, 3], X[:, 4] = 0.0, 0.1
    result = screen(torch.from_numpy(X), torch.from_numpy(y), 2, interactions=False)
    assert result.strength[3] == 0
    assert result.strength[4] < 0.1


def test_a_balanced_xor_of_binary_features_is_found() -> None:
    X, y = _binary_table(n=400)
    corners = np.arange(400) % 4
    X[:, 20], X[:, 61] = corners // 2, corners % 2
    y = (X[:, 20] != X[:, 61]).astype(int)
    result = screen(torch.from_numpy(X), torch.from_numpy(y), 2)
    assert set(result.pairs[0]) == {20, 61}
    assert (result.opening()[[20, 61]] > 0.999).all()


@pytest.mark.parametrize("n_empty", [100, 50_000])
def test_empty_pixels_do_not_change_the_gates_of_features(n_empty: int) -> None:
    X, y = _binary_table(n=120, p=300)
    X = X + np.random.default_rng(1).normal(size=X.shape).astype(np.float32)
    X[:, :10] += 0.8 * y[:, None]
    padded = np.hstack([X, np.zeros((len(X), n_empty), dtype=np.float32)])
    codes = torch.from_numpy(y)
    alone, beside = (
        screen(torch.from_numpy(table), codes, 2, interactions=False) for table in (X, padded)
    )
    np.testing.assert_allclose(beside.opening()[:300], alone.opening(), rtol=1e-5, atol=1e-7)
    assert (beside.opening()[300:] == 0).all()


def test_a_perfect_marker_is_named_first() -> None:
    X, y = _binary_table()
    X[:, 7] = y
    model = DeepMapperClassifier(passes=2, device="cpu", random_state=0).fit(X, y)
    for _, rows in model.attributions_.groupby("class"):
        assert rows.feature.iloc[0] == "x7"


def test_false_discovery_rates_of_nothing_are_nothing() -> None:
    assert false_discovery_rate(np.empty(0)).shape == (0,)


def _counts(
    seed: int = 0, n: int = 200, p: int = 60, tail: float = 200
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    logs = rng.normal(np.linspace(1, 9, p), 1, (n, p))
    logs[:, :3] += 3 * y[:, None]
    X = rng.poisson(np.exp2(logs)).astype(np.float32)
    X[:, -1] *= tail  # 200: the engine takes logarithms; 1: it does not
    return X, y


UNITS = {"log": np.log1p, "log2": lambda X: np.log2(X + 1), "per million": lambda X: X * 1e4}


@pytest.mark.parametrize("tail", [1, 200])
@pytest.mark.parametrize("units", UNITS)
def test_new_rows_in_other_units_are_pointed_out(units: str, tail: float) -> None:
    X, y = _counts(tail=tail)
    new = _counts(seed=1, tail=tail)[0]
    convert = UNITS[units]
    for training, other in ((X, convert(new)), (convert(X), new)):
        model = DeepMapperClassifier(passes=1, training={"max_epochs": 1}, device="cpu")
        with pytest.warns(UserWarning, match="same units"):
            model.fit(training, y).predict(other)


@pytest.mark.parametrize("tail", [1, 200])
def test_new_rows_of_the_same_units_bring_no_warning(tail: float) -> None:
    model = DeepMapperClassifier(passes=1, device="cpu", random_state=0)
    model.fit(*_counts(tail=tail))
    X, y = _counts(seed=1, tail=tail)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (model.predict(X) == y).mean() > 0.9
        model.predict(X[:1])
        model.predict(X[y == 0])


def test_values_without_a_logarithm_are_refused() -> None:
    model = DeepMapperClassifier(passes=1, training={"max_epochs": 1}, device="cpu")
    model.fit(*_counts())
    X = _counts(seed=1)[0]
    with pytest.raises(DeepMapperError, match=r"down to -\d.*units of the training rows"):
        model.predict(X - X.mean(0))


def _fit_status(folder: Path, *options: str) -> str:
    """Fit table.csv with the label `status`; return what was printed."""
    words = ["fit", str(folder / "table.csv"), "--label", "status", "--out", str(folder / "run")]
    result = CliRunner().invoke(app, [*words, "--device", "cpu", "--set", "passes=1", *options])
    assert result.exit_code == 0
    return result.output


def test_features_behind_closed_gates_are_ranked_by_their_evidence(tmp_path: Path) -> None:
    X, y = _binary_table(p=30)
    table = pd.DataFrame(X, columns=[f"gene{i}" for i in range(30)]).assign(status=y)
    table["gene4"] = y
    table.to_csv(tmp_path / "table.csv", index=False)
    _fit_status(tmp_path)
    for path in (tmp_path / "run" / "ranked_features").glob("*.csv"):
        ranked = pd.read_csv(path)
        assert ranked.feature[0] == "gene4"
        closed = ranked[ranked["mean"] == 0]
        assert closed["rank"].nunique() > 0.7 * len(closed)
        assert (closed.q_value > 0.1).all()
        assert ranked["rank"].is_monotonic_increasing


def test_a_negative_seed_is_one_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["fit", "x.csv", "--label", "y", "--out", "z", "--seed", "-1"])
    assert result.exit_code == 2
    assert "'--seed'" in result.output


def _expression_and_clinical(folder: Path, ids: bool = True) -> tuple[pd.DataFrame, pd.DataFrame]:
    X, y = _binary_table(n=40, p=6)
    names = [f"S{i:02d}" for i in range(40)]
    table = pd.DataFrame(X, columns=[f"gene{i}" for i in range(6)])
    if ids:
        table.insert(0, "sample", names)
    table.to_csv(folder / "expression.csv", index=False)
    clinical = pd.DataFrame({"patient": range(100, 140), "sample": names, "age": 50, "status": y})
    return table, clinical


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_labels_of_another_file_are_matched_by_name(tmp_path: Path, suffix: str) -> None:
    _, clinical = _expression_and_clinical(tmp_path)
    mixed, path = clinical.sample(frac=1, random_state=0), tmp_path / f"clinical{suffix}"
    if suffix == ".parquet":
        mixed.to_parquet(path)
    else:
        mixed.to_csv(path, index=False, sep="," if suffix == ".csv" else "\t")
    tables = read_training(tmp_path / "expression.csv", labels=path, label="status")
    np.testing.assert_array_equal(tables.train.y, clinical.status)


def test_names_that_only_one_file_has_are_listed(tmp_path: Path) -> None:
    _, clinical = _expression_and_clinical(tmp_path)
    clinical.loc[3, "sample"] = "S99"
    clinical.to_csv(tmp_path / "clinical.csv", index=False)
    with pytest.raises(DeepMapperError, match=r"1 only in .*expression.csv: 'S03'; 1 only.*'S99'"):
        read_training(tmp_path / "expression.csv", labels=tmp_path / "clinical.csv", label="status")


def test_labels_by_position_are_pointed_out(tmp_path: Path) -> None:
    _, clinical = _expression_and_clinical(tmp_path, ids=False)
    clinical.to_csv(tmp_path / "clinical.csv", index=False)
    with pytest.warns(UserWarning, match="by position"):
        tables = read_training(
            tmp_path / "expression.csv", labels=tmp_path / "clinical.csv", label="status"
        )
    np.testing.assert_array_equal(tables.train.y, clinical.status)


def test_ids_of_a_label_file_do_not_match_rows_without_names(tmp_path: Path) -> None:
    X, y = _binary_table(n=20, p=4)
    np.save(tmp_path / "X.npy", X)
    pd.DataFrame({"id": range(19, -1, -1), "status": y}).to_csv(tmp_path / "y.csv", index=False)
    with pytest.warns(UserWarning, match="by position"):
        tables = read_training(tmp_path / "X.npy", labels=tmp_path / "y.csv", label="status")
    np.testing.assert_array_equal(tables.train.y, y)


def test_a_folder_that_cannot_be_written_is_refused_before_training(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    _expression_and_clinical(tmp_path)
    words = ["fit", str(tmp_path / "expression.csv"), "--label", "gene0"]
    result = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "file" / "run")])
    assert "cannot write to" in str(result.exception)
    assert "trained" not in result.output


def test_the_terminal_shows_what_was_understood(tmp_path: Path) -> None:
    table, clinical = _expression_and_clinical(tmp_path)
    status = np.where(clinical.status == 1, "tumor", "normal").astype(object)
    status[np.flatnonzero(status == "normal")[:3]] = "Normal"
    status[np.flatnonzero(status == "tumor")[:3]] = "tumor "
    table = table.assign(sex=["f", "m"] * 20, status=status)
    table.to_csv(tmp_path / "table.csv", index=False)
    output = _fit_status(tmp_path, "--set", "max_epochs=1", "--test-fraction=0")
    assert "names of the rows: sample" in output
    assert "tumor (20)" in output
    assert "note: the class 'Normal' differs from another in capitals only" in output
    assert "texts taken as categories (1): sex" in output
    assert "transformation: no logarithms, then standard" in output


def _one_marker() -> tuple[np.ndarray, np.ndarray]:
    """Float64 noise, and a marker of 3 sd in column 7."""
    rng = np.random.default_rng(1)
    y = np.arange(120) % 2
    X = rng.normal(8, 1, (120, 40))
    X[:, 7] += 3 * y
    return X, y


HARD_FOR_FLOAT32 = {
    "times": lambda x: x + 1.7e9,
    "positions": lambda x: (10 * x + 2e9).round(),
    "tiny": lambda x: x * 1e-50,
    "small": lambda x: x * 1e-28,
    "large": lambda x: x * 1e20,
    "huge": lambda x: x * 1e60,
}


@pytest.mark.parametrize("kind", HARD_FOR_FLOAT32)
@pytest.mark.parametrize("as_table", [np.asarray, pd.DataFrame])
def test_a_marker_that_is_hard_for_float32_is_found(kind: str, as_table: Any) -> None:
    X, y = _one_marker()
    X[:, 7] = HARD_FOR_FLOAT32[kind](X[:, 7])
    table = as_table(X)
    before = table.copy()
    model = DeepMapperClassifier(passes=1, device="cpu", random_state=0).fit(table, y)
    best = model.attributions_.iloc[0]
    assert best.feature == "x7"
    assert best.q_value < 1e-6
    assert (model.predict(table) == y).mean() > 0.9
    assert (model.predict(table[:1]) == y[:1]).all()
    np.testing.assert_array_equal(np.asarray(table), np.asarray(before))


def test_rounding_errors_of_a_constant_are_no_feature() -> None:
    X, y = _one_marker()
    X[:, 3] = 0.3 + y * 1e-16
    model = DeepMapperClassifier(passes=1, training={"max_epochs": 1}, device="cpu").fit(X, y)
    assert model.rescaled_ is None
    assert model.converter_.scaler_.factor_[3] == 0


@pytest.mark.parametrize("as_sparse", [False, True])
def test_the_verdict_is_that_of_the_q_values(tmp_path: Path, as_sparse: bool) -> None:
    rng = np.random.default_rng(3)
    X, y = rng.poisson(1.0, (80, 30)).astype(np.float32), np.arange(80) % 2
    for has_signal in (False, True):
        X[:, 4] += 5 * has_signal * y
        frame = pd.DataFrame(X, columns=[f"g{i}" for i in range(30)]).assign(status=y)
        frame.to_csv(tmp_path / "t.csv", index=False)
        tables = read_training(tmp_path / "t.csv", label="status", test_fraction=0.2)
        assert tables.test is not None
        if as_sparse:
            tables = replace(
                tables,
                train=replace(tables.train, X=sparse.csr_matrix(tables.train.X)),
                test=replace(tables.test, X=sparse.csr_matrix(tables.test.X)),
            )
        model = DeepMapperClassifier(passes=1, device="cpu", random_state=0)
        run = fit(model, tables, source="t.csv", label="status")
        page = report(run)
        table = run.estimator.attributions_
        n = table.feature[table.q_value <= 0.1].nunique()
        assert (n > 0) == has_signal
        assert f"eatures with a q-value of at most 0.1: {n} of 30" in page
        assert ("No feature stands out" in page) != has_signal
        assert ("q-value</th>" in page) == has_signal


def test_probabilities_of_unequal_classes_are_explained(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(60, 5)), columns=list("abcde"))
    for n_rare, is_noted in ((30, False), (10, True)):
        frame["status"] = np.where(np.arange(60) < n_rare, "rare", "usual")
        frame.to_csv(tmp_path / "table.csv", index=False)
        for setting, is_balanced in (("balanced", True), ("null", False)):
            output = _fit_status(
                tmp_path, "--set", f"class_weight={setting}", "--set", "max_epochs=1"
            )
            words = ["predict", str(tmp_path / "run"), str(tmp_path / "table.csv")]
            new = CliRunner().invoke(app, words).output
            page = (tmp_path / "run" / "report.html").read_text()
            for text in (output, new, page):
                has_note = "the probabilities are for equally frequent classes" in text
                assert has_note == (is_noted and is_balanced)


def test_columns_that_float32_cannot_resolve_are_named(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(20, 5)), columns=list("abcde"))
    frame["second"] = 1.7e9 + rng.integers(0, 30, 20)
    frame["mass"] = 5000 + 0.001 * rng.normal(size=20)
    frame["count"] = rng.integers(1_000_000, 9_000_000, 20)
    frame["status"] = ["p", "q"] * 10
    frame.to_csv(tmp_path / "table.csv", index=False)
    output = " ".join(_fit_status(tmp_path, "--set", "max_epochs=1").split())
    assert "the differences within the columns 'second', 'mass': subtract a constant" in output


def test_test_rows_that_are_training_rows_are_counted(tmp_path: Path) -> None:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(20, 5)), columns=list("abcde"))
    frame["status"] = ["p", "q"] * 10
    frame.to_csv(tmp_path / "table.csv", index=False)
    assert "values of a training row" not in _fit_status(tmp_path, "--set", "max_epochs=1")
    pd.concat([frame] * 5).to_csv(tmp_path / "table.csv", index=False)
    output = _fit_status(tmp_path, "--set", "max_epochs=1")
    assert "note: 20 of 20 test rows have exactly the values of a training row" in output


@pytest.mark.parametrize("trained_on", ["csv", "sparse"])
def test_new_rows_of_another_format_bring_no_note_of_names(tmp_path: Path, trained_on: str) -> None:
    h5py = pytest.importorskip("h5py", reason="optional: pip install h5py")
    X, y = _counts(n=60, p=20)
    names = [f"gene{i}" for i in range(20)]
    pd.DataFrame(X, columns=names).assign(status=y).to_csv(tmp_path / "t.csv", index=False)
    matrix = sparse.csr_matrix(X)
    with h5py.File(tmp_path / "t.h5ad", "w") as file:
        for name in ("data", "indices", "indptr"):
            file[f"X/{name}"] = getattr(matrix, name)
        file["X"].attrs.update({"encoding-type": "csr_matrix", "shape": X.shape})
        for part, index in (("obs", [f"cell{i}" for i in range(60)]), ("var", names)):
            file[f"{part}/_index"] = index
            file[part].attrs["_index"] = "_index"
            file[part].attrs["column-order"] = ["status"] if part == "obs" else np.empty(0, "S1")
        file["obs/status"] = [str(label) for label in y]
    paths = [tmp_path / "t.csv", tmp_path / "t.h5ad"]
    first = paths[trained_on == "sparse"]
    words = ["fit", str(first), "--label", "status", "--out", str(tmp_path / "run")]
    runner = CliRunner()
    assert runner.invoke(app, [*words, "--device", "cpu", "--set", "max_epochs=1"]).exit_code == 0
    frames = []
    for path in paths:
        out = tmp_path / "out.csv"
        result = runner.invoke(
            app, ["predict", str(tmp_path / "run"), str(path), "--out", str(out)]
        )
        assert result.exit_code == 0
        assert "feature names" not in result.output
        frames.append(pd.read_csv(out).drop(columns="row"))
    np.testing.assert_allclose(frames[0], frames[1], atol=1e-6)
