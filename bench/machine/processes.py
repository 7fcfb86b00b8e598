"""Isolated processes for the jobs of a run: started by the server, watched and killed from here."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Any

import psutil

from bench.errors import BenchError
from bench.machine.slots import Slot

ROOT = Path(__file__).resolve().parents[2]
POLL_SECONDS = 0.05
LOOK_EVERY_SECONDS = 0.2  # reading the times and memory of a family of processes is not free


@dataclass(frozen=True)
class JobLimits:
    """What a job may use: processor seconds of all its processes, seconds by the clock, memory."""

    cpu_seconds: float
    wall_seconds: float
    memory_mib: float


@dataclass
class Job:
    """A process at work, and its limits.

    `began` and `cpu_before` are where its time counts from; they move once, to the moment when the
    limit is met by a job that has stored its result (`is_extended`).
    """

    number: int
    payload: dict[str, Any]
    slot: Slot
    limits: JobLimits
    dispatched: float
    began: float
    pid: int | None = None
    baseline_mib: float | None = None
    looked_at: float = 0.0
    cpu_before: float = 0.0
    is_extended: bool = False
    killed_for: str | None = None
    log: Path = field(default_factory=Path)


@dataclass(frozen=True)
class Ended:
    """A job that came to its end: exit code (negative: killed by that signal), why it was killed
    ("cpu_seconds", "wall_seconds", "memory_mib", None), and the end of what it printed."""

    job: Job
    code: int
    killed_for: str | None
    output: str


class Processes:
    """A server and the jobs that it forked. Use as a context manager.

    Args:
        modules: what the server imports before it forks.
        slots: so many jobs run side by side.
        logs: a folder for what the jobs print.
        has_result: asked of a job that meets a limit of time: whether its result is stored. Such a
            job gets the same time once more, for what it does after that.
    """

    def __init__(
        self,
        modules: list[str],
        slots: list[Slot],
        logs: Path,
        has_result: Callable[[Job], bool] = lambda job: False,
    ) -> None:
        self._has_result = has_result
        self._free = list(reversed(slots))
        self._is_ready = False
        self.jobs: dict[int, Job] = {}
        self.name = token_hex(4)  # of its files: two runs may share the folder of logs
        self._logs = logs
        self._count = 0
        self._buffer = b""
        self._stopped = False
        self._server = self._start(modules, len(slots[0].cores))

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, *error: object) -> None:
        self._stopped = True
        self._server.kill()  # its children die with it
        self._server.wait()

    @property
    def room(self) -> int:
        """How many more jobs can be given out: none before the server has its libraries loaded.

        No job's time is spent on that.
        """
        return len(self._free) if self._is_ready else 0

    def submit(self, payload: dict[str, Any], limits: JobLimits) -> Job:
        """Give out a job; there has to be a free slot."""
        self._count += 1
        log = self._logs / f"{self.name}-{self._count}.log"
        job = Job(
            self._count,
            payload,
            self._free.pop(),
            limits,
            now := time.monotonic(),
            now,
            log=log,
        )
        message = {
            **payload,
            "job": job.number,
            "slot": job.slot.to_dict(),
            "log": str(log),
            "dispatched": job.dispatched,
        }
        self._send(json.dumps(message).encode() + b"\n")
        self.jobs[job.number] = job
        return job

    def events(self, at_once: bool = False) -> Iterator[Ended]:
        """What ended within the next moment, or by now; enforces the limits meanwhile."""
        assert self._server.stdout is not None
        stdout = self._server.stdout.fileno()
        readable, _, _ = select.select([stdout], [], [], 0 if at_once else POLL_SECONDS)
        if readable:
            received = os.read(stdout, 1 << 20)
            if not received:
                raise self._server_gone()
            *lines, self._buffer = (self._buffer + received).split(b"\n")
            for line in lines:
                ended = self._take(json.loads(line))
                if ended:
                    yield ended
        for job in self.jobs.values():
            self._enforce(job)

    def _start(self, modules: list[str], n_threads: int) -> subprocess.Popen[bytes]:
        threads = {
            name: str(n_threads)
            for name in (
                "OMP_NUM_THREADS",
                "OPENBLAS_NUM_THREADS",
                "MKL_NUM_THREADS",
                "NUMBA_NUM_THREADS",  # with more than its cores, numba slows torch, too
            )
        }
        return subprocess.Popen(
            [sys.executable, "-m", "bench.machine.server", *modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            # A look for GPUs through the driver's library leaves forks free to use them.
            env={**os.environ, **threads, "PYTORCH_NVML_BASED_CUDA_CHECK": "1"},
        )

    def _send(self, line: bytes) -> None:
        assert self._server.stdin is not None
        try:
            self._server.stdin.write(line)
            self._server.stdin.flush()
        except BrokenPipeError:
            raise self._server_gone() from None

    def _server_gone(self) -> BenchError:
        code = self._server.wait()
        message = (
            f"the process that starts the cells ended with code {code}. What is finished is kept: "
            "run the same command again."
        )
        return BenchError(message)

    def _take(self, event: dict[str, Any]) -> Ended | None:
        if event["event"] == "ready":
            self._is_ready = True
        if event["event"] == "started":
            job = self.jobs[event["job"]]
            job.pid = event["pid"]
            job.baseline_mib = _own_mib(event["pid"])
            job.looked_at = time.monotonic()
        if event["event"] != "ended":
            return None
        job = self.jobs.pop(event["job"])
        self._free.append(job.slot)
        output = job.log.read_text(errors="replace")[-4000:] if job.log.is_file() else ""
        job.log.unlink(missing_ok=True)
        return Ended(job, event["code"], job.killed_for, output)

    def _enforce(self, job: Job) -> None:
        if job.pid is None or job.killed_for is not None:
            return
        now = time.monotonic()
        if now - job.looked_at < LOOK_EVERY_SECONDS:
            return
        job.looked_at = now
        limits, cpu = job.limits, _cpu_seconds(job.pid)
        over = None
        if cpu - job.cpu_before > limits.cpu_seconds:
            over = "cpu_seconds"
        elif now - job.began > limits.wall_seconds:
            over = "wall_seconds"
        if over and not job.is_extended and self._has_result(job):
            job.is_extended, job.began, job.cpu_before = True, now, cpu
            over = None
        if not over and _resident_mib(job.pid) - (job.baseline_mib or 0.0) > limits.memory_mib:
            over = "memory_mib"
        if over:
            job.killed_for = over
            with contextlib.suppress(ProcessLookupError):
                os.killpg(job.pid, signal.SIGKILL)


def _cpu_seconds(pid: int) -> float:
    """Processor time of a process and its descendants, ended ones too; 0 if it is gone."""
    total = 0.0
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for member in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                times = member.cpu_times()
                total += times.user + times.system
                total += times.children_user + times.children_system
    return total


def _own_mib(pid: int) -> float:
    """Resident memory of a process alone; 0 where it is gone."""
    try:
        return psutil.Process(pid).memory_info().rss / 2**20
    except psutil.NoSuchProcess:
        return 0.0


def _resident_mib(pid: int) -> float:
    """Resident memory of a process, and what its descendants hold alone; 0 where it is gone.

    Pages that a descendant still shares with its parent since the fork count once.
    """
    try:
        descendants = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return 0.0
    total = _own_mib(pid)
    for member in descendants:
        with contextlib.suppress(psutil.NoSuchProcess):
            total += member.memory_full_info().uss / 2**20
    return total
