"""The grid on a dask cluster whose workers and scheduler go away. Real processes."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psutil
import pytest

from bench.store.store import Store

from .conftest import ROOT, bench_environment
from .grids import N_CELLS, SECONDS, check_whole, finish, runs, spec_of, start, until

Bench = Callable[..., subprocess.CompletedProcess[str]]


@contextmanager
def dask(folder: Path, *words: str, **variables: str) -> Iterator[psutil.Process]:
    """A scheduler or a worker."""
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


def at(port: int, more: str = "") -> str:
    where = f'address = "tcp://127.0.0.1:{port}"\n'
    return f'[executor]\nname = "dask"\n[executor.dask]\n{where}{more}'


def test_dask_runs_a_grid_on_a_cluster_of_its_own(tmp_path: Path, plugin: Path) -> None:
    spec, out = spec_of(tmp_path, n=2), tmp_path / "out"
    finish(start(spec, out, plugin, "--executor", "dask", "--jobs", "1"))
    check_whole(out, 2)
    assert {r["executor"] for r in Store(out).records()} == {"dask"}
    assert set(runs(tmp_path).values()) == {1}


@pytest.mark.slow
def test_a_dask_worker_leaves_and_comes_back(tmp_path: Path, plugin: Path, port: int) -> None:
    """The worker is killed in the middle of a cell; another comes; then the scheduler goes."""
    spec, out = spec_of(tmp_path, seconds=0.3, more=at(port)), tmp_path / "out"
    with dask_scheduler(port, tmp_path):
        with dask_worker(port, tmp_path, plugin):
            run = start(spec, out, plugin)
            until(lambda: len(Store(out).keys()) >= 2 or run.poll() is not None)
        assert run.poll() is None, run.communicate()[0]
        with dask_worker(port, tmp_path, plugin):
            until(lambda: len(Store(out).keys()) >= 4)
    printed, _ = run.communicate(timeout=SECONDS)
    assert run.returncode == 2
    assert "went away. Finished cells are kept" in printed
    with dask_scheduler(port, tmp_path), dask_worker(port, tmp_path, plugin):
        finish(start(spec, out, plugin))
    check_whole(out)
    assert sum(runs(tmp_path).values()) <= N_CELLS + 2  # the cells at work when they were killed


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
    spec = spec_of(tmp_path, n=1, more=at(port, more) if more else "")
    run = start(spec, tmp_path / "out", plugin, *words)
    printed, _ = run.communicate(timeout=SECONDS)
    assert run.returncode == 2
    assert message in printed
