"""Thousands of cells that do next to nothing: what a cell costs beside its own work."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import psutil
import typer

from bench.cluster import check_executor
from bench.errors import BenchError
from bench.experiments.scale._keeping import Out, keep
from bench.machine.processes import ROOT

SPEC = """
name = "scale"
seeds = {seeds}
device = "cpu"
jobs = 2
datasets = ["digits"]
methods = ["majority"]
"""
LOOK_SECONDS = 0.5
WARM = 0.1  # the share of the cells after which everything has started


def measure(
    cells: Annotated[int, typer.Option(help="How many.")] = 2000,
    executor: Annotated[str, typer.Option(help="local, dask or slurm.")] = "local",
    out: Out = None,
) -> None:
    """Run a grid of trivial cells, two at a time; the seconds a cell and the front's memory."""
    check_executor(executor)
    with tempfile.TemporaryDirectory() as place:
        spec, folder = Path(place) / "spec.toml", Path(place) / "out"
        spec.write_text(SPEC.format(seeds=list(range(cells))))
        words = [sys.executable, "-m", "bench", "run", str(spec), "--out", str(folder)]
        words += ["--no-report", "--executor", executor, "--jobs", "2"]
        done = _watch(subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL), folder, cells)
        overheads = sorted(_overhead(path) for path in (folder / "cells").glob("*.json"))
    warm = next(look for look in done if look[1] >= WARM * cells)
    last = done[-1]
    seconds = (last[0] - warm[0]) / max(1, last[1] - warm[1])
    found = {
        "executor": executor,
        "cells": last[1],
        "seconds_in_all": round(last[0], 1),
        "seconds_until_warm": round(warm[0], 1),
        "seconds_a_cell_warm": round(seconds, 4),
        "overhead_in_records_median": round(overheads[len(overheads) // 2], 4),
        "front_mib_warm": warm[2],
        "front_mib_end": last[2],
    }
    keep(out, found)
    sys.stdout.write(
        f"{last[1]} cells through {executor}, two at a time: {1000 * seconds:.1f} ms a cell once "
        f"warm (asked for: under 50), {last[0]:.0f} s in all; the front's memory "
        f"{warm[2]} MiB warm, {last[2]} MiB at the end\n"
    )


def _watch(run: subprocess.Popen[bytes], folder: Path, cells: int) -> list[tuple[float, int, int]]:
    """Seconds since the start, records there, MiB of the front, until the run ends."""
    start, front = time.monotonic(), psutil.Process(run.pid)
    looks: list[tuple[float, int, int]] = []
    n = 0
    while run.poll() is None:
        time.sleep(LOOK_SECONDS)
        try:
            mib = front.memory_info().rss // 2**20
        except psutil.NoSuchProcess:
            break
        n = len(list((folder / "cells").glob("*.json")))
        if not looks or n > looks[-1][1]:
            looks.append((time.monotonic() - start, n, mib))
    if run.wait() or n < cells:
        message = f"the run ended with code {run.returncode} and {n} of {cells} cells"
        raise BenchError(message)
    return looks


def _overhead(path: Path) -> float:
    return float(json.loads(path.read_text())["overhead_seconds"])
