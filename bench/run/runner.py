"""From a spec to a filled store: make tables, run missing cells, record lost ones."""

import json
import shutil
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.catalog import entry
from bench.cell import Cell, expand
from bench.cluster import make_executor
from bench.cluster.submissions import elsewhere
from bench.errors import BenchError
from bench.machine.environment import environment
from bench.machine.node import put_record
from bench.machine.processes import Limits
from bench.run.progress import Progress
from bench.run.queue import Queue
from bench.run.table_making import make_tables
from bench.run.work import Task, Work
from bench.spec import Spec, parse_spec
from bench.store.locks import Presence
from bench.store.store import Store, write_atomically
from bench.store.tables import description, discard_arrays, is_ready


@dataclass(frozen=True)
class Selection:
    """The part of a spec to run; empty means all of it. `added` names further methods."""

    datasets: Collection[str] = ()
    methods: Collection[str] = ()
    seeds: Collection[int] = ()
    added: Collection[str] = ()


@dataclass(frozen=True)
class Means:
    """The way in which cells run.

    Args:
        executor: its name; the spec's if empty.
        jobs: cells side by side; the executor's default if None.
        fresh: run the selected cells again; their records are set aside.
        detach: submit everything, and end.
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
    means: Means = Means(),
    progress: Progress | None = None,
) -> Store:
    """Run the cells that have no record yet; returns the store.

    Several runs may work in one folder: each cell is run by one of them.

    Args:
        text: the spec as TOML, kept beside the results.
        device: "cpu", "cuda" or "mps", already resolved.

    Raises:
        BenchError: the folder belongs to another spec, another run has to be alone in it, a disk
            is full, a scheduler is out of reach.
    """
    plan = Plan(expand(spec, device, **asdict(selection)))
    store = Store(folder.resolve())
    store.create()
    with Presence(store.folder, alone=means.fresh) as presence:
        _keep_spec(store.folder, spec, text)
        with presence.alone() as alone:
            if alone and _nothing_elsewhere(store):
                store.clean_up()
        facts = json.dumps(environment(), indent=1).encode()
        write_atomically(store.folder / "environment.json", lambda file: file.write(facts))
        _Run(store, spec, plan, means, device, progress or Progress()).all(presence)
    return store


@dataclass
class _Run:
    store: Store
    spec: Spec
    plan: Plan
    means: Means
    device: str
    progress: Progress

    def __post_init__(self) -> None:
        self.executor = self.means.executor or self.spec.executor.name
        self.circumstances: dict[str, Any] = {
            "jobs": self.means.jobs or self.spec.jobs,
            "threads": 1,
            "executor": self.executor,
            "environment": environment(),
        }

    def all(self, presence: Presence) -> None:
        self._make_tables([c for c in self.plan.cells if not self._has_description(c)])
        self._set_aside()
        presence.share()  # --fresh needs to be alone no longer
        done = self.store.keys()
        missing = [c for c in self.plan.cells if self.plan.key(c) not in done]
        self.progress.start(len(self.plan.cells), len(self.plan.cells) - len(missing))
        self._make_tables([c for c in missing if not self._is_ready(c)])
        tasks = self._tasks(self._record_impossible(missing))
        if tasks:
            self._give_out(tasks)
        self.progress.stop()
        with presence.alone() as alone:
            if alone and _nothing_elsewhere(self.store):
                discard_arrays(self.store.folder / "tables")
                shutil.rmtree(self.store.folder / "running", ignore_errors=True)

    @property
    def _tables(self) -> Path:
        return self.store.folder / "tables"

    def _has_description(self, cell: Cell) -> bool:
        known = description(self._tables, cell.table)
        if known is not None:
            self.plan.tables[cell.table.id] = known
        return known is not None

    def _is_ready(self, cell: Cell) -> bool:
        unavailable = self.plan.tables[cell.table.id]["checksum"] is None
        return unavailable or is_ready(self._tables, cell.table)

    def _make_tables(self, cells: list[Cell]) -> None:
        self.plan.tables |= make_tables(
            [cell.table for cell in cells],
            self.store.folder,
            self.spec.limits,
            jobs=self.means.jobs or self.spec.jobs,
            note=self.progress.note,
        )

    def _set_aside(self) -> None:
        """Set aside the records of this grid that are stale, transient or unwanted.

        Each record is read here, so that a broken one or another schema stops the run.
        """
        keys = {cell.place: self.plan.key(cell) for cell in self.plan.cells}
        for key in sorted(self.store.keys()):
            record = self.store.read(key)
            if record.place not in keys:
                continue
            stale = key != keys[record.place]
            again = record.transient or record.status == "unavailable"
            if stale or again or self.means.fresh:
                self.store.supersede(key)

    def _record_impossible(self, cells: list[Cell]) -> list[Cell]:
        """Record the cells whose table or method is unavailable; return the others."""
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
        """The tasks, the largest tables first: no long cell is left alone at the end."""
        order = sorted(cells, key=self.plan.size, reverse=True)
        return [Task(self.plan.key(cell), cell, self.plan.facts(cell)) for cell in order]

    def _give_out(self, tasks: list[Task]) -> None:
        limits = self.spec.limits
        work = Work(
            str(self.store.folder),
            tuple(_modules([task.cell for task in tasks])),
            self.device,
            Limits(limits.cpu_seconds, limits.wall_seconds, limits.memory_mib),
        )
        with make_executor(self.executor, self.spec, work, self.means.jobs) as executor:
            if self.means.detach:
                self._leave(executor, tasks)
            else:
                Queue(self.store, self.progress, self._record_lost).run(executor, tasks)

    def _leave(self, executor: Any, tasks: list[Task]) -> None:
        """Submit the tasks that no scheduler has yet."""
        taken = elsewhere(self.store).keys
        rest = [task for task in tasks if task.key not in taken]
        if rest:
            executor.leave(rest)
        self.progress.note(f"{len(rest)} cells submitted, {len(tasks) - len(rest)} were before")

    def _record(
        self, cell: Cell, status: str, reason: str | None, trace: str | None = None, **more: Any
    ) -> None:
        task = Task(self.plan.key(cell), cell, self.plan.facts(cell))
        known = {"status": status, "reason": reason, "traceback": trace, **more}
        put_record(self.store, task.record(**self.circumstances, **known))
        self.progress.ended(cell, status)

    def _record_lost(self, task: Task, reason: str) -> None:
        self._record(task.cell, "failed", reason, transient=True)


def _nothing_elsewhere(store: Store) -> bool:
    """Whether all schedulers answer that they have no cells of this folder."""
    keys, is_known = elsewhere(store)
    return is_known and not keys


def _modules(cells: list[Cell]) -> list[str]:
    """The modules that the server loads first: the methods and what they require."""
    names = {cell.method for cell in cells if cell.unavailable is None}
    methods = [entry("methods", name) for name in sorted(names)]
    # torch imports _dynamo (4 s) when the first optimiser is made: not on a cell's clock.
    trains = any(method.relies_on("deepmapper/training/trainer.py") for method in methods)
    needs = ["torch"] if any(method.may_use_torch for method in methods) else []
    needs += ["torch._dynamo", "captum.attr"] if trains else []
    return [*needs, *(name for method in methods for name in (*method.requires, method.module))]


def _keep_spec(folder: Path, spec: Spec, text: str) -> None:
    """Keep the spec with its results; refuse a folder that holds the results of another one."""
    path = folder / "spec.toml"
    if not path.is_file():
        write_atomically(path, lambda file: file.write(text.encode()))
        return
    before = parse_spec(path.read_text(), str(path)).what_is_measured()
    now = spec.what_is_measured()
    if before != now:
        changed = [
            name for name in type(spec).model_fields if getattr(before, name) != getattr(now, name)
        ]
        message = (
            f"{folder} holds the results of another spec ({before.name!r}; different: "
            f"{', '.join(changed)}). Choose another --out, or move that folder away."
        )
        raise BenchError(message)
