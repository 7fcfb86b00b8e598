"""The command line, from a CSV file to the folder of a run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from deepmapper._app import cli
from deepmapper._app.runs import file_names
from deepmapper.errors import DeepMapperError

RUNNER = CliRunner()
ROOT = Path(cli.__file__).parents[1]


def _frame(n: int = 120) -> pd.DataFrame:
    X = np.random.default_rng(0).normal(size=(n, 6)).astype("float32")
    frame = pd.DataFrame(X, columns=[f"gene{i}" for i in range(6)])
    frame["zero"] = 0
    frame.insert(0, "patient", [f"P{i}" for i in range(n)])
    frame["status"] = np.where(frame["gene4"] > 0, "ill", "well/ok")
    return frame


def _run(*arguments: object) -> str:
    result = RUNNER.invoke(cli.app, [str(argument) for argument in arguments])
    if result.exception is not None:
        raise result.exception
    return " ".join(result.output.split())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    _frame().to_csv(folder / "table.csv", index=False)
    out = _run(
        *("fit", folder / "table.csv", "--label", "status", "--out", folder / "run"),
        *("--passes", "2", "--epochs", "3", "--device", "cpu"),
        *("--set", "min_accuracy=0.0"),
    )
    assert "120 rows and 7 columns of features read, 6 features in use" in out
    assert "left out: columns all zero (1)" in out
    assert "on 24 test rows: accuracy" in out
    assert "trained on 96 rows" in out
    return folder


def test_fit_writes_the_whole_folder(folder: Path) -> None:
    names = {str(p.relative_to(folder / "run")) for p in (folder / "run").rglob("*")}
    assert names >= {
        "model.json",
        "model.safetensors",
        "attributions.csv",
        "history.jsonl",
        "report.html",
        "ranked_features/ill.csv",
        "ranked_features/well_ok.csv",
    }
    ranked = pd.read_csv(folder / "run" / "ranked_features" / "ill.csv")
    assert ranked["rank"].tolist() == [1, 2, 3, 4, 5, 6]
    assert set(ranked["feature"]) == {f"gene{i}" for i in range(6)}
    lines = (folder / "run" / "history.jsonl").read_text().splitlines()
    history = pd.DataFrame([json.loads(line) for line in lines])
    assert set(history["pass"]) == {0, 1}  # --passes 2
    assert history["epoch"].max() == 3  # --epochs 3


def test_predict_finds_columns_by_name(folder: Path) -> None:
    out = folder / "out.csv"
    _run("predict", folder / "run", folder / "table.csv", "--out", out)
    whole = pd.read_csv(out)
    assert list(whole.columns) == ["row", "predicted", "probability_ill", "probability_well/ok"]
    assert whole["row"].tolist()[:2] == ["P0", "P1"]
    np.testing.assert_allclose(whole.filter(like="probability").sum(axis=1), 1, atol=1e-6)
    shuffled = _frame()[["gene5", "gene1", "gene0", "patient", "gene2", "gene4", "gene3"]]
    shuffled.to_csv(folder / "shuffled.tsv", index=False, sep="\t")
    _run("predict", folder / "run", folder / "shuffled.tsv", "--out", out)
    pd.testing.assert_frame_equal(pd.read_csv(out), whole)
    _run("predict", folder / "run", folder / "table.csv")
    assert (folder / "run" / "predictions.csv").is_file()


def test_predict_repeats_the_embedding(folder: Path) -> None:
    table = folder / "table.csv"
    _run(
        *("embed", table, "--out", folder / "latent", "--drop", "status", "--device", "cpu"),
        *("--set", "n_components=2", "--epochs", "2"),
    )
    first = pd.read_csv(folder / "latent" / "embedding.csv")
    assert first.shape == (120, 3)
    assert (folder / "latent" / "ranked_features.csv").is_file()
    assert (folder / "latent" / "report.html").is_file()
    _run("predict", folder / "latent", table, "--out", folder / "again.csv")
    pd.testing.assert_frame_equal(pd.read_csv(folder / "again.csv"), first)


def test_a_matrix_on_disk_is_fitted_with_labels_of_another_file(tmp_path: Path) -> None:
    frame = _frame()
    np.save(tmp_path / "X.npy", frame.filter(like="gene").to_numpy())
    np.save(tmp_path / "y.npy", frame["status"].to_numpy(dtype=str))
    _run(
        *("fit", tmp_path / "X.npy", "--labels", tmp_path / "y.npy", "--out", tmp_path / "run"),
        *("--set", "passes=1", "--set", "max_epochs=1", "--set", "min_accuracy=0.0"),
        *("--device", "cpu", "--test-fraction", 0),
    )
    _run("predict", tmp_path / "run", tmp_path / "X.npy", "--out", tmp_path / "out.csv")
    assert len(pd.read_csv(tmp_path / "out.csv")) == 120


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--label", "statsu"], "nearest: 'status'"),
        ([], "--label COLUMN"),
        (["--label", "status", "--set", "epoch=3"], "no parameter 'epoch'; nearest: max_epochs"),
        (["--label", "status", "--set", "epochs"], "takes NAME=VALUE"),
        (["--label", "status", "--test-fraction", "1"], "test_fraction"),
        (["--label", "status", "--set", "backbone=resnet19"], "unknown backbone 'resnet19'"),
    ],
)
def test_bad_arguments_are_refused(
    folder: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    with pytest.raises(DeepMapperError, match=message):
        _run("fit", folder / "table.csv", "--out", tmp_path / "run", *arguments)
    assert not (tmp_path / "run").exists()


def test_an_error_is_one_line_and_exit_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["deepmapper", "predict", str(tmp_path), "none.csv"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    message = f"error: {tmp_path} is not a saved model: it has no model.json"
    assert capsys.readouterr().err.splitlines()[-1] == message


def test_help_loads_no_heavy_library() -> None:
    code = (
        "import sys; from deepmapper._app import cli\n"
        "try: cli.app(['fit', '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'pandas', 'sklearn'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, env=environment)


def test_file_names_are_safe_and_all_different() -> None:
    names = file_names(["../../etc", "a b", "a/b", "A_b", "", "é" * 300, "x" * 300])
    assert len({name.lower() for name in names}) == 7
    assert all(len(name) < 90 and "/" not in name and not name.startswith(".") for name in names)
