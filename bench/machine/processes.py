"""Run jobs in processes that a server forks. Enforce their limits."""

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
MEASURE_EVERY_SECONDS = 0.2  # a measurement has a cost


@dataclass(frozen=True)
class Limits:
    """Limits of a job, which is killed if it exceeds one. None: no limit.

    CPU time includes that of all descendants. Wall-clock time starts at the submission. Memory is
    the resident memory of its processes, minus that at the start.
    """

    cpu_seconds: float | None = None
    wall_seconds: float | None = None
    memory_mib: float | None = None


NO_LIMITS = Limits()


@dataclass
class Job:
    """A job and its end.

    `payload` is the argument of its function. When the job writes the file `milestone`, its limits
    start again. `killed_for` is "timeout", "out_of_memory" or None. `excess` is the exceeded limit.
    `code` is the exit code, or minus the number of the signal. `output` is the end of its output.
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
    measured_at: float = 0.0
    wall_start: float = 0.0
    cpu_start: float = 0.0
    killed_for: str | None = None
    excess: str | None = None
    code: int = 0
    output: str = ""

    def enforce_limits(self) -> None:
        """Measure the process and kill it if it exceeds a limit."""
        now, limits = time.monotonic(), self.limits
        if self.pid is None or self.killed_for or now - self.measured_at < MEASURE_EVERY_SECONDS:
            return
        self.measured_at = now
        cpu_seconds, mib = measure_usage(self.pid)
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

    `preloaded` lists the modules that the server imports, see `bench.machine.server`. Each slot
    runs a job at a time. A slot None does not pin cores or a GPU. `environment` has all variables
    of the server and its jobs. The output of jobs goes to files in `logs`, by default to the
    server's `stderr`.
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
        self.name = token_hex(4)  # of its log files: two runs may share the folder
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
        """The number of jobs that can start now. 0 until the server is ready."""
        return len(self._free) if self._is_ready else 0

    def submit(
        self,
        call: str,
        payload: dict[str, Any],
        limits: Limits = NO_LIMITS,
        milestone: Path | None = None,
    ) -> Job:
        """Submit a job. There must be a free slot.

        `call` is "module:function". The argument of the function is the payload, with `job` (a
        number), `slot`, `log` and `dispatched` (`time.monotonic()`).
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
        """Enforce the limits, and return ended jobs. Waits unless `at_once`.

        Raises BenchError if the server has died.
        """
        assert self._server.stdout is not None
        stdout = self._server.stdout.fileno()
        readable, _, _ = select.select([stdout], [], [], 0 if at_once else POLL_SECONDS)
        if readable:
            received = os.read(stdout, 1 << 20)
            if not received:
                raise self._server_error()
            *lines, self._buffer = (self._buffer + received).split(b"\n")
            for line in lines:
                ended = self._handle_event(json.loads(line))
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
            raise self._server_error() from None

    def _server_error(self) -> BenchError:
        code = self._server.wait()
        message = (
            f"the process that forks the jobs ended with code {code}. Finished jobs are kept: "
            "run the same command again."
        )
        return BenchError(message)

    def _handle_event(self, event: dict[str, Any]) -> Job | None:
        if event["event"] == "ready":
            self._is_ready = True
        if event["event"] == "started":
            job = self.jobs[event["job"]]
            job.pid = event["pid"]
            with contextlib.suppress(psutil.NoSuchProcess):  # it has no descendants yet
                job.baseline_mib = psutil.Process(job.pid).memory_info().rss / 2**20
            job.measured_at = time.monotonic()
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
    """Environment variables of jobs of this project with `n_threads` threads each.

    Detecting GPUs through NVML opens no CUDA context, which forks could not use. Numba with more
    threads than cores slows torch, too.
    """
    path = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        "OMP_WAIT_POLICY": "passive",  # as in deepmapper/__init__.py
        **os.environ,
        **dict.fromkeys(THREAD_VARIABLES, str(n_threads)),
        "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
        "PYTHONPATH": os.pathsep.join(path),
    }


def measure_usage(pid: int) -> tuple[float, float]:
    """Measure CPU seconds and resident MiB of a process and its descendants, or 0.

    CPU time includes ended descendants. Memory that descendants share with parents counts once.
    """
    cpu_seconds = mib = 0.0
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        cpu_seconds += sum(process.cpu_times()[:4])  # user, system, and both of ended children
        mib += process.memory_info().rss / 2**20
        for member in process.children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                cpu_seconds += sum(member.cpu_times()[:4])
                mib += member.memory_full_info().uss / 2**20
    return cpu_seconds, mib
