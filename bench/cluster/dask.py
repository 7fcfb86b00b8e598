"""Cells on the workers of a dask cluster, a running one or a local one.

A worker keeps one `Node` and runs a cell in each of its threads. It needs the same checkout on its
path, and the output folder under the same path, as the machine that started the run.
"""

import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from concurrent.futures import Future as LocalFuture
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from queue import Empty, Queue, SimpleQueue
from secrets import token_hex
from threading import Lock, Thread
from typing import Any

from distributed import Client, Future, LocalCluster, get_worker

from bench.errors import BenchError
from bench.machine.node import Node
from bench.machine.slots import Leases
from bench.run.tasks import CellSettings, Task, TaskResult
from bench.spec import DaskOptions
from bench.store.locks import RunLock

POLL_SECONDS = 0.1
AHEAD = 4  # queued tasks for each thread of a worker, so that it is never idle
COUNT_WORKERS_SECONDS = 5.0


def make(settings: CellSettings, options: DaskOptions, jobs: int | None, usual_jobs: int) -> "Dask":
    """Make the executor. `jobs` is the number of workers of a local cluster."""
    return Dask(settings, options, jobs or options.workers or usual_jobs)


class Dask:
    """Runs tasks on the workers of a scheduler. Use as a context manager.

    Raises BenchError if the scheduler does not answer or is lost.
    """

    def __init__(self, settings: CellSettings, options: DaskOptions, n_workers: int) -> None:
        self._settings, self._options = settings, options
        self._cluster: LocalCluster | None = None
        self._address = options.address
        if not options.address and not options.scheduler_file:
            self._cluster = LocalCluster(
                n_workers=n_workers, threads_per_worker=1, processes=True, dashboard_address=None
            )
            self._address = self._cluster.scheduler_address
        self._client = self._connect()
        self._futures: dict[str, tuple[Task, Future]] = {}
        self._done: SimpleQueue[tuple[str, Future]] = SimpleQueue()
        self._threads, self._counted = 1, -COUNT_WORKERS_SECONDS

    def __enter__(self) -> "Dask":
        return self

    def __exit__(self, *error: object) -> None:
        for _, future in self._futures.values():
            with suppress(Exception):  # a lost scheduler has nothing to cancel
                future.cancel(force=True)
        with suppress(Exception):
            self._client.close(timeout=5)
        if self._cluster is not None:
            self._cluster.close(timeout=10)

    @property
    def room(self) -> int:
        return max(0, (1 + AHEAD) * self._n_threads() - len(self._futures))

    @property
    def busy(self) -> bool:
        return bool(self._futures)

    def submit(self, task: Task) -> None:
        future = self._submit(task)
        self._futures[task.key] = (task, future)
        future.add_done_callback(lambda done: self._done.put((task.key, done)))

    def events(self) -> Iterator[TaskResult]:
        if self._client.status not in ("running", "connecting"):
            raise self._gone_error()
        with suppress(Empty):
            done = self._done.get(timeout=POLL_SECONDS)
            while True:
                result = self._read_result(*done)
                if result is not None:
                    yield result
                done = self._done.get_nowait()

    def _submit(self, task: Task) -> Future:
        arguments = asdict(self._settings), task.to_dict(), self._options.cores
        key = f"{task.key}-{token_hex(4)}"
        return self._client.submit(run_task, *arguments, key=key, pure=False)

    def _read_result(self, key: str, future: Future) -> TaskResult | None:
        task, current = self._futures.get(key, (None, None))
        if task is None or current is not future:
            return None
        if future.status == "finished":
            del self._futures[key]
            try:
                return TaskResult(**future.result())
            except (CancelledError, OSError, TimeoutError):  # the result is lost with the scheduler
                return TaskResult(key, written=True)
        if future.status != "error":  # cancelled or lost
            raise self._gone_error()
        del self._futures[key]
        error = future.exception()
        if isinstance(error, BenchError):
            raise error
        return TaskResult(key, reason=f"dask: {type(error).__name__}: {error}")

    def _gone_error(self) -> BenchError:
        return BenchError(
            f"the dask scheduler at {self._address} went away. Finished cells are kept: start it "
            "and run the same command again"
        )

    def _n_threads(self) -> int:
        now = time.monotonic()
        if now - self._counted > COUNT_WORKERS_SECONDS:
            self._counted = now
            with suppress(Exception):  # no answer: keep the last number
                self._threads = max(1, sum(self._client.nthreads().values()))
        return self._threads

    def _connect(self) -> Client:
        seconds = self._options.connect_seconds
        options: dict[str, Any] = {"timeout": seconds, "set_as_default": False}
        try:
            if self._options.scheduler_file and not self._address:
                return Client(scheduler_file=self._options.scheduler_file, **options)
            return Client(self._address, **options)
        except (OSError, TimeoutError, ValueError) as error:
            where = self._address or self._options.scheduler_file
            message = f"no dask scheduler answers at {where} ({error}). Is it running?"
            raise BenchError(message) from error


def run_task(settings: dict[str, Any], task: dict[str, Any], cores: int) -> dict[str, Any]:
    """Run a cell in its process, on a worker. Return the result of the task."""
    parsed = CellSettings.from_dict(settings)
    with RunLock(Path(parsed.folder)):
        return asdict(_get_pump(parsed, cores).run(Task.from_dict(task)))


class Pump:
    """A node in a thread of its own, to which several threads submit tasks."""

    def __init__(self, settings: CellSettings, n_slots: int, cores: int) -> None:
        self.settings = settings
        self._tasks: Queue[tuple[Task, LocalFuture[TaskResult]]] = Queue()
        self._lock = Lock()
        self._stopped_by: Exception | None = None
        self._leases = Leases()
        self._slots = [self._leases.slot(cores, settings.device) for _ in range(n_slots)]
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def run(self, task: Task) -> TaskResult:
        """Run a task. Raises the errors of the node."""
        future: LocalFuture[TaskResult] = LocalFuture()
        with self._lock:
            if self._stopped_by is not None:
                raise self._stopped_by
            self._tasks.put((task, future))
        return future.result()

    def _run(self) -> None:
        futures: dict[str, LocalFuture[TaskResult]] = {}
        try:
            with Node(self.settings, self._slots, "dask") as node:
                while True:
                    self._submit_waiting(node, futures)
                    for result in node.events():
                        futures.pop(result.key).set_result(result)
        except Exception as error:  # every waiting thread gets the error
            with _pumps_lock:
                if _pumps.get("current") is self:
                    del _pumps["current"]
            self._leases.close()
            with self._lock:  # from here on, no task is accepted
                self._stopped_by = error
            waiting = [future for _, future in self._tasks.queue]
            for future in (*futures.values(), *waiting):
                future.set_exception(error)

    def _submit_waiting(self, node: Node, futures: dict[str, LocalFuture[TaskResult]]) -> None:
        """Submit waiting tasks to the node. Wait for a task if the node is idle."""
        while node.room:
            try:
                task, future = self._tasks.get(block=not node.busy)
            except Empty:
                return
            if task.key in futures:  # submitted twice: the second is retried later
                future.set_result(TaskResult(task.key, claimed=True))
                continue
            futures[task.key] = future
            node.submit(task)


_pumps: dict[str, Pump] = {}
_pumps_lock = Lock()


def _get_pump(settings: CellSettings, cores: int) -> Pump:
    """Get the node of this worker. It stays for further tasks with equal settings."""
    with _pumps_lock:
        pump = _pumps.get("current")
        if pump is None or pump.settings != settings:
            pump = _pumps["current"] = Pump(settings, get_worker().state.nthreads, cores)
        return pump
