"""The table of what pytest-benchmark measured."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.errors import BenchError
from reports.benchmarks import table

ROOT = Path(__file__).resolve().parents[2]


def test_rates_are_those_of_the_median(tmp_path: Path) -> None:
    copying = {"copy_bytes_per_second": 8e9}
    fold = {
        "name": "test_fold",
        "stats": {"median": 0.01, "iqr": 0.001, "rounds": 20},
        "extra_info": copying | {"n_bytes": 20_000_000, "n_flops": 50_000_000},
    }
    without_table = {
        "name": "test_store",
        "stats": {"median": 0.5, "iqr": 0.1, "rounds": 5},
        "extra_info": copying | {"n_bytes": 0, "n_flops": 0},
    }
    path = tmp_path / "last.json"
    path.write_text(json.dumps({"benchmarks": [fold, without_table]}))
    # 20 MB in 10 ms: 2 GB/s; copying reads 4 of its 8 GB/s; 50 MFLOP in 10 ms: 5 GFLOP/s
    assert "| fold | 10 | 1 | 20 | 2.00 | 0.50 | 5.0 |" in table(path)
    assert "| store | 500 | 1e+02 | 5 |  |  |  |" in table(path)


@pytest.mark.parametrize("content", ["", "{}", "[1]"])
def test_another_file_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(content)
    with pytest.raises(BenchError, match="not a file of `pytest --benchmark-json`"):
        table(path)


@pytest.mark.slow
def test_a_micro_benchmark_measures_and_the_ordinary_suite_has_none(tmp_path: Path) -> None:
    path = tmp_path / "last.json"
    words = [sys.executable, "-m", "pytest", "-q", "tests/benchmarks/bench_conversion.py"]
    chosen = ["-k", "test_fold and natural-400", f"--benchmark-json={path}"]
    # pytest-benchmark measures nothing where it finds itself in a worker of pytest-xdist.
    alone = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    subprocess.run([*words, *chosen], cwd=ROOT, env=alone, check=True, capture_output=True)
    assert "| fold[natural-400-10000] |" in table(path)
    ordinary = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--collect-only", "tests/benchmarks"],
        cwd=ROOT,
        check=False,
        capture_output=True,
    )
    assert ordinary.returncode == pytest.ExitCode.NO_TESTS_COLLECTED
