"""Cells on the workers of a dask cluster: any scheduler's address, or a cluster of its own here.

A worker keeps one `Node` warm and runs a cell in each of its threads. It needs the same checkout on
its path and the output folder under the same name as where the run was started.
"""

import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from concurrent.futures import Future as Answer
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
from bench.run.work import Ended, Task, Work
from bench.spec import DaskOptions
from bench.store.locks import Presence

POLL_SECONDS = 0.1
AHEAD = 4  # tasks that wait for a worker's thread beside the one at work, so that it never idles
COUNT_WORKERS_SECONDS = 5.0


def make(work: Work, options: DaskOptions, jobs: int | None, usual_jobs: int) -> "Dask":
    """`jobs` is the number of workers of a cluster of our own."""
    return Dask(work, options, jobs or options.workers or usual_jobs)


class Dask:
    """Runs tasks on the workers of a scheduler. Use as a context manager.

    Raises:
        BenchError: no scheduler answers at the address, or it went away.
    """

    def __init__(self, work: Work, options: DaskOptions, n_workers: int) -> None:
        self._work, self._options = work, options
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
            with suppress(Exception):  # a scheduler that is gone has nothing to cancel
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
        future = self._give(task)
        self._futures[task.key] = (task, future)
        future.add_done_callback(lambda done: self._done.put((task.key, done)))

    def events(self) -> Iterator[Ended]:
        if self._client.status not in ("running", "connecting"):
            raise self._is_gone()
        with suppress(Empty):
            done = self._done.get(timeout=POLL_SECONDS)
            while True:
                ended = self._take(*done)
                if ended is not None:
                    yield ended
                done = self._done.get_nowait()

    def _give(self, task: Task) -> Future:
        arguments = asdict(self._work), task.to_dict(), self._options.cores
        key = f"{task.key}-{token_hex(4)}"
        return self._client.submit(run_task, *arguments, key=key, pure=False)

    def _take(self, key: str, future: Future) -> Ended | None:
        task, current = self._futures.get(key, (None, None))
        if task is None or current is not future:
            return None
        if future.status == "finished":
            del self._futures[key]
            try:
                return Ended(**future.result())
            except (CancelledError, OSError, TimeoutError):  # the scheduler went with the answer
                return Ended(key, written=True)
        if future.status != "error":  # cancelled or lost
            raise self._is_gone()
        del self._futures[key]
        error = future.exception()
        if isinstance(error, BenchError):
            raise error
        return Ended(key, reason=f"dask: {type(error).__name__}: {error}")

    def _is_gone(self) -> BenchError:
        return BenchError(
            f"the dask scheduler at {self._address} went away. Finished cells are kept: start it "
            "and run the same command again"
        )

    def _n_threads(self) -> int:
        now = time.monotonic()
        if now - self._counted > COUNT_WORKERS_SECONDS:
            self._counted = now
            with suppress(Exception):  # out of reach at the moment: the number as before
                self._threads = max(1, sum(self._client.nthreads().values()))
        return self._threads

    def _connect(self) -> Client:
        seconds = self._options.connect_seconds
        words: dict[str, Any] = {"timeout": seconds, "set_as_default": False}
        try:
            if self._options.scheduler_file and not self._address:
                return Client(scheduler_file=self._options.scheduler_file, **words)
            return Client(self._address, **words)
        except (OSError, TimeoutError, ValueError) as error:
            where = self._address or self._options.scheduler_file
            message = f"no dask scheduler answers at {where} ({error}). Is it running?"
            raise BenchError(message) from error


def run_task(work: dict[str, Any], task: dict[str, Any], cores: int) -> dict[str, Any]:
    """On a worker: run a cell in its process; returns how it ended."""
    shared = Work.from_dict(work)
    with Presence(Path(shared.folder)):
        return asdict(_pump(shared, cores).run(Task.from_dict(task)))


class Pump:
    """A node that several threads give tasks to, kept in a thread of its own."""

    def __init__(self, work: Work, n_slots: int, cores: int) -> None:
        self.work = work
        self._given: Queue[tuple[Task, Answer[Ended]]] = Queue()
        self._lock = Lock()
        self._stopped_by: Exception | None = None
        self._leases = Leases()
        self._slots = [self._leases.slot(cores, work.device) for _ in range(n_slots)]
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def run(self, task: Task) -> Ended:
        """Run a task; raises what the node raises."""
        answer: Answer[Ended] = Answer()
        with self._lock:
            if self._stopped_by is not None:
                raise self._stopped_by
            self._given.put((task, answer))
        return answer.result()

    def _run(self) -> None:
        answers: dict[str, Answer[Ended]] = {}
        try:
            with Node(self.work, self._slots, "dask") as node:
                while True:
                    self._fill(node, answers)
                    for ended in node.events():
                        answers.pop(ended.key).set_result(ended)
        except Exception as error:  # the waiting threads get it, whatever it is
            with _pumps_lock:
                if _pumps.get("current") is self:
                    del _pumps["current"]
            self._leases.close()
            with self._lock:  # no task is accepted from here on
                self._stopped_by = error
            waiting = [answer for _, answer in self._given.queue]
            for answer in (*answers.values(), *waiting):
                answer.set_exception(error)

    def _fill(self, node: Node, answers: dict[str, Answer[Ended]]) -> None:
        """Give the node the waiting tasks; wait for one if it is idle."""
        while node.room:
            try:
                task, answer = self._given.get(block=not node.busy)
            except Empty:
                return
            if task.key in answers:  # given twice: the second is tried again later
                answer.set_result(Ended(task.key, held=True))
                continue
            answers[task.key] = answer
            node.submit(task)


_pumps: dict[str, Pump] = {}
_pumps_lock = Lock()


def _pump(work: Work, cores: int) -> Pump:
    """The node of this worker, kept warm for the next task of the same work."""
    with _pumps_lock:
        pump = _pumps.get("current")
        if pump is None or pump.work != work:
            pump = _pumps["current"] = Pump(work, get_worker().state.nthreads, cores)
        return pump
