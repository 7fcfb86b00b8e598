"""A method in a separate package is listed, benchmarked and tested."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.store.store import Store

from .conftest import ROOT, run_python

EXAMPLE = ROOT / "tests" / "example_package"
SPEC = """
name = "outside"
seeds = [0]
[limits]
cpu_seconds = 60
memory_mib = 2000
[[datasets]]
name = "nihs"
params = { n_samples = 200, n_features = 100, needles = "random" }
[[methods]]
name = "nearest_mean"
params = { shrink = 0.2 }
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which the example package is installed."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "nearest_mean.py"):  # pip writes into the source folder
        (source / name).write_bytes((EXAMPLE / name).read_bytes())
    target = tmp_path_factory.mktemp("site")
    words = ["install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--target"]
    subprocess.run(
        [sys.executable, "-m", "pip", *words, str(target), str(source)],
        check=True,
        capture_output=True,
    )
    return {**os.environ, "PYTHONPATH": str(target), "DEEPMAPPER_OFFLINE": "1"}


def test_it_is_listed_and_benchmarked(installed: dict[str, str], tmp_path: Path) -> None:
    listed = run_python("-m", "bench", "list", "methods", environment=installed)
    assert "nearest_mean" in listed.stdout
    spec = tmp_path / "outside.toml"
    spec.write_text(SPEC)
    words = ("-m", "bench", "run", spec, "--no-report", "--out", tmp_path / "out")
    completed = run_python(*words, environment=installed)
    assert completed.returncode == 0, completed.stderr
    (record,) = Store(tmp_path / "out").records()
    assert record["status"] == "ok", record["reason"]
    assert record["method"]["name"] == "nearest_mean"


@pytest.mark.slow
def test_the_contract_suite_runs_on_it(installed: dict[str, str]) -> None:
    contract = ("-m", "pytest", "--deepmapper-contract")
    completed = run_python(*contract, "nearest_mean", "-p", "no:xdist", environment=installed)
    assert completed.returncode == 0, completed.stdout
    completed = run_python(*contract, "no_such_package", environment=installed)
    assert completed.returncode == pytest.ExitCode.USAGE_ERROR
    assert "found none" in completed.stdout + completed.stderr
