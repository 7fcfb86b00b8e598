"""The harness at sizes that no test has.

`overhead`: thousands of cells that do next to nothing: what a cell costs beside its own work.
`merging`: two output folders that share cells, merged by `bench collect`. `large_report`: time and
memory of the report of thousands of made-up cells.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from bench.asv.stores import fill
from bench.catalog import ROOT
from bench.cluster.collect import collect
from bench.cluster.submissions import check_executor
from bench.errors import BenchError
from bench.experiments.runner import Case, experiment, grid, seconds_of
from bench.machine.processes import usage

SPEC = """
name = "overhead"
seeds = {seeds}
device = "cpu"
jobs = 2
datasets = ["digits"]
methods = ["majority"]
"""
LOOK_SECONDS = 0.5  # between looks at a run
WARM = 0.1  # the share of the cells after which everything has started
BUILD = "import pathlib, sys, reports.build; reports.build.build(pathlib.Path(sys.argv[1]))"


@experiment(
    "2,000 trivial cells, two at a time: under 50 ms a cell once warm; the front's memory flat",
    grid("{executor}", executor=("local", "dask")),
)
def overhead(executor: str, cells: int = 2000) -> dict[str, Any]:
    """Run a grid of trivial cells; seconds a cell, and the memory of the process that runs it."""
    check_executor(executor)
    with tempfile.TemporaryDirectory() as place:
        spec, folder = Path(place) / "spec.toml", Path(place) / "out"
        spec.write_text(SPEC.format(seeds=list(range(cells))))
        words = [sys.executable, "-m", "bench", "run", str(spec), "--out", str(folder)]
        words += ["--no-report", "--executor", executor, "--jobs", "2"]
        looks = _watch(subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL), folder, cells)
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
    """Seconds since the start, records, and MiB of the front, until the run ends."""
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


@experiment(
    "two folders of 5,000 cells, 500 in both: merged in under 5 s",
    [Case("two_folders", {"cells": 5000, "shared": 500})],
)
def merging(cells: int, shared: int) -> dict[str, Any]:
    """Seconds to merge into a new folder, and again when nothing is new."""
    with tempfile.TemporaryDirectory() as place:
        first, second, out = (Path(place) / name for name in ("first", "second", "out"))
        total = 2 * cells - shared
        fill(first, total, range(cells))
        fill(second, total, range(cells - shared, total))
        new, again = (seconds_of(lambda: collect([first, second], out)) for _ in range(2))
        n_merged = len(list((out / "cells").glob("*.json")))
    return {"cells": n_merged, "seconds_new": new, "seconds_again": again}


@experiment(
    "results.parquet, tables, figures and page of 10,000 cells: under 20 s and 1 GiB",
    grid("run_{run}", run=range(3)),
)
def large_report(run: int, cells: int = 10_000) -> dict[str, Any]:
    """Seconds, including the start of the process, and peak memory with that of its forks."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        fill(folder, cells)
        command = [sys.executable, "-c", BUILD, place]
        start, peak = time.perf_counter(), 0.0
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
            peak = max(peak, usage(process.pid)[1])
            time.sleep(0.2)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(ended[1])
        if process.returncode:
            message = f"the report of {cells} cells ended with code {process.returncode}"
            raise BenchError(message)
        return {
            "cells": cells,
            "bytes": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
            "page_bytes": (folder / "report" / "index.html").stat().st_size,
            "seconds": seconds,
            "cpu_seconds": ended[2].ru_utime + ended[2].ru_stime,
            "peak_mib": peak,
        }
