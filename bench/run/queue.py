"""Gives tasks to an executor until each task has a record."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from bench.cluster import Executor
from bench.cluster.submissions import elsewhere
from bench.run.progress import Progress
from bench.run.work import Ended, Task
from bench.store.store import Store

ATTEMPTS = 2  # a task that comes back without a record is submitted once more
LOOK_AGAIN_SECONDS = 1.0  # at a cell that another process works on
ASK_AGAIN_SECONDS = 10.0  # a scheduler about what it has from an earlier run
LATE_SECONDS = 60.0  # a shared folder may take so long to show what another machine wrote


@dataclass
class _Open:
    """A task without a record; `due` is when to look at it again."""

    task: Task
    due: float = 0.0
    attempts: int = 0
    seen_elsewhere: float | None = None


class Queue:
    """The tasks of a run that have no record yet.

    Args:
        record_lost: writes the record of a task that came back without one, given the reason.
    """

    def __init__(
        self, store: Store, progress: Progress, record_lost: Callable[[Task, str], None]
    ) -> None:
        self._store, self._progress, self._record_lost = store, progress, record_lost
        self._waiting: deque[_Open] = deque()
        self._given: dict[str, _Open] = {}
        self._later: list[_Open] = []

    def run(self, executor: Executor, tasks: list[Task]) -> None:
        """Submit the tasks in their order; returns when each has a record."""
        self._later = [_Open(task) for task in tasks]
        self._look_again()
        while self._waiting or self._later or executor.busy:
            while self._waiting and executor.room:
                item = self._waiting.popleft()
                self._given[item.task.key] = item
                executor.submit(item.task)
                self._progress.started()
            for ended in executor.events():
                self._take_back(ended)
            self._look_again()
            if self._later and not self._waiting and not executor.busy:
                time.sleep(0.1)
            self._progress.tick()

    def _look_again(self) -> None:
        """Submit the tasks that are due, except those that a scheduler has from an earlier run."""
        now = time.monotonic()
        due = [item for item in self._later if item.due <= now]
        if not due:
            return
        self._later = [item for item in self._later if item.due > now]
        taken = elsewhere(self._store).keys
        for item in due:
            if item.task.key in taken and not self._store.has(item.task.key):
                item.due = now + ASK_AGAIN_SECONDS
                self._later.append(item)
            else:
                self._waiting.append(item)

    def _take_back(self, ended: Ended) -> None:
        """Close a task that has its record; keep it open otherwise."""
        item = self._given.pop(ended.key)
        if not self._is_done(item, ended):
            wait = LOOK_AGAIN_SECONDS if ended.held or ended.written else 0.0
            item.due = time.monotonic() + wait
            self._later.append(item)
            self._progress.requeued()

    def _is_done(self, item: _Open, ended: Ended) -> bool:
        """Whether the task has its record by now; one that came back twice gets one here."""
        task = item.task
        if self._store.has(task.key):
            self._progress.ended(task.cell, self._store.record(task.key)["status"])
            return True
        if ended.held or (ended.written and _may_be_late(item)):
            return False
        item.attempts += 1
        if item.attempts < ATTEMPTS:
            return False
        self._record_lost(task, ended.reason)
        return True


def _may_be_late(item: _Open) -> bool:
    """Whether a record that another machine saw may still appear here."""
    now = time.monotonic()
    if item.seen_elsewhere is None:
        item.seen_elsewhere = now
    return now - item.seen_elsewhere < LATE_SECONDS
