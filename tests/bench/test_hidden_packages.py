"""If an optional package is hidden, only methods that need it are `unavailable`."""

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from bench.catalog import entries
from bench.store.store import Store

from .conftest import run_python

METHODS = entries("methods")
PACKAGES = sorted({package for method in METHODS.values() for package in method.requires})

# A module that is None in sys.modules cannot be imported, as if it were not installed.
HIDE = "import sys; sys.modules |= dict.fromkeys({packages!r})\n"
# Each package gets a fork of the process, so that the common modules load once.
LOAD_ALL = """
import json, os, sys
import deepmapper.estimators._classifier
from bench.catalog import entries


def load_all():
    reasons = {}
    for name, entry in entries("methods").items():
        reasons[name] = entry.unavailable
        if entry.unavailable is None:
            module = entry.load()
            module.build(module.Params(), device="cpu", seed=0)
    return reasons


for package in PACKAGES:
    if os.fork() == 0:
        sys.modules[package] = None
        print(json.dumps({package: load_all()}), flush=True)
        os._exit(0)
    os.wait()
"""
RUN = "import sys; from bench.cli import main; sys.argv = ['bench', *sys.argv[1:]]; main()"
SPEC = """
name = "hidden"
seeds = [0]
datasets = ["digits"]
methods = [{methods}]
[limits]
cpu_seconds = 60
memory_mib = 2000
"""


def python(packages: Iterable[str], code: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run code with packages hidden."""
    return run_python("-c", HIDE.format(packages=list(packages)) + code, *words)


@pytest.fixture(scope="module")
def without() -> dict[str, dict[str, str | None]]:
    """Hidden package -> method -> why it is unavailable, or None."""
    completed = python([], f"PACKAGES = {PACKAGES!r}\n{LOAD_ALL}")
    assert completed.stdout.count("\n") == len(PACKAGES), completed.stderr
    return {k: v for line in completed.stdout.splitlines() for k, v in json.loads(line).items()}


def test_only_methods_that_require_a_package_need_it(
    without: dict[str, dict[str, str | None]],
) -> None:
    assert {"lightgbm", "pyDeepInsight", "TINTOlib", "umap", "lassonet"} <= set(without)
    for package, reasons in without.items():
        for name, reason in reasons.items():
            need = METHODS[name].requires.get(package)
            if need is None:
                assert METHODS[name].unavailable == reason, (package, name)
            else:
                assert reason is not None
                assert package in reason
                assert f'"{need}"' in reason.split("pip install")[1]


@pytest.mark.slow
def test_cells_are_unavailable_with_the_install_line(tmp_path: Path) -> None:
    needing = {name: method.requires for name, method in METHODS.items() if method.requires}
    spec = tmp_path / "hidden.toml"
    spec.write_text(SPEC.format(methods=", ".join(f'"{name}"' for name in ["majority", *needing])))
    completed = python(
        PACKAGES, RUN, "run", str(spec), "--no-report", "--out", str(tmp_path / "out")
    )
    assert completed.returncode == 0, completed.stderr
    records = {record["method"]["name"]: record for record in Store(tmp_path / "out").records()}
    assert records.pop("majority")["status"] == "ok"
    assert sorted(records) == sorted(needing)
    for name, record in records.items():
        assert record["status"] == "unavailable"
        for install in needing[name].values():
            assert f'"{install}"' in record["reason"].split("pip install")[1]
