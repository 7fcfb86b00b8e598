"""Experiments: cases have names and parameters, a record is whole, reports read it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.errors import BenchError
from bench.experiments import gpu, large_report, merging
from bench.experiments.__main__ import EXPERIMENTS, experiment, report, run
from bench.experiments.million import train_from_file, write_table
from bench.experiments.needles import measure_needles, summary_of_needles
from bench.experiments.runner import Case, Records, of_seeds
from bench.experiments.scaling import slope
from deepmapper import DeepMapperError


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_names_its_target_and_its_cases(name: str) -> None:
    module = experiment(name)
    cases = module.cases()
    assert module.TARGET
    assert len({case.name for case in cases}) == len(cases) > 0
    assert all(json.loads(json.dumps(case.parameters)) == case.parameters for case in cases)


def test_an_unknown_experiment_lists_the_known() -> None:
    with pytest.raises(BenchError, match="nihs"):
        experiment("nihss")


def test_a_record_holds_what_was_measured_and_where(tmp_path: Path) -> None:
    records = Records(tmp_path)
    records.write("nihs", Case("seed_0", {"seed": 0}), {"accuracy": 1.0})
    (record,) = records.read("nihs")
    assert record["measured"] == {"accuracy": 1.0}
    assert record["environment"]["commit"]


def test_what_has_a_record_is_not_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = []

    def pretend(name: str, case: Case, out: Path) -> None:
        ran.append(case.name)
        Records(out).write(name, case, {"accuracy": 1.0})

    monkeypatch.setattr("bench.experiments.__main__.run_apart", pretend)
    for fresh in (False, False, True):
        run(["nihs"], out=tmp_path, only="seed_3", fresh=fresh)
    assert ran == ["seed_3", "seed_3"]


def test_needles_are_measured_and_summarised(tmp_path: Path) -> None:
    sizes = {"n_samples": 400, "n_features": 100, "needles": "random"}
    measured = measure_needles("nihs", sizes, seed=100)
    assert measured["needle_ranks"] == [1, 2]
    assert measured["accuracy"] > 0.95
    text = summary_of_needles([{"measured": measured}, {"measured": measured}])
    assert "in 2 of 2" in text
    Records(tmp_path).write("nihs", Case("seed_0", {"seed": 0}), measured)
    report(out=tmp_path)
    assert "in 1 of 1" in (tmp_path / "summary.md").read_text()


def test_a_table_in_a_file_is_trained_from_the_file(tmp_path: Path) -> None:
    y, needles = write_table(tmp_path / "table.npy", 300, 400, seed=0)
    X = np.load(tmp_path / "table.npy", mmap_mode="r")
    assert X[y == 1][:, needles].mean() - X[y == 0][:, needles].mean() == pytest.approx(
        0.5, abs=0.1
    )
    measured = train_from_file(X, y, needles, seed=0)
    assert measured["needle_recall"] > 0.5


def test_the_slope_of_a_line_is_one() -> None:
    assert slope([10, 100, 1000], [0.2, 2.0, 20.0]) == pytest.approx(1.0)


def test_repeated_measurements_have_the_interval_of_student() -> None:
    assert of_seeds([1.0, 2.0, 3.0], 2) == "2.00 ± 2.48 (1.00..3.00, n = 3)"
    assert of_seeds([1.0], 2) == "1.00 (n = 1)"


def test_the_harness_is_measured_on_made_up_cells() -> None:
    merged = merging.measure(cells=20, shared=4)
    assert merged["cells"] == 36
    assert "36 cells" in merging.summary([{"measured": merged}])
    built = large_report.measure(run=0, cells=20)
    assert built["peak_mib"] > 50
    assert "peak memory" in large_report.summary([{"parameters": {}, "measured": built}])


SMALL = {
    "same_as_cpu": {"n_samples": 300, "n_features": 60},
    "nihs": {"n_samples": 300, "n_features": 60},
    "expression": {"n_samples": 200, "n_features": 100, "n_classes": 3},
}


def test_the_gpu_experiment_runs_on_any_device() -> None:
    records = [
        {"parameters": {"what": what}, "measured": gpu.measure(what, 100, "cpu", **sizes)}
        for what, sizes in SMALL.items()
    ]
    assert records[0]["measured"]["largest_difference_of_probabilities"] == 0  # type: ignore[index]
    text = gpu.summary(records)
    assert "differ by 0.0e+00" in text
    assert "ms from the host" in text


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is there")
def test_without_a_gpu_the_gpu_experiment_says_so() -> None:
    with pytest.raises(DeepMapperError, match="'cuda' is not there on this machine"):
        gpu.measure("nihs", 0)
