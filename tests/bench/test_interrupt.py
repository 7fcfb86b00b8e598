"""Ctrl-C ends a run with one line, leaves no process, and the next run goes on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from bench.store.store import Store

from .conftest import ROOT, bench_environment

SPEC = """
name = "slow"
jobs = 2
datasets = ["digits"]
methods = ["majority", {name = "villain", params = {how = "nothing", seconds = 60.0}}]
"""


def started(folder: Path, plugin: Path) -> subprocess.Popen[str]:
    """The grid, in a process group of its own, as a terminal starts it.

    What a shell runs in its background ignores SIGINT, and so would all that it starts.
    """

    def listen() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    spec = folder / "spec.toml"
    spec.write_text(SPEC)
    return subprocess.Popen(
        [sys.executable, "-m", "bench", "run", spec, "--no-report", "--out", folder / "out"],
        cwd=ROOT,
        env=bench_environment(plugin),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=listen,
    )


def test_ctrl_c(tmp_path: Path, plugin: Path) -> None:
    run = started(tmp_path, plugin)
    deadline = time.monotonic() + 240  # a busy machine takes long to start
    while not list(tmp_path.glob("out/cells/*.json")):
        assert time.monotonic() < deadline, "no cell has ended"
        time.sleep(0.05)
    family = psutil.Process(run.pid).children(recursive=True)
    os.killpg(run.pid, signal.SIGINT)
    _, errors = run.communicate(timeout=30)
    assert run.returncode == 130
    assert "finished cells are kept" in errors
    assert "Traceback" not in errors
    assert not psutil.wait_procs(family, timeout=10)[1]
    assert [r["status"] for r in Store(tmp_path / "out").records()] == ["ok"]


def test_ctrl_c_while_it_starts(tmp_path: Path, plugin: Path) -> None:
    """The libraries are still being loaded: nobody listens but the kernel."""
    run = started(tmp_path, plugin)
    deadline = time.monotonic() + 240
    while not (servers := psutil.Process(run.pid).children()):
        assert time.monotonic() < deadline, "no server was started"
        time.sleep(0.01)
    os.killpg(run.pid, signal.SIGINT)
    _, errors = run.communicate(timeout=30)
    assert run.returncode == 130
    assert errors == "stopped; finished cells are kept: run the same command to go on\n"
    assert not psutil.wait_procs(servers, timeout=10)[1]
