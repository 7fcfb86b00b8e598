"""Run cells on this machine, each in a process with limits, claimed by one run."""

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
from bench.metrics import score_arrays
from bench.run.phases import read_progress
from bench.run.tasks import CellSettings, Task, TaskResult
from bench.store.locks import Claims
from bench.store.records import Record
from bench.store.store import DISK_FULL, Store, disk_full
from bench.store.tables import is_ready

ATTEMPTS = 2  # a cell that was killed from outside is repeated


class Node:
    """Runs tasks in the slots of this machine. Use as a context manager.

    A slot has room for one cell. `executor` is a name for the records.
    """

    def __init__(self, settings: CellSettings, slots: list[Slot], executor: str) -> None:
        self.store = Store(settings.folder)
        self._settings = settings
        self._claims = Claims(self.store.folder / "running")
        self._running: dict[int, tuple[Task, int]] = {}
        self._results: list[TaskResult] = []
        self._source_hash = cache(lambda method: entry("methods", method).source_hash)
        self._record_fields: dict[str, Any] = {
            "jobs": len(slots),
            "threads": len(slots[0].cores),
            "shared": list(slots[0].shared),
            "executor": executor,
            "environment": environment(),
            "limits": asdict(settings.limits),
        }
        logs = self.store.folder / "running"
        logs.mkdir(exist_ok=True)
        self._processes = Processes(
            ["bench.run.worker", *settings.modules],
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
        return bool(self._running or self._results)

    def submit(self, task: Task) -> None:
        """Run a task. There must be room."""
        if self.store.has(task.key):
            self._results.append(TaskResult(task.key, written=True))
        elif reason := self._find_obstacle(task):
            self._results.append(TaskResult(task.key, reason=reason))
        elif not self._claim(task.key):
            self._results.append(TaskResult(task.key, claimed=True))
        elif self.store.has(task.key):  # written between the check and the claim
            self._claims.drop(task.key)
            self._results.append(TaskResult(task.key, written=True))
        else:
            self._start(task, 1)

    def events(self) -> Iterator[TaskResult]:
        """Wait for a moment, and return the tasks that have ended.

        Raises BenchError if the disk is full, or if the process that starts the cells has died.
        """
        waiting, self._results = self._results, []
        yield from waiting
        for job in self._processes.events(at_once=bool(waiting)):
            task, attempt = self._running.pop(job.number)
            if self._was_killed_by_others(task, job) and attempt < ATTEMPTS:
                self._start(task, attempt + 1)
                continue
            try:
                self._record_killed(task, job)
            finally:
                self._claims.drop(task.key)
            yield TaskResult(task.key, written=True)

    def _claim(self, key: str) -> bool:
        try:
            return self._claims.take(key)
        except OSError as error:
            raise disk_full(self.store.folder) from error

    def _find_obstacle(self, task: Task) -> str | None:
        """The reason why this machine cannot run the task, or None."""
        if self._source_hash(task.cell.method) != task.cell.source_hash:
            return (
                f"the source of {task.cell.method!r} differs from that where the run was started: "
                "use the same checkout on all machines"
            )
        if not is_ready(self.store.folder / "tables", task.cell.table):
            return "the arrays of its table are missing; run the same command again"
        return None

    def _start(self, task: Task, attempt: int) -> None:
        draft = self.store.draft_path(task.key)
        draft.unlink(missing_ok=True)  # of an attempt that was killed
        payload = {
            "folder": str(self.store.folder),
            "cell": asdict(task.cell),
            "record": task.record(**self._record_fields).to_dict(),
        }
        call = "bench.run.worker:run_job"
        job = self._processes.submit(call, payload, self._settings.limits, draft)
        self._running[job.number] = (task, attempt)

    def _was_killed_by_others(self, task: Task, job: Job) -> bool:
        return job.code < 0 and not job.killed_for and not self.store.has(task.key)

    def _record_killed(self, task: Task, job: Job) -> None:
        """Write the record of a killed cell."""
        if self.store.has(task.key):
            return
        if job.code == DISK_FULL:
            raise disk_full(self.store.folder)
        progress = read_progress(self.store.folder, task.key)
        status = job.killed_for or "failed"
        reason = job.excess or f"its process ended with code {job.code}"
        if job.code < 0 and not job.killed_for:
            reason = f"killed by signal {-job.code}"
        if progress.get("current"):
            reason += f" during {progress['current']}"
        fields = {
            "phases": progress.get("phases", {}),
            "transient": job.code < 0 and job.killed_for is None,
        }
        draft = self.store.draft(task.key)
        if draft is not None:  # with the predictions
            record, arrays = draft
            fields["attribution_status"], fields["attribution_reason"] = status, reason
            try:
                metrics = score_arrays(arrays, record.dataset.relevant)
            except Exception as error:  # a method may return anything
                reason = f"its predictions cannot be scored: {error}"
                fields = {k: v for k, v in fields.items() if not k.startswith("attribution_")}
            else:
                put_record(self.store, replace(record, **fields, metrics=metrics), arrays)
                return
        record = task.record(
            **self._record_fields,
            **fields,
            status=status,
            reason=reason,
            traceback=job.output.strip() or None,
            cpu_seconds=job.cpu_seconds,
            near_limit=job.killed_for is not None,
        )
        put_record(self.store, record)


def put_record(store: Store, record: Record, arrays: dict[str, np.ndarray] | None = None) -> None:
    """Write a record for a cell without one. BenchError if the disk is full."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        store.put(replace(record, finished=now), arrays)
    except OSError as error:
        raise disk_full(store.folder) from error
