"""Ctrl-C ends a run with one line, leaves no process, and the next run goes on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from bench.store import Store

from .conftest import ROOT, bench_environment

SPEC = """
name = "slow"
jobs = 2
datasets = ["digits"]
methods = ["majority", {name = "villain", params = {how = "nothing", seconds = 60.0}}]
"""


def test_ctrl_c(tmp_path: Path, plugin: Path) -> None:
    spec = tmp_path / "spec.toml"
    spec.write_text(SPEC)
    words = [sys.executable, "-m", "bench", "run", spec, "--no-report", "--out", tmp_path / "out"]
    run = subprocess.Popen(
        words,
        cwd=ROOT,
        env=bench_environment(plugin),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("out/cells/*.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    family = psutil.Process(run.pid).children(recursive=True)
    os.killpg(run.pid, signal.SIGINT)
    _, errors = run.communicate(timeout=30)
    assert run.returncode == 130
    assert "finished cells are kept" in errors
    assert "Traceback" not in errors
    assert not psutil.wait_procs(family, timeout=10)[1]
    assert [r["status"] for r in Store(tmp_path / "out").records()] == ["ok"]
