"""The report of many cells: a store of made-up records, then the time and memory of its report."""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from bench.asv.stores import fill
from bench.errors import BenchError
from bench.experiments.runner import ROOT, Case, measured, of_seeds

TARGET = "results.parquet, tables, figures and page of 10,000 cells: under 20 s and 1 GiB"
BUILD = "import pathlib, sys, reports.build; reports.build.build(pathlib.Path(sys.argv[1]))"
LOOK_SECONDS = 0.2  # between looks at the memory


def cases() -> list[Case]:
    return [Case(f"run_{run}", {"run": run}) for run in range(3)]


def measure(run: int, cells: int = 10_000) -> dict[str, Any]:
    """Seconds, including the start of the process, and peak memory with that of its forks."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        fill(folder, cells)
        command = [sys.executable, "-c", BUILD, place]
        start, peak = time.perf_counter(), 0.0
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
            peak = max(peak, _family_mib(process.pid))
            time.sleep(LOOK_SECONDS)
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


def _family_mib(pid: int) -> float:
    """Memory of a process and its descendants; shared pages count once."""
    total = 0.0
    with contextlib.suppress(psutil.NoSuchProcess):
        first = psutil.Process(pid)
        for process in (first, *first.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                memory = process.memory_full_info()
                total += getattr(memory, "pss", memory.uss) / 2**20
    return total


def summary(records: list[dict[str, Any]]) -> str:
    some = measured(records)
    return (
        f"- seconds {of_seeds([m['seconds'] for m in some], 1)}, peak memory "
        f"{max(m['peak_mib'] for m in some):.0f} MiB"
    )
