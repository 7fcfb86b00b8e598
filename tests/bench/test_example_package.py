"""A method in a package of its own: installed, listed, benchmarked, put to the contract."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.store.store import Store

ROOT = Path(__file__).resolve().parents[2]
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
    for name in ("pyproject.toml", "nearest_mean.py"):  # pip writes beside what it builds
        (source / name).write_bytes((EXAMPLE / name).read_bytes())
    target = tmp_path_factory.mktemp("site")
    words = ["install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--target"]
    subprocess.run(
        [sys.executable, "-m", "pip", *words, str(target), str(source)],
        check=True,
        capture_output=True,
    )
    return {**os.environ, "PYTHONPATH": str(target), "DEEPMAPPER_OFFLINE": "1"}


def run(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_it_is_listed_and_benchmarked(installed: dict[str, str], tmp_path: Path) -> None:
    assert "nearest_mean" in run(installed, "bench", "list", "methods").stdout
    spec = tmp_path / "outside.toml"
    spec.write_text(SPEC)
    done = run(installed, "bench", "run", str(spec), "--no-report", "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    (record,) = Store(tmp_path / "out").records()
    assert record["status"] == "ok", record["reason"]
    assert record["method"]["name"] == "nearest_mean"


@pytest.mark.slow
def test_the_contract_suite_runs_on_it(installed: dict[str, str]) -> None:
    contract = ("pytest", "--deepmapper-contract")
    done = run(installed, *contract, "nearest_mean", "-p", "no:xdist")
    assert done.returncode == 0, done.stdout
    done = run(installed, *contract, "no_such_package")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "found none" in done.stdout + done.stderr
