"""The same grid through every executor, and what may go wrong on the way. Real processes."""

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from bench.store import Store

from . import fake_slurm
from .conftest import ROOT, bench_environment

Bench = Callable[..., subprocess.CompletedProcess[str]]
N_CELLS = 8
SECONDS = 120.0


def spec_of(folder: Path, *, seconds: float = 0.0, n: int = N_CELLS, more: str = "") -> Path:
    """A grid of one method that counts its runs in folder/tally."""
    path = folder / "spec.toml"
    method = f'{{name = "tally", params = {{file = "{folder / "tally"}", seconds = {seconds}}}}}'
    path.write_text(
        f'name = "grid"\nseeds = {list(range(n))}\njobs = 2\ndevice = "cpu"\n'
        f'datasets = ["digits"]\nmethods = [{method}]\n'
        f"limits = {{timeout_seconds = 60, memory_mib = 2000}}\n{more}"
    )
    return path


def start(
    spec: Path, out: Path, plugin: Path, *words: str, **variables: str
) -> subprocess.Popen[str]:
    """`bench run`, in the background."""
    return subprocess.Popen(
        [sys.executable, "-m", "bench", "run", str(spec), "--out", str(out), "--no-report", *words],
        cwd=ROOT,
        env={**bench_environment(plugin), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(run: subprocess.Popen[str]) -> str:
    said, _ = run.communicate(timeout=SECONDS)
    assert run.returncode == 0, said
    return said


def runs(folder: Path) -> Counter[str]:
    """How often each cell was run to its end of fitting."""
    path = folder / "tally"
    return Counter(line.split()[0] for line in path.read_text().splitlines())


def until(what: Callable[[], object], seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


def check_whole(out: Path, n: int = N_CELLS) -> None:
    """Every cell is there once, ok, and nothing is left over."""
    records = list(Store(out).records())
    assert Counter(r["status"] for r in records) == {"ok": n}, [r["reason"] for r in records]
    assert len({r["seed"] for r in records}) == n
    assert not list(out.glob("cells/.*"))
    assert not list(out.glob("running/*.claim"))


# ---- local


def test_two_front_ends_share_a_grid(tmp_path: Path, plugin: Path) -> None:
    """Each cell is run by one of them, and both see the whole grid done."""
    spec = spec_of(tmp_path, seconds=0.4)
    both = [start(spec, tmp_path / "out", plugin) for _ in range(2)]
    for run in both:
        assert f"{N_CELLS}/{N_CELLS} cells done" in finish(run)
    check_whole(tmp_path / "out")
    assert set(runs(tmp_path).values()) == {1}
    assert len(runs(tmp_path)) == N_CELLS


def test_each_cell_of_a_gpu_run_sees_one_gpu(tmp_path: Path, plugin: Path) -> None:
    """Without a GPU: the variable that decides which one a process can see."""
    script = (
        "import sys, json; from pathlib import Path\n"
        "from bench.processes import Processes; from bench.slots import deal\n"
        "from bench.node import Node; from bench.work import Work, Task\n"
        "from bench.runner import Plan; from bench.cell import expand; from bench.spec import *\n"
        "from bench.store import Store; from bench.tables import prepare\n"
        "folder = Path(sys.argv[2]); spec, _ = load_spec(sys.argv[1])\n"
        "store = Store(folder); store.create(); plan = Plan(expand(spec, 'cpu'))\n"
        "table = plan.cells[0].table; plan.tables[table.id] = prepare(folder / 'tables', table)\n"
        "work = Work(str(folder), ('tally',), 'cpu', 60, 2000)\n"
        "with Node(work, deal(2, [0, 1], ['4', '7']), 'local') as node:\n"
        "    for cell in plan.cells: node.submit(Task(plan.key(cell), cell, plan.facts(cell)))\n"
        "    while node.busy: list(node.events())\n"
    )
    spec = spec_of(tmp_path, n=2, seconds=0.5)
    done = subprocess.run(
        [sys.executable, "-c", script, str(spec), str(tmp_path / "out")],
        cwd=ROOT,
        env=bench_environment(plugin),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen = sorted(line.split()[1] for line in (tmp_path / "tally").read_text().splitlines())
    assert seen == ["4", "7"]


def test_a_detached_run_goes_on_alone(tmp_path: Path, plugin: Path, bench: Bench) -> None:
    spec = spec_of(tmp_path, n=3, seconds=1.0)
    out = tmp_path / "out"
    begin = start(spec, out, plugin, "--detach")
    assert "goes on" in finish(begin)
    assert "local: process" in bench("status", out).stdout
    until(lambda: len(Store(out).keys()) == 3)
    until(lambda: not list(out.glob("running/*.claim")))
    check_whole(out, 3)


# ---- dask


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
def dask_worker(port: int, folder: Path, plugin: Path, *more: str) -> Iterator[psutil.Process]:
    words = ["-m", "dask", "worker", f"tcp://127.0.0.1:{port}", "--nthreads", "1", "--no-nanny"]
    words += ["--no-dashboard", "--local-directory", str(folder / "scratch"), *more]
    process = subprocess.Popen(
        [sys.executable, *words],
        cwd=ROOT,
        env=bench_environment(plugin),
        stderr=(folder / "worker.log").open("a"),
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


def at(port: int) -> str:
    return f'[executor]\nname = "dask"\n[executor.dask]\naddress = "tcp://127.0.0.1:{port}"\n'


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


def test_detaching_from_a_cluster_of_its_own_is_refused(tmp_path: Path, plugin: Path) -> None:
    run = start(spec_of(tmp_path, n=1), tmp_path / "out", plugin, "--executor", "dask", "--detach")
    said, _ = run.communicate(timeout=SECONDS)
    assert run.returncode == 2
    assert "needs a scheduler that stays" in said


def test_a_scheduler_that_is_not_there_is_an_error(tmp_path: Path, plugin: Path, port: int) -> None:
    run = start(spec_of(tmp_path, n=1, more=at(port)), tmp_path / "out", plugin)
    said, _ = run.communicate(timeout=SECONDS)
    assert run.returncode == 2
    assert "no dask scheduler answers" in said


def test_a_record_that_is_late_in_the_shared_folder_is_waited_for(
    tmp_path: Path, plugin: Path
) -> None:
    """The executor says that the cell is done before its record can be seen."""
    from bench.runner import Means, _Run
    from bench.spec import load_spec
    from bench.store import Record
    from bench.work import Ended

    del plugin
    store = Store(tmp_path)
    store.create()
    spec, _ = load_spec("smoke")

    class Late:
        """Says "written" at once, and the record appears two looks later."""

        room, busy = 1, False

        def __init__(self) -> None:
            self.given: list = []
            self.looks = 0

        def submit(self, task: object) -> None:
            self.given.append(task)

        def events(self) -> Iterator[Ended]:
            for task in self.given:
                self.looks += 1
                if self.looks == 3:
                    record: Record = {"schema": 1, "key": task.key, "status": "ok"}
                    store.put({**record, "wall_seconds": 1.0})
                yield Ended(task.key, written=True)
            self.given.clear()

    from bench.cell import Cell, TableRequest
    from bench.progress import Progress
    from bench.runner import Plan
    from bench.work import Task

    cell = Cell(TableRequest("t", "t", {}, ""), "m", "m", {}, "", 0, 0.25, "cpu")
    run = _Run(store, spec, Plan([cell]), Means(), "cpu", Progress())
    executor = Late()
    run._run_cells(executor, [Task("k", cell, {})])  # type: ignore[arg-type]
    assert executor.looks == 3
    assert run.progress.done == 1
    assert store.record("k")["status"] == "ok"


# ---- SLURM


@pytest.fixture
def slurm(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment in which SLURM's commands are found."""
    variables = fake_slurm.install(tmp_path / "slurm")
    yield variables
    for path in (tmp_path / "slurm" / "state").glob("*.pid"):
        fake_slurm.deliver_to(int(path.read_text()), signal.SIGKILL)


def on_slurm(**options: object) -> str:
    options = {"ask_seconds": 1, "late_seconds": 2, **options}
    lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in options.items())
    return f'[executor]\nname = "slurm"\n[executor.slurm]\n{lines}'


def test_submitit_runs_a_grid_on_this_machine(tmp_path: Path, plugin: Path) -> None:
    more = on_slurm(cluster="local", cells_per_job=4)
    finish(start(spec_of(tmp_path, more=more), tmp_path / "out", plugin))
    check_whole(tmp_path / "out")
    assert {r["executor"] for r in Store(tmp_path / "out").records()} == {"slurm"}


def test_arrays_of_jobs_and_a_preemption(
    tmp_path: Path,
    plugin: Path,
    slurm: dict[str, str],
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A detached array; one of its jobs is preempted in the middle and comes back."""
    more = on_slurm(cells_per_job=4, parallel_jobs=2, partition="gpu")
    spec, out = spec_of(tmp_path, seconds=0.7, more=more), tmp_path / "out"
    assert f"{N_CELLS} cells submitted" in finish(start(spec, out, plugin, "--detach", **slurm))
    (script,) = (tmp_path / "slurm" / "state").glob("*.sh")
    text = script.read_text()
    for line in ("--array=0-1%2", "--partition=gpu", "--mem=4048MB", "--time=14", "--requeue"):
        assert f"#SBATCH {line}\n" in text
    monkeypatch.setenv("PATH", slurm["PATH"])
    monkeypatch.setenv("FAKE_SLURM", slurm["FAKE_SLURM"])
    told = bench("status", out).stdout
    assert f"slurm: 0 of {N_CELLS} cells done; jobs of the rest: " in told
    until(lambda: len(Store(out).keys()) >= 2)
    subprocess.run(["scancel", "100_0", "--signal", "USR2"], check=True)
    until(lambda: len(Store(out).keys()) == N_CELLS)
    until(lambda: set(fake_slurm.states(tmp_path / "slurm").values()) == {"COMPLETED"})
    check_whole(out)
    assert sum(runs(tmp_path).values()) <= N_CELLS + 1
    again = finish(start(spec, out, plugin))
    assert f"{N_CELLS}/{N_CELLS} cells done" in again
    assert not [path for path in (out / "tables").iterdir() if path.is_dir()]


def test_a_job_that_dies_cancels_no_other_and_is_given_again(
    tmp_path: Path, plugin: Path, slurm: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    more = on_slurm(cells_per_job=2)
    spec, out = spec_of(tmp_path, n=4, seconds=0.7, more=more), tmp_path / "out"
    run = start(spec, out, plugin, **slurm)
    until(lambda: len(Store(out).keys()) >= 1 or run.poll() is not None)
    for name, value in slurm.items():
        monkeypatch.setenv(name, value)
    victim = sorted(fake_slurm.states(tmp_path / "slurm"))[0]
    fake_slurm.deliver(victim, signal.SIGKILL)
    finish(run)
    check_whole(out, 4)


def test_what_sbatch_says_is_told(tmp_path: Path, plugin: Path, slurm: dict[str, str]) -> None:
    (Path(slurm["FAKE_SLURM"]) / "refuse").touch()
    run = start(spec_of(tmp_path, n=1, more=on_slurm()), tmp_path / "out", plugin, **slurm)
    said, _ = run.communicate(timeout=SECONDS)
    assert run.returncode == 2
    assert "Invalid account" in said


def test_without_slurm_it_says_so(tmp_path: Path, plugin: Path) -> None:
    run = start(spec_of(tmp_path, n=1, more=on_slurm()), tmp_path / "out", plugin)
    said, _ = run.communicate(timeout=SECONDS)
    assert run.returncode == 2
    assert "srun" in said


def test_resources_are_the_most_that_table_and_method_ask_for(tmp_path: Path) -> None:
    from bench.cell import expand
    from bench.spec import parse_spec

    spec = parse_spec(
        'name = "r"\ndatasets = [{name = "digits", resources = {memory_mib = 9000, cores = 2}}]\n'
        'methods = ["majority", {name = "mlp", resources = {cores = 4, gpus = 1}}]\n',
        "r.toml",
    )
    asked = {cell.label: cell.resources for cell in expand(spec, "cpu")}
    assert asked == {
        "majority": {"cores": 2, "memory_mib": 9000},
        "mlp": {"cores": 4, "memory_mib": 9000, "gpus": 1},
    }
