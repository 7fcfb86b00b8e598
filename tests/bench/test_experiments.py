"""Experiments: named cases, complete records, and reports of them."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.errors import BenchError
from bench.experiments.__main__ import EXPERIMENTS, experiment, report, run
from bench.experiments.gpu import gpu
from bench.experiments.growth import scaling, slope, train_from_file, write_table
from bench.experiments.needles import measure_needles
from bench.experiments.runner import Case, format_mean, read_records, summarise, write_record
from deepmapper import DeepMapperError


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_names_its_target_and_its_cases(name: str) -> None:
    study = experiment(name)
    assert study.target
    assert len({case.name for case in study.cases}) == len(study.cases) > 0
    assert all(json.loads(json.dumps(c.parameters)) == c.parameters for c in study.cases)


def test_an_unknown_experiment_lists_the_known() -> None:
    with pytest.raises(BenchError, match="nihs"):
        experiment("nihss")


def test_a_case_with_a_record_is_not_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = []

    def pretend(name: str, case: Case, out: Path) -> None:
        names.append(case.name)
        write_record(out, name, case, {"accuracy": 1.0})

    monkeypatch.setattr("bench.experiments.__main__.run_in_process", pretend)
    for fresh in (False, False, True):
        run(["nihs"], out=tmp_path, only="seed_3", fresh=fresh)
    assert names == ["seed_3", "seed_3"]


def test_needles_are_measured_recorded_and_summarised(tmp_path: Path) -> None:
    sizes = {"n_samples": 400, "n_features": 100, "needles": "random"}
    measured = measure_needles("nihs", sizes, seed=100)
    assert measured["needle_ranks"] == [1, 2]
    assert measured["needles_are_the_top"]
    assert measured["accuracy"] > 0.95
    write_record(tmp_path, "nihs", Case("seed_0", {"seed": 0}), measured)
    (record,) = read_records(tmp_path, "nihs")
    assert record["measured"] == measured
    assert record["environment"]["commit"]
    report(out=tmp_path)
    assert "| accuracy | needle_ranks |" in (tmp_path / "summary.md").read_text()


def test_a_summary_has_a_row_for_each_point_and_averages_over_seeds() -> None:
    records = [
        {"parameters": {"way": way, "seed": seed}, "measured": {"loss": loss, "looks": [{}]}}
        for way, seed, loss in (("a", 0, 1.0), ("b", 0, 5.0), ("a", 1, [2.0, 3.0, 9.0]))
    ]
    assert summarise(records).splitlines() == [
        "| way | loss |",
        "| --- | --- |",
        "| a | 2 ± 13 (1..3, n = 2) |",
        "| b | 5 (n = 1) |",
    ]


def test_a_table_in_a_file_is_trained_from_the_file(tmp_path: Path) -> None:
    y, needles = write_table(tmp_path / "table.npy", 300, 400, seed=0)
    X = np.load(tmp_path / "table.npy", mmap_mode="r")
    difference = X[y == 1][:, needles].mean() - X[y == 0][:, needles].mean()
    assert difference == pytest.approx(0.5, abs=0.1)
    measured = train_from_file(X, y, needles, seed=0)
    assert measured["needle_recall"] > 0.5


def test_the_slope_of_a_line_is_one() -> None:
    assert slope([10, 100, 1000], [0.2, 2.0, 20.0]) == pytest.approx(1.0)
    measured = {"conversion_seconds": 1.0, "epoch_seconds": 1.0}
    records = [{"parameters": case.parameters, "measured": measured} for case in scaling.cases]
    assert "over n: conversion 0.00, epoch 0.00" in scaling.summary(records)


def test_repeated_measurements_have_the_interval_of_student() -> None:
    assert format_mean([1.0, 2.0, 3.0]) == "2 ± 2.5 (1..3, n = 3)"
    assert format_mean([1.0]) == "1 (n = 1)"


SMALL = {
    "same_as_cpu": {"n_samples": 300, "n_features": 60},
    "nihs": {"n_samples": 300, "n_features": 60},
    "expression": {"n_samples": 200, "n_features": 100, "n_classes": 3},
}


@pytest.mark.slow
def test_the_gpu_experiment_runs_on_any_device() -> None:
    records = [
        {"parameters": {"what": name}, "measured": gpu.measure(name, 100, "cpu", **sizes)}
        for name, sizes in SMALL.items()
    ]
    assert records[0]["measured"]["largest_difference_of_probabilities"] == 0  # type: ignore[index]
    text = gpu.summary(records)
    assert "conversion_ms_from_host" in text


@pytest.mark.skipif(torch.cuda.is_available(), reason="tests the error on a machine without a GPU")
def test_without_a_gpu_the_gpu_experiment_says_so() -> None:
    with pytest.raises(DeepMapperError, match="'cuda' is missing on this machine"):
        gpu.measure("nihs", 0)
