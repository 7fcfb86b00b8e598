"""The grid on a dask cluster of real processes, whose workers and scheduler stop."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psutil
import pytest

from bench.store.store import Store

from .conftest import ROOT, bench_environment
from .grids import N_CELLS, check_whole, finish, runs, spec_of, start, until


@contextmanager
def dask(folder: Path, *words: str, **variables: str) -> Iterator[psutil.Process]:
    """Run a scheduler or a worker."""
    process = subprocess.Popen(
        [sys.executable, "-m", "dask", *words, "--no-dashboard"],
        cwd=ROOT,
        env={**os.environ, **variables},
        stderr=(folder / f"{words[0]}.log").open("a"),
    )
    try:
        yield psutil.Process(process.pid)
    finally:
        process.kill()
        process.wait()


def dask_scheduler(port: int, folder: Path) -> AbstractContextManager[psutil.Process]:
    return dask(folder, "scheduler", "--host", "127.0.0.1", "--port", str(port))


def dask_worker(port: int, folder: Path, plugin: Path) -> AbstractContextManager[psutil.Process]:
    """A worker of one thread."""
    words = ("worker", f"tcp://127.0.0.1:{port}", "--nthreads", "1", "--no-nanny")
    scratch = ("--local-directory", str(folder / "scratch"))
    return dask(folder, *words, *scratch, **bench_environment(plugin))


@pytest.fixture
def port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def on_dask(port: int, more: str = "") -> str:
    address = f'address = "tcp://127.0.0.1:{port}"\n'
    return f'[executor]\nname = "dask"\n[executor.dask]\n{address}{more}'


def test_dask_runs_a_grid_on_a_cluster_of_its_own(tmp_path: Path, plugin: Path) -> None:
    spec, out = spec_of(tmp_path, n=2), tmp_path / "out"
    finish(start(spec, out, plugin, "--executor", "dask", "--jobs", "1"))
    check_whole(out, 2)
    assert {r["executor"] for r in Store(out).records()} == {"dask"}
    assert set(runs(tmp_path).values()) == {1}


@pytest.mark.slow
def test_a_dask_worker_leaves_and_comes_back(tmp_path: Path, plugin: Path, port: int) -> None:
    """Kill the worker within a cell, start another one, then stop the scheduler."""
    spec, out = spec_of(tmp_path, seconds=0.3, more=on_dask(port)), tmp_path / "out"
    with dask_scheduler(port, tmp_path):
        with dask_worker(port, tmp_path, plugin):
            run = start(spec, out, plugin)
            until(lambda: len(Store(out).keys()) >= 2 or run.poll() is not None)
        assert run.poll() is None, run.communicate()[0]
        with dask_worker(port, tmp_path, plugin):
            until(lambda: len(Store(out).keys()) >= 4)
    assert "went away. Finished cells are kept" in finish(run, 2)
    with dask_scheduler(port, tmp_path), dask_worker(port, tmp_path, plugin):
        finish(start(spec, out, plugin))
    check_whole(out)
    assert sum(runs(tmp_path).values()) <= N_CELLS + 2  # two cells were interrupted


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "words", "message"),
    [
        ("", ["--executor", "dask", "--detach"], "--detach needs the executor 'slurm'"),
        ("connect_seconds = 0.5\n", [], "no dask scheduler answers"),
    ],
)
def test_without_a_scheduler_it_is_an_error(
    more: str, words: list[str], message: str, tmp_path: Path, plugin: Path, port: int
) -> None:
    spec = spec_of(tmp_path, n=1, more=on_dask(port, more) if more else "")
    assert message in finish(start(spec, tmp_path / "out", plugin, *words), 2)
