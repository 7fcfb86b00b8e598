"""A grid that counts its runs, for the tests of the executors."""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from bench.store.store import Store

from .conftest import ROOT, bench_environment

N_CELLS = 8
SECONDS = 600.0  # a busy machine takes long to start


def spec_of(folder: Path, *, seconds: float = 0.0, n: int = N_CELLS, more: str = "") -> Path:
    """A grid of one method that counts its runs in folder/tally."""
    path = folder / "spec.toml"
    method = f'{{name = "tally", params = {{file = "{folder / "tally"}", seconds = {seconds}}}}}'
    path.write_text(
        f'name = "grid"\nseeds = {list(range(n))}\njobs = 2\ndevice = "cpu"\n'
        f'datasets = ["digits"]\nmethods = [{method}]\n'
        f"limits = {{cpu_seconds = 60, memory_mib = 2000}}\n{more}"
    )
    return path


def start(
    spec: Path, out: Path, plugin: Path, *words: str, **variables: str
) -> subprocess.Popen[str]:
    """Start `bench run` in the background."""
    return subprocess.Popen(
        [sys.executable, "-m", "bench", "run", str(spec), "--out", str(out), "--no-report", *words],
        cwd=ROOT,
        env={**bench_environment(plugin), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(run: subprocess.Popen[str], code: int = 0) -> str:
    """Wait for the end, check the exit code and return the output."""
    output, _ = run.communicate(timeout=SECONDS)
    assert run.returncode == code, output
    return output


def runs(folder: Path) -> Counter[str]:
    """The number of completed fits of each cell."""
    path = folder / "tally"
    return Counter(line.split()[0] for line in path.read_text().splitlines())


def until(condition: Callable[[], object], seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.05)


def check_whole(out: Path, n: int = N_CELLS) -> None:
    """Check that each cell has one record, which is ok, and that no lock is left.

    A job of SLURM drops its lock just after it has written its last record.
    """
    records = list(Store(out).records())
    assert Counter(r["status"] for r in records) == {"ok": n}, [r["reason"] for r in records]
    assert len({r["seed"] for r in records}) == n
    assert not list(out.glob("cells/.*"))
    until(lambda: not list(out.glob("running/[!.]*.lock")), 60.0)  # .supersede.lock stays
