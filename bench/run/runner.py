"""Run a spec: make tables, run missing cells, and record lost ones."""

import json
import shutil
from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.catalog import entry
from bench.cell import Cell, expand
from bench.cluster import Executor, make_executor
from bench.cluster.submissions import find_scheduled
from bench.errors import BenchError
from bench.machine.environment import environment
from bench.machine.node import put_record
from bench.machine.processes import Limits
from bench.run.progress import Progress
from bench.run.queue import Queue
from bench.run.tables import make_tables
from bench.run.tasks import CellSettings, Task
from bench.spec import Spec, parse_spec
from bench.store.locks import RunLock
from bench.store.store import Store, write_atomically
from bench.store.tables import description, discard_arrays, is_ready


@dataclass(frozen=True)
class Selection:
    """The part of a spec to run, see `bench.cell.expand`. An empty field selects all."""

    datasets: Collection[str] = ()
    methods: Collection[str] = ()
    seeds: Collection[int] = ()
    added: Collection[str] = ()
    sample: float = 1.0
    sample_seed: int = 0


@dataclass(frozen=True)
class RunOptions:
    """Options of a run.

    `executor` is its name (default: the spec's), `jobs` the number of cells side by side (default:
    the executor's). `fresh` supersedes the records of the selected cells and runs them again.
    `detach` submits the cells and returns.
    """

    executor: str = ""
    jobs: int | None = None
    fresh: bool = False
    detach: bool = False


@dataclass
class Plan:
    """The cells of a run, and the descriptions of their tables."""

    cells: list[Cell]
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)  # request id -> description

    def facts(self, cell: Cell) -> dict[str, Any]:
        return {**self.tables[cell.table.id], "label": cell.table.label}

    def key(self, cell: Cell) -> str:
        return cell.key(self.tables[cell.table.id]["checksum"])

    def size(self, cell: Cell) -> int:
        facts = self.tables[cell.table.id]
        return int(facts["n_samples"]) * int(facts["n_features"])


def run(
    spec: Spec,
    text: str,
    folder: Path,
    device: str,
    *,
    selection: Selection = Selection(),
    options: RunOptions = RunOptions(),
    progress: Progress | None = None,
) -> Store:
    """Run the cells that have no record yet. Return the store.

    Several runs may share a folder: one of them runs each cell. `text` is the spec as TOML, which
    is stored with the results. `device` is "cpu", "cuda" or "mps". Raises BenchError if the folder
    belongs to another spec or is locked, a disk is full, or a scheduler cannot be reached.
    """
    plan = Plan(expand(spec, device, **asdict(selection)))
    store = Store(folder.resolve())
    store.create()
    with RunLock(store.folder, exclusive=options.fresh) as lock:
        _store_spec(store.folder, spec, text)
        with lock.exclusive() as is_exclusive:
            if is_exclusive and _has_no_scheduled_cells(store):
                store.clean_up()
        facts = json.dumps(environment() | {"selection": asdict(selection)}, indent=1).encode()
        write_atomically(store.folder / "environment.json", lambda file: file.write(facts))
        _Run(store, spec, plan, options, device, progress or Progress()).execute(lock)
    return store


@dataclass
class _Run:
    store: Store
    spec: Spec
    plan: Plan
    options: RunOptions
    device: str
    progress: Progress

    def __post_init__(self) -> None:
        self.executor = self.options.executor or self.spec.executor.name
        self.record_fields: dict[str, Any] = {
            "jobs": self.options.jobs or self.spec.jobs,
            "threads": 1,
            "executor": self.executor,
            "environment": environment(),
        }

    def execute(self, lock: RunLock) -> None:
        with ExitStack() as stack:
            new = [cell for cell in self.plan.cells if not self._has_description(cell)]
            # The executor loads its libraries while the tables are made.
            executor = stack.enter_context(self._make_executor()) if new else None
            self._make_tables(new)
            with lock.superseding:
                kept = self._supersede_records()
            lock.share()  # superseding is the only step of --fresh that needs the exclusive lock
            done = self.store.keys()
            missing = [
                cell
                for cell in self.plan.cells
                if self.plan.key(cell) not in done and cell.grid_point not in kept
            ]
            self.progress.start(len(self.plan.cells), len(self.plan.cells) - len(missing))
            known = {name: facts["checksum"] for name, facts in self.plan.tables.items()}
            self._make_tables([c for c in missing if not self._is_ready(c)])
            self._refuse_changes(known)
            if tasks := self._tasks(self._record_unavailable(missing)):
                self._run_tasks(executor or stack.enter_context(self._make_executor()), tasks)
        self.progress.stop()
        with lock.exclusive() as is_exclusive:
            if is_exclusive and _has_no_scheduled_cells(self.store):
                discard_arrays(self.store.folder / "tables")
                shutil.rmtree(self.store.folder / "running", ignore_errors=True)

    @property
    def _tables(self) -> Path:
        return self.store.folder / "tables"

    def _has_description(self, cell: Cell) -> bool:
        facts = description(self._tables, cell.table)
        if facts is not None:
            self.plan.tables[cell.table.id] = facts
        return facts is not None

    def _is_ready(self, cell: Cell) -> bool:
        unavailable = self.plan.tables[cell.table.id]["checksum"] is None
        return unavailable or is_ready(self._tables, cell.table)

    def _make_tables(self, cells: list[Cell]) -> None:
        self.plan.tables |= make_tables(
            [cell.table for cell in cells],
            self.store.folder,
            self.spec.limits,
            jobs=self.options.jobs or self.spec.jobs,
            show_message=self.progress.show_message,
        )

    def _refuse_changes(self, known: dict[str, str | None]) -> None:
        """Refuse to put cells of changed data beside those of an earlier run."""
        for name, checksum in known.items():
            facts = self.plan.tables[name]
            now = facts["checksum"]
            if checksum and now and checksum != now:
                message = (
                    f"the data of {facts['name']} have changed since the cells in "
                    f"{self.store.folder} (checksum {checksum[:8]}, now {now[:8]}). "
                    "Run the same command again: it supersedes those cells"
                )
                raise BenchError(message)

    def _supersede_records(self) -> set[tuple[Any, ...]]:
        """Supersede records of this grid: stale and transient ones, or all (--fresh).

        Every record is read here, so that a broken record or another schema stops the run. A table
        that cannot be made has no checksum, so none of its records can be called stale. Returns the
        grid points of the records that stay.
        """
        keys = {cell.grid_point: self.plan.key(cell) for cell in self.plan.cells}
        without_table = {
            cell.grid_point for cell in self.plan.cells if self.plan.facts(cell)["checksum"] is None
        }
        kept = set()
        for key in sorted(self.store.keys()):
            record = self.store.read(key)
            if record.grid_point not in keys:
                continue
            stale = key != keys[record.grid_point] and record.grid_point not in without_table
            must_repeat = record.transient or record.status == "unavailable"
            if stale or must_repeat or self.options.fresh:
                self.store.supersede(key)
            else:
                kept.add(record.grid_point)
        return kept

    def _record_unavailable(self, cells: list[Cell]) -> list[Cell]:
        """Record the cells whose table or method is unavailable. Return the other cells."""
        possible = []
        for cell in cells:
            facts = self.plan.facts(cell)
            if facts["checksum"] is None:
                self._record(cell, facts["status"], facts["reason"], facts.get("traceback"))
            elif cell.unavailable:
                self._record(cell, "unavailable", cell.unavailable)
            else:
                possible.append(cell)
        return possible

    def _tasks(self, cells: list[Cell]) -> list[Task]:
        """Make the tasks, largest tables first, so that no long cell is the last."""
        order = sorted(cells, key=self.plan.size, reverse=True)
        return [Task(self.plan.key(cell), cell, self.plan.facts(cell)) for cell in order]

    def _make_executor(self) -> Executor:
        limits = self.spec.limits
        settings = CellSettings(
            str(self.store.folder),
            tuple(_modules(self.plan.cells)),
            self.device,
            Limits(limits.cpu_seconds, limits.wall_seconds, limits.memory_mib),
        )
        return make_executor(self.executor, self.spec, settings, self.options.jobs)

    def _run_tasks(self, executor: Executor, tasks: list[Task]) -> None:
        if self.options.detach:
            self._detach(executor, tasks)
        else:
            Queue(self.store, self.progress, self._record_lost).run(executor, tasks)

    def _detach(self, executor: Any, tasks: list[Task]) -> None:
        """Submit the tasks that no scheduler has, and return."""
        scheduled = find_scheduled(self.store).keys
        new = [task for task in tasks if task.key not in scheduled]
        if new:
            executor.detach(new)
        self.progress.show_message(
            f"{len(new)} cells submitted, {len(tasks) - len(new)} were before"
        )

    def _record(
        self, cell: Cell, status: str, reason: str | None, trace: str | None = None, **more: Any
    ) -> None:
        task = Task(self.plan.key(cell), cell, self.plan.facts(cell))
        values = {"status": status, "reason": reason, "traceback": trace, **more}
        put_record(self.store, task.record(**self.record_fields, **values))
        self.progress.finish_cell(cell, status)

    def _record_lost(self, task: Task, reason: str) -> None:
        self._record(task.cell, "failed", reason, transient=True)


def _has_no_scheduled_cells(store: Store) -> bool:
    """Whether every scheduler confirms that it has no cells of this folder."""
    keys, is_known = find_scheduled(store)
    return is_known and not keys


def _modules(cells: list[Cell]) -> list[str]:
    """The modules that the server preloads: the methods and their requirements."""
    names = {cell.method for cell in cells if cell.unavailable is None}
    methods = [entry("methods", name) for name in sorted(names)]
    # torch imports _dynamo (4 s) with the first optimiser. Preloading keeps it off a cell's clock.
    trains = any(method.relies_on("deepmapper/training/trainer.py") for method in methods)
    needs = ["torch"] if any(method.may_use_torch for method in methods) else []
    needs += ["torch._dynamo", "captum.attr"] if trains else []
    return [*needs, *(name for method in methods for name in (*method.requires, method.module))]


def _store_spec(folder: Path, spec: Spec, text: str) -> None:
    """Store the spec with its results. Refuse a folder of another spec."""
    path = folder / "spec.toml"
    if not path.is_file():
        write_atomically(path, lambda file: file.write(text.encode()))
        return
    before = parse_spec(path.read_text(), str(path)).without_run_options()
    now = spec.without_run_options()
    if before != now:
        changed = [
            name for name in type(spec).model_fields if getattr(before, name) != getattr(now, name)
        ]
        message = (
            f"{folder} holds the results of another spec ({before.name!r}; different: "
            f"{', '.join(changed)}). Choose another --out, or move that folder away."
        )
        raise BenchError(message)
