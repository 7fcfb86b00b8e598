"""A grid on this machine: shared by two runs, on GPUs, and with late records."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.cell import Cell, TableRequest, expand
from bench.cluster import submissions
from bench.cluster.submissions import Submission, write_submission
from bench.errors import BenchError
from bench.machine.node import Node
from bench.machine.processes import Limits
from bench.machine.slots import split_cores
from bench.run.progress import Progress
from bench.run.queue import Queue
from bench.run.runner import Plan
from bench.run.runner import run as run_spec
from bench.run.tasks import CellSettings, Task, TaskResult
from bench.spec import load_spec, parse_spec
from bench.store.store import Store
from bench.store.tables import is_ready, prepare

from .grids import N_CELLS, check_whole, finish, runs, spec_of, start


@pytest.mark.slow
def test_two_front_ends_share_a_grid(tmp_path: Path, plugin: Path) -> None:
    """Each cell runs once, and both runs report the whole grid as done."""
    spec = spec_of(tmp_path, seconds=0.4)
    both = [start(spec, tmp_path / "out", plugin) for _ in range(2)]
    for run in both:
        assert f"{N_CELLS}/{N_CELLS} cells done" in finish(run)
    check_whole(tmp_path / "out")
    assert set(runs(tmp_path).values()) == {1}
    assert len(runs(tmp_path)) == N_CELLS


@pytest.mark.slow
def test_each_cell_of_a_gpu_run_sees_one_gpu(
    tmp_path: Path, plugin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Check the variable that selects the GPU, on a machine without one."""
    monkeypatch.syspath_prepend(plugin)
    monkeypatch.setenv("PYTHONPATH", str(plugin))
    store = Store(tmp_path / "out")
    store.create()
    plan = Plan(expand(load_spec(str(spec_of(tmp_path, n=2, seconds=0.5)))[0], "cpu"))
    table = plan.cells[0].table
    plan.tables[table.id] = prepare(store.folder / "tables", table)
    settings = CellSettings(str(store.folder), ("tally",), "cpu", Limits(60, 600, 2000))
    with Node(settings, split_cores(2, [0, 1], ["4", "7"]), "local") as node:
        while node.room < 2:
            list(node.events())
        for cell in plan.cells:
            node.submit(Task(plan.key(cell), cell, plan.facts(cell)))
        while node.busy:
            list(node.events())
    lines = (tmp_path / "tally").read_text().splitlines()
    assert sorted(line.split()[1] for line in lines) == ["4", "7"]


def test_a_record_that_is_late_in_the_shared_folder_is_waited_for(tmp_path: Path) -> None:
    """The executor reports a cell as done before its record is visible."""
    store = Store(tmp_path)
    store.create()

    class Late:
        """Report the record as written, and write it after two looks."""

        room, busy, looks = 1, False, 0
        given: tuple[Task, ...] = ()

        def submit(self, task: Task) -> None:
            self.given = (task,)

        def events(self) -> Iterator[TaskResult]:
            for task in self.given:
                self.looks += 1
                if self.looks == 3:
                    store.put({"schema": 2, "key": task.key, "status": "ok"})
                yield TaskResult(task.key, written=True)
            self.given = ()

    cell = Cell(TableRequest("t", "t", {}, ""), "m", "m", {}, "", 0, 0.25, "cpu")
    executor, progress = Late(), Progress()
    Queue(store, progress, lambda *lost: None).run(executor, [Task("k", cell, {})])  # type: ignore[arg-type]
    assert executor.looks == 3
    assert progress.done == 1
    assert store.record("k")["status"] == "ok"


@pytest.mark.parametrize("answer", [BenchError("no answer"), {"7": "UNKNOWN"}])
def test_cells_of_an_unreachable_scheduler_may_still_run(
    answer: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def query_states(submission: Submission) -> object:
        if isinstance(answer, BenchError):
            raise answer
        return answer

    store = Store(tmp_path)
    store.create()
    write_submission(tmp_path, Submission({}, {"7": ["k"]}))
    monkeypatch.setattr(submissions, "query_states", query_states)
    assert submissions.find_scheduled(store) == (set(), False)
    store.put({"schema": 2, "key": "k", "status": "ok"})
    assert submissions.find_scheduled(store) == (set(), True)


@pytest.mark.parametrize(
    ("answer", "is_cleaned"),
    [
        (BenchError("no answer"), False),
        ({"7": "UNKNOWN"}, False),
        ({"7": "RUNNING"}, False),
        ({"7": "SUSPENDED"}, False),
        ({"7": "FAILED"}, True),
    ],
)
def test_a_run_cleans_up_only_if_the_scheduler_says_that_it_has_no_cells(
    answer: dict[str, str] | BenchError,
    is_cleaned: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All cells of the run are done. A submission of other cells is not."""
    text = 'name = "done"\ndatasets = ["needles"]\nmethods = ["majority"]\n'
    spec, store = parse_spec(text, "t"), Store(tmp_path)
    store.create()
    (cell,) = expand(spec, "cpu")
    plan = Plan([cell], {cell.table.id: prepare(tmp_path / "tables", cell.table)})
    store.put(Task(plan.key(cell), cell, plan.facts(cell)).record(status="ok"))
    write_submission(tmp_path, Submission({}, {"7": ["k"]}))
    (tmp_path / "running").mkdir()
    kept = tmp_path / "running" / "k.json"  # of a job on another machine
    kept.write_text("{}")

    def query_states(submission: Submission) -> dict[str, str]:
        if isinstance(answer, BenchError):
            raise answer
        return answer

    monkeypatch.setattr(submissions, "query_states", query_states)
    run_spec(spec, text, tmp_path, "cpu")
    assert store.keys() == {plan.key(cell)}
    assert kept.exists() is not is_cleaned
    assert is_ready(tmp_path / "tables", cell.table) is not is_cleaned
