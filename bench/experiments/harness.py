"""The harness with thousands of cells.

`overhead`: time of a trivial cell, and memory of the process that runs the cells.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from bench.catalog import ROOT
from bench.cluster.submissions import check_executor
from bench.errors import BenchError
from bench.experiments.runner import experiment, grid

SPEC = """
name = "overhead"
seeds = {seeds}
device = "cpu"
jobs = 2
datasets = ["digits"]
methods = ["majority"]
"""
POLL_SECONDS = 0.5
WARM = 0.1  # fraction of the cells after which the run is warm


@experiment(
    "2,000 trivial cells, two at a time: under 50 ms a cell once warm; the front's memory flat",
    grid("{executor}", executor=("local", "dask")),
)
def overhead(executor: str, cells: int = 2000) -> dict[str, Any]:
    """Measure seconds a cell and the memory of the front process with trivial cells."""
    check_executor(executor)
    with tempfile.TemporaryDirectory() as root:
        spec, folder = Path(root) / "spec.toml", Path(root) / "out"
        spec.write_text(SPEC.format(seeds=list(range(cells))))
        command = [sys.executable, "-m", "bench", "run", str(spec), "--out", str(folder)]
        command += ["--no-report", "--executor", executor, "--jobs", "2"]
        looks = _watch(
            subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL), folder, cells
        )
        records = [json.loads(path.read_text()) for path in (folder / "cells").glob("*.json")]
    warm = next(look for look in looks if look[1] >= WARM * cells)
    last = looks[-1]
    return {
        "cells": last[1],
        "seconds_in_all": last[0],
        "seconds_until_warm": warm[0],
        "seconds_a_cell_warm": (last[0] - warm[0]) / max(1, last[1] - warm[1]),
        "overhead_in_records_median": float(np.median([r["overhead_seconds"] for r in records])),
        "front_mib_warm": warm[2],
        "front_mib_end": last[2],
    }


def _watch(run: subprocess.Popen[bytes], folder: Path, cells: int) -> list[tuple[float, int, int]]:
    """Poll seconds since the start, number of records, and MiB of the front process."""
    start, front = time.monotonic(), psutil.Process(run.pid)
    looks: list[tuple[float, int, int]] = []
    n = 0
    while run.poll() is None:
        time.sleep(POLL_SECONDS)
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
