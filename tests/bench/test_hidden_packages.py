"""Each optional package hidden in turn: who needs it is `unavailable`, the others never miss it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.catalog import entries
from bench.store import Store

from .conftest import ROOT

METHODS = entries("methods")
PACKAGES = sorted({package for method in METHODS.values() for package in method.requires})

# A name that is None among the modules cannot be found or imported, as if it were not installed.
HIDE = "import sys; sys.modules[{package!r}] = None\n"
LOAD_ALL = """
import json
from bench.catalog import entries

found = {}
for name, entry in entries("methods").items():
    found[name] = entry.unavailable
    if entry.unavailable is None:
        module = entry.load()
        module.build(module.Params(), device="cpu", seed=0)
print(json.dumps(found))
"""
RUN = "import sys; from bench.cli import main; sys.argv = ['bench', *sys.argv[1:]]; main()"
SPEC = """
name = "hidden"
seeds = [0]
datasets = ["digits"]
methods = [{methods}]
[limits]
timeout_seconds = 60
memory_mib = 2000
"""


def python(package: str, code: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", HIDE.format(package=package) + code, *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_there_are_packages_to_hide() -> None:
    assert {"lightgbm", "pyDeepInsight", "TINTOlib", "umap", "lassonet"} <= set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_only_who_says_so_needs_it(package: str) -> None:
    done = python(package, LOAD_ALL)
    assert done.returncode == 0, done.stderr
    for name, reason in json.loads(done.stdout.splitlines()[-1]).items():
        need = METHODS[name].requires.get(package)
        if need is None:
            assert METHODS[name].unavailable == reason, name
        else:
            assert reason is not None
            assert package in reason
            assert f'"{need}"' in reason.split("pip install")[1]


@pytest.mark.parametrize("package", PACKAGES)
def test_its_cells_are_unavailable_with_the_install_line(package: str, tmp_path: Path) -> None:
    names = [name for name, method in METHODS.items() if package in method.requires]
    spec = tmp_path / "hidden.toml"
    spec.write_text(SPEC.format(methods=", ".join(f'"{name}"' for name in ["majority", *names])))
    done = python(package, RUN, "run", str(spec), "--no-report", "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    records = {record["method"]["name"]: record for record in Store(tmp_path / "out").records()}
    assert records.pop("majority")["status"] == "ok"
    assert sorted(records) == sorted(names)
    for name, record in records.items():
        assert record["status"] == "unavailable"
        assert f'"{METHODS[name].requires[package]}"' in record["reason"].split("pip install")[1]
