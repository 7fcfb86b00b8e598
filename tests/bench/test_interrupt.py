"""Ctrl-C ends a run with one line, leaves no process, and the next run goes on."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from bench.store.store import Store

from .conftest import ROOT, bench_environment
from .grids import until

SPEC = """
name = "slow"
jobs = 2
datasets = ["digits"]
methods = ["majority", {name = "villain", params = {how = "nothing", seconds = 60.0}}]
"""


def start_grid(folder: Path, plugin: Path) -> subprocess.Popen[str]:
    """Start the grid in its own process group, as a terminal does.

    Background processes of a shell ignore SIGINT, so the default handler is restored.
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


@pytest.mark.parametrize("loaded", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_ctrl_c_stops_the_run_and_keeps_finished_cells(
    loaded: bool, tmp_path: Path, plugin: Path
) -> None:
    """Interrupt after the first cell, or while libraries are still loading."""
    run = start_grid(tmp_path, plugin)
    family = psutil.Process(run.pid)
    until(lambda: list(tmp_path.glob("out/cells/*.json")) if loaded else family.children())
    processes = family.children(recursive=True)
    os.killpg(run.pid, signal.SIGINT)
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 130
    assert errors == "stopped; finished cells are kept: run the same command to go on\n"
    assert not psutil.wait_procs(processes, timeout=10)[1]
    assert [r["status"] for r in Store(tmp_path / "out").records()] == ["ok"] * loaded
