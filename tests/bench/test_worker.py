"""The steps of a cell around its method: torch, threads, and the progress file."""

import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from bench.catalog import entries, module_entry
from bench.cell import Cell, TableRequest
from bench.run import worker
from bench.run.outputs import attribute
from bench.run.phases import Phases, ProgressFile, read_progress
from bench.run.tasks import Task
from bench.run.worker import Run, _attempt, _restore_threads, run_cell
from bench.store.store import Record, Store
from bench.store.tables import describe_failure, write_table
from datasets.table import Source, Table

from .conftest import ROOT


def run() -> Run:
    table = TableRequest("digits", "digits", {}, "")
    cell = Cell(table, "majority", "majority", {}, "", 0, 0.25, "cpu")
    facts = describe_failure(table, "unavailable", "not needed")
    return Run(cell, Task("k", cell, facts).record(), Phases("cpu"), 0.0)


@dataclass(frozen=True)
class Params:
    """No parameters."""


def run_method(
    folder: Path, monkeypatch: pytest.MonkeyPatch, model: Any, missing: int = 0, **hooks: Any
) -> Record:
    """Run a cell of a model on a table of 40 rows in this process, and read its record.

    `missing` is the number of missing values of the first feature.
    """
    store, running = Store(folder), run()
    store.create()
    y = np.arange(40) % 2
    X = np.tile(y[:, None], (1, 5)).astype(np.float32)
    X[:missing, 0] = np.nan
    table = Table("t", X, y, "ab", [f"f{i}" for i in range(5)], Source("none", "generated", "none"))
    write_table(folder / "tables" / running.cell.table.id, table)
    running.cell = replace(running.cell, may_use_torch=False)
    running.record = replace(running.record, threads=torch.get_num_threads())
    pipeline = Pipeline([("convert", FunctionTransformer()), ("model", model)])
    module = SimpleNamespace(Params=Params, build=lambda *_, **__: pipeline, **hooks)
    method = SimpleNamespace(load=lambda: module)
    monkeypatch.setattr(worker, "entry", lambda kind, name: method)
    run_cell(store, running)
    return store.record("k")


def test_an_error_in_the_size_of_a_model_keeps_its_predictions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class NoNumber(DummyClassifier):
        n_parameters_ = "many"

    record = run_method(tmp_path, monkeypatch, NoNumber())
    assert (record["status"], record["attribution_status"]) == ("ok", "failed")
    assert "'many'" in record["attribution_reason"]
    assert record["metrics"]["accuracy"] == 0.5
    assert Store(tmp_path).artifact("k")["probabilities"].shape == (10, 2)


def test_coefficients_without_an_intercept_are_attributions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class NoIntercept(DummyClassifier):
        coef_ = np.ones((1, 5))

    record = run_method(tmp_path, monkeypatch, NoIntercept())
    assert record["attribution_status"] == "ok"
    assert record["n_parameters"] == 5


def test_a_method_warms_up_before_the_phases_that_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables: list[Table] = []

    class Compiled(DummyClassifier):
        def fit(self, X: np.ndarray, y: np.ndarray) -> "Compiled":
            assert tables, "not warmed up"
            return super().fit(X, y)

    record = run_method(tmp_path, monkeypatch, Compiled(), warm_up=tables.append)
    assert record["status"] == "ok", record["reason"]
    assert [table.n_features for table in tables] == [5]
    assert tables[0].y.tolist() != (np.arange(40) % 2).tolist()  # it does not see the answers
    assert list(record["phases"])[:3] == ["load", "warm_up", "convert_fit"]


def test_a_class_without_a_training_row_has_no_attribution() -> None:
    model = SimpleNamespace(coef_=np.ones((3, 5)), classes_=np.array([0, 2, 3]))
    values = attribute(None, model, None, np.array([0]), n_classes=4)
    assert values is not None
    np.testing.assert_array_equal(values, np.repeat([[1], [0], [1], [1]], 5, axis=1))


def test_missing_values_are_imputed_from_training_rows() -> None:
    X_train = np.array([[1, np.nan], [3, 5], [np.nan, 7], [2, 9]], dtype=np.float32)
    X_test = np.array([[np.nan, 100], [50, np.nan]], dtype=np.float32)
    train, test = worker.impute(X_train, X_test)
    np.testing.assert_array_equal(train, [[1, 7], [3, 5], [2, 7], [2, 9]])
    np.testing.assert_array_equal(test, [[2, 100], [50, 7]])
    assert train.dtype == test.dtype == np.float32


def test_a_table_with_missing_values_is_learned_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[np.ndarray] = []

    class Keeps(DummyClassifier):
        def fit(self, X: np.ndarray, y: np.ndarray) -> "Keeps":
            seen.append(X)
            return super().fit(X, y)

    record = run_method(tmp_path, monkeypatch, Keeps(), missing=7)
    assert record["status"] == "ok", record["reason"]
    assert np.isfinite(seen[0]).all()


def test_threads_that_a_method_takes_are_given_back_with_a_warning() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    with pytest.warns(RuntimeWarning, match=f"set torch to {before + 1} threads, the cell has"):
        _restore_threads(before)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (MemoryError(), "out_of_memory"),
        (torch.OutOfMemoryError("CUDA out of memory"), "out_of_memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "out_of_memory"),
        (RuntimeError("no good"), "failed"),
    ],
)
def test_an_error_has_its_status(error: Exception, status: str) -> None:
    def action() -> None:
        raise error

    assert _attempt(run(), action).status == status


def test_a_cell_without_torch_never_loads_it_and_before_forks_starts_no_thread() -> None:
    code = """
import os, sys
import bench.machine.node, bench.store.tables, bench.run.worker
from bench.catalog import entries
before = len(os.listdir("/proc/self/task"))
bench.run.worker.before_forks()
assert len(os.listdir("/proc/self/task")) == before
entries("methods")["stump"].load()
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_a_progress_file_is_whole_at_every_moment_and_gone_in_the_end(tmp_path: Path) -> None:
    progress_file, phases = ProgressFile(tmp_path, "key"), Phases("cpu")
    phases.on_change = lambda: progress_file.write(phases)
    for name in ("a_phase_with_a_long_name", "short"):
        with phases(name):
            assert read_progress(tmp_path, "key")["current"] == name
        content = read_progress(tmp_path, "key")
        assert content["current"] is None
        assert content["phases"] == phases.records
    phases.records.clear()
    progress_file.write(phases)  # shorter than before
    assert read_progress(tmp_path, "key") == {"current": None, "phases": {}}
    progress_file.remove()
    assert read_progress(tmp_path, "key") == {}
    assert not list((tmp_path / "running").iterdir())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "import os\nfrom sklearn.svm import SVC\nfrom deepmapper.errors import DivergedError\n",
            False,
        ),
        ("from deepmapper.images.scaling import FeatureScaler\n", True),
        ("def build():\n    import torch\n", True),
        ("import some_package\n", True),
        ("from . import sibling\n", True),
        ("from .sibling import build\n", True),
    ],
)
def test_a_method_from_elsewhere_may_use_torch_unless_it_cannot(
    tmp_path: Path, text: str, expected: bool
) -> None:
    path = tmp_path / "elsewhere.py"
    path.write_text(text)
    assert module_entry("elsewhere", path).may_use_torch is expected


def test_our_methods_say_whether_they_use_torch() -> None:
    names = {name for name, method in entries("methods").items() if not method.may_use_torch}
    assert {"majority", "stump", "random_forest"} <= names
    assert not names & {"deepmapper", "mlp", "logistic"}
