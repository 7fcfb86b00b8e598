"""Cells on this machine: each in a process of its own, within its limits, claimed by one run."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

import numpy as np

from bench.catalog import entry
from bench.machine.environment import environment
from bench.machine.processes import Job, Processes, job_environment
from bench.machine.slots import Slot
from bench.metrics import of_arrays
from bench.run.phases import read_note
from bench.run.work import Ended, Task, Work
from bench.store.locks import Claims
from bench.store.records import Record
from bench.store.store import DISK_FULL, Store, disk_full
from bench.store.tables import is_ready

ATTEMPTS = 2  # a cell that was killed from outside is tried once more


class Node:
    """Runs tasks in the slots of this machine. Use as a context manager.

    Args:
        slots: room for one cell each.
        executor: its name, for the records.
    """

    def __init__(self, work: Work, slots: list[Slot], executor: str) -> None:
        self.store = Store(work.folder)
        self._work = work
        self._claims = Claims(self.store.folder / "running")
        self._running: dict[int, tuple[Task, int]] = {}
        self._ended: list[Ended] = []
        self._source_hash = cache(lambda method: entry("methods", method).source_hash)
        self._circumstances: dict[str, Any] = {
            "jobs": len(slots),
            "threads": len(slots[0].cores),
            "shared": list(slots[0].shared),
            "executor": executor,
            "environment": environment(),
            "limits": asdict(work.limits),
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
        """The number of tasks that can start now."""
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
        elif self.store.has(task.key):  # written between the look and the claim
            self._claims.drop(task.key)
            self._ended.append(Ended(task.key, written=True))
        else:
            self._start(task, 1)

    def events(self) -> Iterator[Ended]:
        """Tasks that end within the next moment.

        Raises:
            BenchError: the disk is full, or the process that starts the cells is gone.
        """
        waiting, self._ended = self._ended, []
        yield from waiting
        for job in self._processes.events(at_once=bool(waiting)):
            task, attempt = self._running.pop(job.number)
            if self._was_killed_by_others(task, job) and attempt < ATTEMPTS:
                self._start(task, attempt + 1)
                continue
            try:
                self._close(task, job)
            finally:
                self._claims.drop(task.key)
            yield Ended(task.key, written=True)

    def _take(self, key: str) -> bool:
        try:
            return self._claims.take(key)
        except OSError as error:
            raise disk_full(self.store.folder) from error

    def _obstacle(self, task: Task) -> str | None:
        """Why this machine cannot run the task, without a record of it."""
        if self._source_hash(task.cell.method) != task.cell.source_hash:
            return (
                f"the source of {task.cell.method!r} differs from that where the run was started: "
                "use the same checkout on all machines"
            )
        if not is_ready(self.store.folder / "tables", task.cell.table):
            return "the arrays of its table are gone; run the same command again"
        return None

    def _start(self, task: Task, attempt: int) -> None:
        draft = self.store.draft_path(task.key)
        draft.unlink(missing_ok=True)  # of an attempt that was killed
        payload = {
            "folder": str(self.store.folder),
            "cell": asdict(task.cell),
            "record": task.record(**self._circumstances).to_dict(),
        }
        call = "bench.run.worker:run_job"
        job = self._processes.submit(call, payload, self._work.limits, draft)
        self._running[job.number] = (task, attempt)

    def _was_killed_by_others(self, task: Task, job: Job) -> bool:
        return job.code < 0 and not job.killed_for and not self.store.has(task.key)

    def _close(self, task: Task, job: Job) -> None:
        """Write the record of a killed process, which could not write it."""
        if self.store.has(task.key):
            return
        if job.code == DISK_FULL:
            raise disk_full(self.store.folder)
        note = read_note(self.store.folder, task.key)
        status = job.killed_for or "failed"
        reason = job.excess or f"its process ended with code {job.code}"
        if job.code < 0 and not job.killed_for:
            reason = f"killed by signal {-job.code}"
        if note.get("current"):
            reason += f" during {note['current']}"
        known = {
            "phases": note.get("phases", {}),
            "transient": job.code < 0 and job.killed_for is None,
        }
        draft = self.store.draft(task.key)
        if draft is not None:  # with the predictions
            record, arrays = draft
            known["attribution_status"], known["attribution_reason"] = status, reason
            known["metrics"] = of_arrays(arrays, record.dataset.relevant)
            put_record(self.store, replace(record, **known), arrays)
            return
        record = task.record(
            **self._circumstances,
            **known,
            status=status,
            reason=reason,
            traceback=job.output.strip() or None,
            cpu_seconds=job.cpu_seconds,
            near_limit=job.killed_for is not None,
        )
        put_record(self.store, record)


def put_record(store: Store, record: Record, arrays: dict[str, np.ndarray] | None = None) -> None:
    """Write a record that the cell's own process did not write.

    Raises:
        BenchError: the disk is full.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        store.put(replace(record, finished=now), arrays)
    except OSError as error:
        raise disk_full(store.folder) from error
