"""Isolated processes for jobs: forked by the server, watched and killed from here."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import IO, Any, Self

import psutil

from bench.catalog import ROOT
from bench.errors import BenchError
from bench.machine.slots import Slot

THREAD_VARIABLES = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"),
    *("MKL_NUM_THREADS", "NUMBA_NUM_THREADS"),
)
SERVER = Path(__file__).with_name("server.py")
POLL_SECONDS = 0.05
MEASURE_EVERY_SECONDS = 0.2  # a measurement takes time


@dataclass(frozen=True)
class Limits:
    """What a job may use before it is killed; None is no limit.

    Args:
        cpu_seconds: of the process and its descendants, those that ended included.
        wall_seconds: since it was submitted.
        memory_mib: resident memory of its processes above that of its first moment.
    """

    cpu_seconds: float | None = None
    wall_seconds: float | None = None
    memory_mib: float | None = None


NO_LIMITS = Limits()


@dataclass
class Job:
    """A process at work, and how it ended.

    Args:
        payload: the argument of its function.
        milestone: a file that the job writes half way. From then on it has its limits once more.
        killed_for: "timeout", "out_of_memory" or None; `excess` is the limit that was exceeded.
        code: its exit code; negative if it was killed by that signal.
        output: the end of what it printed.
    """

    number: int
    payload: dict[str, Any]
    slot: Slot | None
    limits: Limits
    dispatched: float
    log: Path | None
    milestone: Path | None = None
    pid: int | None = None
    baseline_mib: float = 0.0
    cpu_seconds: float = 0.0
    measured: float = 0.0
    wall_start: float = 0.0
    cpu_start: float = 0.0
    killed_for: str | None = None
    excess: str | None = None
    code: int = 0
    output: str = ""

    def enforce_limits(self) -> None:
        """Measure the process, and kill it if it exceeds a limit."""
        now, limits = time.monotonic(), self.limits
        if self.pid is None or self.killed_for or now - self.measured < MEASURE_EVERY_SECONDS:
            return
        self.measured = now
        cpu_seconds, mib = usage(self.pid)
        self.cpu_seconds = max(self.cpu_seconds, cpu_seconds)
        if self.milestone is not None and self.milestone.exists():
            self.milestone, self.wall_start, self.cpu_start = None, now, self.cpu_seconds
        if _exceeds(self.cpu_seconds - self.cpu_start, limits.cpu_seconds):
            self.killed_for, self.excess = "timeout", f"over {limits.cpu_seconds:g} CPU s"
        elif _exceeds(now - self.wall_start, limits.wall_seconds):
            self.killed_for, self.excess = "timeout", f"over {limits.wall_seconds:g} s"
        elif _exceeds(mib - self.baseline_mib, limits.memory_mib):
            self.killed_for, self.excess = "out_of_memory", f"over {limits.memory_mib:g} MiB"
        if self.killed_for:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)


class Processes:
    """A server and the jobs that it forked. Use as a context manager.

    Args:
        preloaded: what the server imports before it forks, see `bench.machine.server`.
        slots: one for each job that may run at a time; None leaves cores and GPU alone.
        environment: the variables of the server and its jobs, all of them.
        logs: a folder for the output of the jobs; None leaves it to the server's `stderr`.
        stderr: of the server; None is that of this process.
    """

    def __init__(
        self,
        preloaded: Sequence[str],
        slots: Sequence[Slot | None],
        environment: Mapping[str, str],
        *,
        logs: Path | None = None,
        stderr: IO[bytes] | None = None,
    ) -> None:
        self._free = list(reversed(slots))
        self._is_ready = False
        self.jobs: dict[int, Job] = {}
        self.name = token_hex(4)  # of its files: two runs may share the folder of logs
        self._logs = logs
        self._count = 0
        self._buffer = b""
        self._server = subprocess.Popen(
            [sys.executable, "-P", str(SERVER), *preloaded],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            cwd=ROOT,
            env=dict(environment),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._server.kill()  # its children die with it
        self._server.wait()
        for pipe in (self._server.stdin, self._server.stdout):
            with contextlib.suppress(OSError):  # unsent output
                pipe.close()  # type: ignore[union-attr]

    @property
    def room(self) -> int:
        """The number of jobs that can start now: 0 until the server has loaded its libraries."""
        return len(self._free) if self._is_ready else 0

    def submit(
        self,
        call: str,
        payload: dict[str, Any],
        limits: Limits = NO_LIMITS,
        milestone: Path | None = None,
    ) -> Job:
        """Submit a job; there has to be a free slot.

        Args:
            call: "module:function". Its argument is the payload with `job` (a number), `slot`,
                `log` and `dispatched` (`time.monotonic()`).
            milestone: see `Job`.
        """
        self._count += 1
        log = None if self._logs is None else self._logs / f"{self.name}-{self._count}.log"
        job = Job(self._count, payload, self._free.pop(), limits, time.monotonic(), log, milestone)
        job.wall_start = job.dispatched
        message = {
            **payload,
            "call": call,
            "job": job.number,
            "slot": None if job.slot is None else job.slot.to_dict(),
            "log": None if log is None else str(log),
            "dispatched": job.dispatched,
        }
        self._send(json.dumps(message).encode() + b"\n")
        self.jobs[job.number] = job
        return job

    def events(self, at_once: bool = False) -> Iterator[Job]:
        """Jobs that end within the next moment, or have ended by now; enforces the limits.

        Raises:
            BenchError: the server is gone.
        """
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
            if job.limits != NO_LIMITS:
                job.enforce_limits()

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
            f"the process that forks the jobs ended with code {code}. What is finished is kept: "
            "run the same command again."
        )
        return BenchError(message)

    def _take(self, event: dict[str, Any]) -> Job | None:
        if event["event"] == "ready":
            self._is_ready = True
        if event["event"] == "started":
            job = self.jobs[event["job"]]
            job.pid = event["pid"]
            with contextlib.suppress(psutil.NoSuchProcess):  # it has no descendants yet
                job.baseline_mib = psutil.Process(job.pid).memory_info().rss / 2**20
            job.measured = time.monotonic()
        if event["event"] != "ended":
            return None
        job = self.jobs.pop(event["job"])
        self._free.append(job.slot)
        job.code = event["code"]
        if job.log is not None and job.log.is_file():
            job.output = job.log.read_text(errors="replace")[-4000:]
            job.log.unlink(missing_ok=True)
        return job


def _exceeds(value: float, limit: float | None) -> bool:
    return limit is not None and value > limit


def job_environment(n_threads: int) -> dict[str, str]:
    """The variables of jobs of this project with a number of threads each.

    A look for GPUs through the driver's library leaves forks free to use them. With more threads
    than its cores numba slows torch, too.
    """
    path = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        "OMP_WAIT_POLICY": "passive",  # as in deepmapper/__init__.py
        **os.environ,
        **dict.fromkeys(THREAD_VARIABLES, str(n_threads)),
        "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
        "PYTHONPATH": os.pathsep.join(path),
    }


def usage(pid: int) -> tuple[float, float]:
    """CPU seconds and resident MiB of a process and its descendants; 0 if it is gone.

    Of descendants that ended, the CPU time counts. Pages that a descendant still shares with its
    parent since the fork count once.
    """
    cpu_seconds = mib = 0.0
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        cpu_seconds += sum(process.cpu_times()[:4])  # user, system, those of ended children
        mib += process.memory_info().rss / 2**20
        for member in process.children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                cpu_seconds += sum(member.cpu_times()[:4])
                mib += member.memory_full_info().uss / 2**20
    return cpu_seconds, mib
