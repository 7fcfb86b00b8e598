"""Submit tasks to an executor until each task has a record."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from bench.cluster import Executor
from bench.cluster.submissions import find_scheduled
from bench.run.progress import Progress
from bench.run.tasks import Task, TaskResult
from bench.store.store import Store

ATTEMPTS = 2  # a task that ends without a record is submitted again
CLAIMED_RETRY_SECONDS = 1.0  # until a task that another run has claimed is retried
SCHEDULER_RETRY_SECONDS = 10.0  # until the scheduler is asked again about cells of an earlier run
LATE_SECONDS = 60.0  # maximum delay until a shared folder shows a file of another machine


@dataclass
class _OpenTask:
    """A task without a record. `due` is the time of its next attempt."""

    task: Task
    due: float = 0.0
    attempts: int = 0
    written_since: float | None = None


class Queue:
    """The tasks of a run that have no record yet.

    `record_lost(task, reason)` writes the record of a task that ended without one.
    """

    def __init__(
        self, store: Store, progress: Progress, record_lost: Callable[[Task, str], None]
    ) -> None:
        self._store, self._progress, self._record_lost = store, progress, record_lost
        self._waiting: deque[_OpenTask] = deque()
        self._submitted: dict[str, _OpenTask] = {}
        self._delayed: list[_OpenTask] = []

    def run(self, executor: Executor, tasks: list[Task]) -> None:
        """Submit the tasks in order. Return when each has a record."""
        self._delayed = [_OpenTask(task) for task in tasks]
        self._queue_due_tasks()
        while self._waiting or self._delayed or executor.busy:
            while self._waiting and executor.room:
                item = self._waiting.popleft()
                self._submitted[item.task.key] = item
                executor.submit(item.task)
                self._progress.start_cell()
            for result in executor.events():
                self._handle_result(result)
            self._queue_due_tasks()
            if self._delayed and not self._waiting and not executor.busy:
                time.sleep(0.1)
            self._progress.tick()

    def _queue_due_tasks(self) -> None:
        """Queue the tasks that are due, unless a scheduler has them from an earlier run."""
        now = time.monotonic()
        due = [item for item in self._delayed if item.due <= now]
        if not due:
            return
        self._delayed = [item for item in self._delayed if item.due > now]
        scheduled = find_scheduled(self._store).keys
        for item in due:
            if item.task.key in scheduled and not self._store.has(item.task.key):
                item.due = now + SCHEDULER_RETRY_SECONDS
                self._delayed.append(item)
            else:
                self._waiting.append(item)

    def _handle_result(self, result: TaskResult) -> None:
        """Close a task that has its record. Otherwise keep it open."""
        item = self._submitted.pop(result.key)
        if not self._is_done(item, result):
            wait = CLAIMED_RETRY_SECONDS if result.claimed or result.written else 0.0
            item.due = time.monotonic() + wait
            self._delayed.append(item)
            self._progress.requeue_cell()

    def _is_done(self, item: _OpenTask, result: TaskResult) -> bool:
        """Whether the task has a record. The last attempt writes one if it is missing."""
        task = item.task
        if self._store.has(task.key):
            self._progress.finish_cell(task.cell, self._store.record(task.key)["status"])
            return True
        if result.claimed or (result.written and _may_be_late(item)):
            return False
        item.attempts += 1
        if item.attempts < ATTEMPTS:
            return False
        self._record_lost(task, result.reason)
        return True


def _may_be_late(item: _OpenTask) -> bool:
    """Whether a record that another machine has seen may still appear here."""
    now = time.monotonic()
    if item.written_since is None:
        item.written_since = now
    return now - item.written_since < LATE_SECONDS
