"""Cells on this machine: each in a process of its own, within its limits, taken by one alone."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from bench.catalog import entry
from bench.cell import Cell
from bench.machine.environment import environment
from bench.machine.processes import Ended as Exited
from bench.machine.processes import Limits, Processes, job_environment
from bench.machine.slots import Slot
from bench.run.note import read_note
from bench.run.work import Ended, Task, Work
from bench.store.claims import Claims
from bench.store.store import DISK_FULL, Store, disk_full
from bench.store.tables import is_ready

ATTEMPTS = 2  # a cell that something else killed is tried once more


class Node:
    """Runs tasks in the slots of this machine. Use as a context manager.

    Args:
        slots: room for one cell each.
        executor: its name, for the records.
    """

    def __init__(self, work: Work, slots: list[Slot], executor: str) -> None:
        self.store = Store(work.folder)
        self._work = work
        self._claims = Claims(self.store.folder)
        self._running: dict[int, tuple[Task, int]] = {}
        self._ended: list[Ended] = []
        self._context = {
            "jobs": len(slots),
            "threads": len(slots[0].cores),
            "shared": list(slots[0].shared),
            "executor": executor,
            "environment": environment(),
        }
        logs = self.store.folder / "running"
        logs.mkdir(exist_ok=True)
        self._processes = Processes(
            ["bench.run.worker", *work.modules],
            slots,
            job_environment(len(slots[0].cores)),
            logs=logs,
        )

    def __enter__(self) -> "Node":
        return self

    def __exit__(self, *error: object) -> None:
        self._processes.__exit__(*error)
        self._claims.drop_all()

    @property
    def room(self) -> int:
        """How many more tasks can be at work."""
        return self._processes.room

    @property
    def busy(self) -> bool:
        return bool(self._running or self._ended)

    def submit(self, task: Task) -> None:
        """Run a task; there has to be room."""
        if self.store.has(task.key):
            self._ended.append(Ended(task.key, written=True))
        elif reason := self._obstacle(task):
            self._ended.append(Ended(task.key, reason=reason))
        elif not self._take(task.key):
            self._ended.append(Ended(task.key, held=True))
        elif self.store.has(task.key):  # somebody wrote it between the look and the claim
            self._claims.drop(task.key)
            self._ended.append(Ended(task.key, written=True))
        else:
            self._start(task, 1)

    def events(self) -> Iterator[Ended]:
        """What ended within the next moment.

        Raises:
            BenchError: the disk is full, or the process that starts the cells is gone.
        """
        self._claims.beat()
        waiting, self._ended = self._ended, []
        yield from waiting
        for exited in self._processes.events(at_once=bool(waiting)):
            task, attempt = self._running.pop(exited.job.number)
            if self._was_killed_by_others(task, exited) and attempt < ATTEMPTS:
                self._start(task, attempt + 1)
                continue
            try:
                self._close(task, exited)
            finally:
                self._claims.drop(task.key)
            yield Ended(task.key, written=True)

    def _take(self, key: str) -> bool:
        try:
            return self._claims.take(key)
        except OSError as error:
            raise disk_full(self.store.folder) from error

    def _obstacle(self, task: Task) -> str | None:
        """Why this machine cannot run the task; nothing is recorded then."""
        here = entry("methods", task.cell.method)
        if here.source_hash != task.cell.source_hash:
            return (
                f"the source of {task.cell.method!r} is another on this machine than where the "
                "run was started: use the same checkout"
            )
        if not is_ready(self.store.folder / "tables", task.cell.table):
            return "the arrays of its table are gone; run the same command again"
        return None

    def _start(self, task: Task, attempt: int) -> None:
        payload = {
            "folder": str(self.store.folder),
            "cell": asdict(task.cell),
            "dataset": task.dataset,
            "context": self._context,
        }
        work = self._work
        limits = Limits(work.timeout_seconds, work.memory_mib)
        job = self._processes.submit("bench.run.worker:run_job", payload, limits)
        self._running[job.number] = (task, attempt)

    def _was_killed_by_others(self, task: Task, exited: Exited) -> bool:
        return exited.code < 0 and not exited.killed_for and not self.store.has(task.key)

    def _close(self, task: Task, exited: Exited) -> None:
        """Write the record that a killed process could not write."""
        if self.store.has(task.key):
            return
        if exited.code == DISK_FULL:
            raise disk_full(self.store.folder)
        during = read_note(self.store.folder, task.key)
        where = f" during {during['current']}" if during.get("current") else ""
        if exited.killed_for == "timeout":
            status, reason = "timeout", f"over {self._work.timeout_seconds:g} s{where}"
        elif exited.killed_for == "out_of_memory":
            status, reason = "out_of_memory", f"over {self._work.memory_mib} MiB{where}"
        elif exited.code < 0:
            status, reason = "failed", f"killed by signal {-exited.code}{where}"
        else:
            status, reason = "failed", f"its process ended with code {exited.code}{where}"
        record_failure(
            self.store,
            task.cell,
            task.dataset,
            self._context,
            status=status,
            reason=reason,
            traceback=exited.output.strip() or None,
            phases=during.get("phases", {}),
            transient=exited.code < 0 and exited.killed_for is None,
        )


def record_failure(
    store: Store, cell: Cell, dataset: dict[str, Any], context: dict[str, Any], **known: Any
) -> None:
    """Write the record of a cell that could not write its own.

    Args:
        known: fields of the record: `status`, `reason`, ...

    Raises:
        BenchError: the disk is full.
    """
    from bench.run.worker import blank_record

    now = datetime.now(UTC).isoformat(timespec="seconds")
    record = blank_record(cell, dataset, context) | {"finished": now, **known}
    try:
        store.put(record)
    except OSError as error:
        raise disk_full(store.folder) from error
