"""A Python environment of a method: its making, calls, errors, and the end of its process."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import psutil
import pytest

from baselines import tabmap
from baselines._environment import call
from bench.catalog import ROOT, entry, module_entry
from bench.commands.environment import make_environment
from bench.errors import BenchError
from datasets._folder import environment_python

from . import environment_script as script

REQUIREMENTS = ("made_for_a_test==1.0", "numpy==2.0")
PARENT = """
import sys
from tests.baselines import environment_script as script
from baselines._environment import call

call({requirements}, script.sleep, {{}}, pid_file=sys.argv[1])
"""
METHOD = '''
"""A method in an environment."""

ENVIRONMENT = ("made_for_a_test==1.0", "numpy==2.0")
'''


def fake_environment(requirements: Sequence[str]) -> Path:
    """Make an environment whose Python is the one that runs the tests."""
    python = environment_python(requirements)
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    return python


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def environment(cache: Path) -> Path:
    return fake_environment(REQUIREMENTS)


@pytest.mark.usefixtures("environment")
def test_a_call_returns_the_arrays_of_the_function() -> None:
    X = np.arange(6, dtype=np.float32).reshape(2, 3)
    results = call(REQUIREMENTS, script.scale, {"X": X}, factor=2.5)
    np.testing.assert_array_equal(results["scaled"], 2.5 * X)
    assert results["scaled"].dtype == np.float32
    assert results["shape"].tolist() == [2, 3]


@pytest.mark.usefixtures("environment")
def test_a_call_has_the_threads_of_the_cell_and_not_this_project(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    results = call(REQUIREMENTS, script.describe_process, {})
    assert results["threads"] == "3"
    assert not results["imports_this_project"]
    assert results["group"] == os.getpgrp()


@pytest.mark.usefixtures("environment")
def test_an_error_shows_its_traceback() -> None:
    with pytest.raises(RuntimeError) as caught:
        call(REQUIREMENTS, script.divide, {"by": np.array(0)})
    first, *rest = str(caught.value).split("\n")
    assert "environment_script.divide failed with exit code 1: ZeroDivisionError" in first
    assert "Traceback" in rest[0]
    assert any("in divide" in line for line in rest)


@pytest.mark.usefixtures("environment")
def test_a_warning_is_passed_on() -> None:
    with pytest.warns(RuntimeWarning, match=r"environment_script\.warn: .*not converged"):
        call(REQUIREMENTS, script.warn, {})


@pytest.mark.usefixtures("environment")
def test_a_killed_parent_leaves_no_child(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    code = PARENT.format(requirements=REQUIREMENTS)
    parent = subprocess.Popen([sys.executable, "-c", code, str(pid_file)], cwd=ROOT)
    try:
        wait_until(lambda: pid_file.is_file() and pid_file.read_text() != "")
        child = psutil.Process(int(pid_file.read_text()))
        assert child.ppid() == parent.pid
        parent.send_signal(signal.SIGKILL)
    finally:
        parent.kill()
        parent.wait()
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.usefixtures("cache")
def test_a_method_is_unavailable_without_its_environment(tmp_path: Path) -> None:
    path = tmp_path / "needy.py"
    path.write_text(METHOD)
    method = module_entry("needy", path)
    assert method.unavailable == (
        "needs an environment of its own: python -m bench environment needy"
    )
    fake_environment(REQUIREMENTS)
    assert method.unavailable is None


@pytest.mark.usefixtures("cache")
def test_a_call_without_the_environment_names_the_command() -> None:
    with pytest.raises(ModuleNotFoundError, match="python -m bench environment"):
        call(REQUIREMENTS, script.scale, {})


@pytest.mark.usefixtures("environment")
def test_another_requirement_is_another_environment() -> None:
    other = ("made_for_a_test==1.0", "numpy==2.1")
    assert environment_python(REQUIREMENTS).is_file()
    assert not environment_python(other).exists()


def test_an_environment_that_exists_is_not_made_again(cache: Path) -> None:
    python = fake_environment(tabmap.ENVIRONMENT)
    before = python.stat().st_mtime_ns
    assert make_environment("tabmap") == python.parents[1]
    assert python.stat().st_mtime_ns == before


def test_a_failed_installation_leaves_no_environment(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(cache / "uv"))  # an empty one
    pytest.importorskip("uv")
    with pytest.raises(BenchError, match="uv pip install --no-deps"):
        make_environment("tabmap")
    assert list(cache.glob("deepmapper/environments/*")) == []


def test_a_method_without_an_environment_is_refused() -> None:
    with pytest.raises(BenchError, match="genomap, tabmap"):
        make_environment("mlp")


@pytest.mark.parametrize("name", ["genomap", "tabmap"])
def test_the_script_is_part_of_the_source_of_its_method(name: str) -> None:
    method = entry("methods", name)
    assert method.relies_on(f"baselines/_environments/{name}.py")
    assert method.relies_on("baselines/_environments/_child.py")
    assert method.relies_on("baselines/_environment.py")
