"""The grid on a dask cluster, whose workers and scheduler go away and come back. Real processes."""

import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from bench.store.store import Store

from .conftest import ROOT, bench_environment
from .grids import N_CELLS, SECONDS, check_whole, finish, runs, spec_of, start, until

Bench = Callable[..., subprocess.CompletedProcess[str]]


@contextmanager
def dask_scheduler(port: int, folder: Path) -> Iterator[psutil.Process]:
    words = [
        "-m",
        "dask",
        "scheduler",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--no-dashboard",
    ]
    process = subprocess.Popen(
        [sys.executable, *words], cwd=ROOT, stderr=(folder / "scheduler.log").open("a")
    )
    try:
        yield psutil.Process(process.pid)
    finally:
        process.kill()
        process.wait()


@contextmanager
def dask_worker(
    port: int, folder: Path, plugin: Path, file_bytes: int = resource.RLIM_INFINITY
) -> Iterator[psutil.Process]:
    """A worker of one thread. Past `file_bytes` a file cannot be written, as on a full disk."""
    words = ["-m", "dask", "worker", f"tcp://127.0.0.1:{port}", "--nthreads", "1", "--no-nanny"]
    words += ["--no-dashboard", "--local-directory", str(folder / "scratch")]
    process = subprocess.Popen(
        [sys.executable, *words],
        cwd=ROOT,
        env=bench_environment(plugin),
        stderr=(folder / "worker.log").open("a"),
        preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_FSIZE, (file_bytes, resource.RLIM_INFINITY)
        ),
    )
    try:
        yield psutil.Process(process.pid)
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def port() -> int:
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def at(port: int, more: str = "") -> str:
    where = f'address = "tcp://127.0.0.1:{port}"\n'
    return f'[executor]\nname = "dask"\n[executor.dask]\n{where}{more}'


@pytest.mark.slow
def test_dask_runs_a_grid_on_a_cluster_of_its_own(tmp_path: Path, plugin: Path) -> None:
    spec, out = spec_of(tmp_path), tmp_path / "out"
    finish(start(spec, out, plugin, "--executor", "dask"))
    check_whole(out)
    assert {r["executor"] for r in Store(out).records()} == {"dask"}
    assert set(runs(tmp_path).values()) == {1}


def test_a_dask_worker_leaves_and_comes_back(tmp_path: Path, plugin: Path, port: int) -> None:
    """The worker is killed in the middle of a cell; another comes; then the scheduler restarts."""
    spec, out = spec_of(tmp_path, seconds=0.3, more=at(port)), tmp_path / "out"
    with dask_scheduler(port, tmp_path):
        with dask_worker(port, tmp_path, plugin):
            run = start(spec, out, plugin)
            until(lambda: len(Store(out).keys()) >= 2 or run.poll() is not None)
        assert run.poll() is None, run.communicate()[0]
        with dask_worker(port, tmp_path, plugin):
            until(lambda: len(Store(out).keys()) >= 4)
    # The scheduler is gone, with all it knew; it comes back at the same address.
    assert run.poll() is None
    with dask_scheduler(port, tmp_path), dask_worker(port, tmp_path, plugin):
        finish(run)
    check_whole(out)
    assert sum(runs(tmp_path).values()) <= N_CELLS + 2  # the cells at work when they were killed


def test_detached_dask_cells_run_when_the_front_is_gone(
    tmp_path: Path, plugin: Path, port: int, bench: Bench
) -> None:
    spec, out = spec_of(tmp_path, seconds=0.3, more=at(port)), tmp_path / "out"
    with dask_scheduler(port, tmp_path):
        assert f"{N_CELLS} cells submitted" in finish(start(spec, out, plugin, "--detach"))
        told = bench("status", out).stdout
        assert f"dask: 0 of {N_CELLS} cells done; jobs of the rest: {N_CELLS} pending" in told
        again = finish(start(spec, out, plugin, "--detach"))  # the same cells, submitted twice
        assert f"0 cells submitted, {N_CELLS} were before" in again
        with dask_worker(port, tmp_path, plugin):
            until(lambda: len(Store(out).keys()) == N_CELLS)
            until(lambda: not list(out.glob("running/*.claim")))
    check_whole(out)
    assert set(runs(tmp_path).values()) == {1}


@pytest.mark.slow  # as test_run does with processes of this machine
def test_a_full_disk_on_a_worker_stops_the_run_and_nothing_is_lost(
    tmp_path: Path, plugin: Path, port: int
) -> None:
    spec, out = spec_of(tmp_path, more=at(port)), tmp_path / "out"
    with dask_scheduler(port, tmp_path):
        with dask_worker(port, tmp_path, plugin, file_bytes=2000):
            run = start(spec, out, plugin)
            said, _ = run.communicate(timeout=SECONDS)
        assert run.returncode == 2
        assert "the disk is full" in said
        assert not Store(out).keys()
        assert not list(out.glob("running/*.claim"))
        with dask_worker(port, tmp_path, plugin):
            finish(start(spec, out, plugin))
    check_whole(out)


def test_detaching_from_a_cluster_of_its_own_is_refused(tmp_path: Path, plugin: Path) -> None:
    run = start(spec_of(tmp_path, n=1), tmp_path / "out", plugin, "--executor", "dask", "--detach")
    said, _ = run.communicate(timeout=SECONDS)
    assert run.returncode == 2
    assert "needs a scheduler that stays" in said


def test_a_scheduler_that_is_not_there_is_an_error(tmp_path: Path, plugin: Path, port: int) -> None:
    more = at(port, "connect_seconds = 0.5\n")
    run = start(spec_of(tmp_path, n=1, more=more), tmp_path / "out", plugin)
    said, _ = run.communicate(timeout=SECONDS)
    assert run.returncode == 2
    assert "no dask scheduler answers" in said
