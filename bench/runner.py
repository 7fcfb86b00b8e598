"""From a spec to a filled store: make tables, run what is missing, record what was killed."""

import fcntl
import json
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.catalog import entry
from bench.cell import Cell, TableRequest, expand
from bench.environment import environment
from bench.errors import BenchError
from bench.processes import Ended, Processes, share_cores
from bench.progress import Progress
from bench.server import DISK_FULL
from bench.spec import Spec, parse_spec
from bench.store import Record, Store, write_atomically
from bench.tables import describe_failure, description, discard_arrays, is_ready

ATTEMPTS = 2  # a cell that something else killed is tried once more


@dataclass(frozen=True)
class Selection:
    """The part of a spec to run; empty means all of it."""

    datasets: Collection[str] = ()
    methods: Collection[str] = ()
    seeds: Collection[int] = ()


@dataclass
class Plan:
    """The cells of a run, with what is known of their tables."""

    cells: list[Cell]
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)  # request id -> description

    def facts(self, cell: Cell) -> dict[str, Any]:
        return {**self.tables[cell.table.id], "label": cell.table.label}

    def key(self, cell: Cell) -> str:
        return cell.key(self.tables[cell.table.id]["checksum"])


def run(
    spec: Spec,
    text: str,
    folder: Path,
    device: str,
    *,
    selection: Selection = Selection(),
    jobs: int | None = None,
    fresh: bool = False,
    progress: Progress | None = None,
) -> Store:
    """Run what the store does not have yet; returns the store.

    Args:
        text: the spec as TOML, kept beside the results.
        device: "cpu", "cuda" or "mps", already resolved.
        jobs: cells side by side; the spec's number if None.
        fresh: run the selected cells again; their records are set aside.

    Raises:
        BenchError: the folder belongs to another spec or is in use, or a disk is full.
    """
    plan = Plan(expand(spec, device, **asdict(selection)))
    store = Store(folder)
    store.create()
    with _locked(folder):
        _claim(folder, spec, text)
        for _ in store.records():  # each is readable and of this schema, or the run stops here
            pass
        _clean_up(folder)
        cores = share_cores(jobs or spec.jobs)
        context = {"jobs": len(cores), "threads": len(cores[0]), "environment": environment()}
        facts = json.dumps(context["environment"], indent=1).encode()
        write_atomically(folder / "environment.json", lambda file: file.write(facts))
        with Processes(_modules(plan.cells), cores, folder / "running") as processes:
            _Run(store, spec, plan, processes, context, progress or Progress()).all(fresh)
        discard_arrays(folder / "tables")
        shutil.rmtree(folder / "running", ignore_errors=True)
    return store


@dataclass
class _Run:
    store: Store
    spec: Spec
    plan: Plan
    processes: Processes
    context: dict[str, Any]
    progress: Progress

    def all(self, fresh: bool) -> None:
        self._make_tables([c for c in self.plan.cells if not self._has_description(c)])
        self._set_aside(fresh)
        missing = [c for c in self.plan.cells if not self.store.has(self.plan.key(c))]
        self.progress.start(len(self.plan.cells), len(self.plan.cells) - len(missing))
        self._make_tables([c for c in missing if not self._is_ready(c)])
        self._run_cells(self._record_impossible(missing))
        self.progress.stop()

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
        """Make the tables of these cells, in processes of their own."""
        waiting = list({cell.table.id: cell.table for cell in cells}.values())
        while waiting or self.processes.jobs:
            while waiting and self.processes.free:
                request = waiting.pop()
                self.progress.note(f"making table {request.label}")
                self._submit({"kind": "table", "table": asdict(request)}, request.id)
            for ended in self.processes.events():
                self._take_table(ended)

    def _submit(self, payload: dict[str, Any], name: str) -> None:
        answer = self.store.folder / "running" / f"{name}.table.json"
        payload |= {"folder": str(self.store.folder.resolve()), "answer": str(answer.resolve())}
        # Making a table is no contestant's business: it gets more time and memory.
        limits = self.spec.limits
        self.processes.submit(payload, max(600.0, limits.timeout_seconds), 8 * limits.memory_mib)

    def _take_table(self, ended: Ended) -> None:
        request = TableRequest(**ended.job.payload["table"])
        answer = Path(ended.job.payload["answer"])
        if ended.code == 0:
            self.plan.tables[request.id] = json.loads(answer.read_text())
            return
        if ended.code == DISK_FULL:
            raise _disk_full(self.store.folder)
        lines = ended.output.strip().splitlines() or [f"exit code {ended.code}"]
        reason = ended.killed_for or lines[-1]
        failure = describe_failure(request, "failed", f"making the table: {reason}")
        self.plan.tables[request.id] = {**failure, "traceback": ended.output}

    def _set_aside(self, fresh: bool) -> None:
        """Records of this grid's places that no longer count: stale, transient, or unwanted."""
        keys = {cell.place: self.plan.key(cell) for cell in self.plan.cells}
        for record in list(self.store.records()):
            place = (record["dataset"]["label"], record["method"]["label"], record["seed"])
            if place not in keys:
                continue
            stale = record["key"] != keys[place]
            if stale or fresh or record["transient"] or record["status"] == "unavailable":
                self.store.supersede(record["key"])

    def _record_impossible(self, cells: list[Cell]) -> list[Cell]:
        """Record the cells whose table or method cannot be had; return the others."""
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

    def _run_cells(self, cells: list[Cell]) -> None:
        # The largest tables last out of the list, so first to run: no long cell is left alone.
        def size(cell: Cell) -> int:
            facts = self.plan.facts(cell)
            return int(facts["n_samples"]) * int(facts["n_features"])

        waiting = sorted(((cell, 1) for cell in cells), key=lambda item: size(item[0]))
        numbers: dict[int, tuple[Cell, int]] = {}
        while waiting or self.processes.jobs:
            while waiting and self.processes.free:
                cell, attempt = waiting.pop()
                numbers[self._start(cell)] = (cell, attempt)
                self.progress.started()
            for ended in self.processes.events():
                cell, attempt = numbers.pop(ended.job.number)
                if self._was_killed_by_others(cell, ended) and attempt < ATTEMPTS:
                    waiting.append((cell, attempt + 1))
                    self.progress.requeued()
                else:
                    self._close(cell, ended)
            self.progress.tick()

    def _start(self, cell: Cell) -> int:
        payload = {
            "kind": "cell",
            "folder": str(self.store.folder.resolve()),
            "cell": asdict(cell),
            "dataset": self.plan.facts(cell),
            "context": self.context,
        }
        limits = self.spec.limits
        return self.processes.submit(payload, limits.timeout_seconds, limits.memory_mib).number

    def _was_killed_by_others(self, cell: Cell, ended: Ended) -> bool:
        return ended.code < 0 and not ended.killed_for and not self.store.has(self.plan.key(cell))

    def _close(self, cell: Cell, ended: Ended) -> None:
        """Count the cell; write the record that a killed process could not write."""
        key = self.plan.key(cell)
        if self.store.has(key):
            record = self.store.record(key)
            self.progress.ended(cell, record["status"], record["wall_seconds"] or 0.0)
            return
        if ended.code == DISK_FULL:
            raise _disk_full(self.store.folder)
        limits = self.spec.limits
        during = _progress_of(self.store.folder, key)
        where = f" during {during['current']}" if during.get("current") else ""
        if ended.killed_for == "timeout":
            status, reason = "timeout", f"over {limits.timeout_seconds:g} s{where}"
        elif ended.killed_for == "out_of_memory":
            status, reason = "out_of_memory", f"over {limits.memory_mib} MiB{where}"
        elif ended.code < 0:
            status, reason = "failed", f"killed by signal {-ended.code}{where}"
        else:
            status, reason = "failed", f"its process ended with code {ended.code}{where}"
        transient = ended.code < 0 and ended.killed_for is None
        self._record(
            cell,
            status,
            reason,
            ended.output.strip() or None,
            phases=during.get("phases", {}),
            transient=transient,
        )

    def _record(
        self, cell: Cell, status: str, reason: str | None, trace: str | None = None, **more: Any
    ) -> None:
        from bench.worker import blank_record

        record: Record = blank_record(cell, self.plan.facts(cell), self.context)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        record |= {"status": status, "reason": reason, "traceback": trace, "finished": now, **more}
        try:
            self.store.put(record)
        except OSError as error:
            raise _disk_full(self.store.folder) from error
        self.progress.ended(cell, status, 0.0)


def _modules(cells: list[Cell]) -> list[str]:
    """What the server loads beforehand: the methods of the plan and what they require."""
    names = {cell.method for cell in cells if cell.unavailable is None}
    found = [entry("methods", name) for name in sorted(names)]
    # torch imports _dynamo (4 s) when the first optimiser is made: not on a cell's clock.
    trains = any(one.relies_on("deepmapper/trainer.py") for one in found)
    needs = ["torch._dynamo", "captum.attr"] if trains else []
    return [*needs, *(module for one in found for module in (*one.requires, one.module))]


def _disk_full(folder: Path) -> BenchError:
    message = (
        f"a record could not be written to {folder}: the disk is full or a size limit is reached. "
        "Free some space and run the same command again: every finished cell is kept."
    )
    return BenchError(message)


def _progress_of(folder: Path, key: str) -> dict[str, Any]:
    """How far a killed cell had come; {} where that cannot be told."""
    path = folder / "running" / f"{key}.json"
    try:
        return json.loads(path.read_text())
    except (OSError, json.JSONDecodeError):
        return {}


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One run at a time in a folder; the lock goes with the process, however that ends."""
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            message = f"another run is writing to {folder}; wait for it, or choose another --out"
            raise BenchError(message) from error
        yield


def _claim(folder: Path, spec: Spec, text: str) -> None:
    """Keep the spec with its results; refuse a folder that holds the results of another one."""
    path = folder / "spec.toml"
    if not path.is_file():
        write_atomically(path, lambda file: file.write(text.encode()))
        return
    before = parse_spec(path.read_text(), str(path))
    if before != spec:
        changed = [
            name for name in type(spec).model_fields if getattr(before, name) != getattr(spec, name)
        ]
        message = (
            f"{folder} holds the results of another spec ({before.name!r}; different: "
            f"{', '.join(changed)}). Choose another --out, or move that folder away."
        )
        raise BenchError(message)


def _clean_up(folder: Path) -> None:
    """Leftovers of a run that was killed: half-written files and progress notes."""
    shutil.rmtree(folder / "running", ignore_errors=True)
    (folder / "running").mkdir()
    for place in (folder / "cells", folder / "artifacts", folder / "tables", folder):
        for path in place.glob(".*.json.*"):
            path.unlink(missing_ok=True)
        for path in place.glob(".*.npz.*"):
            path.unlink(missing_ok=True)
