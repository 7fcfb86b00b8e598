"""Fresh processes for the sides of a pair, forked by `measuring/zygote.py`."""

import json
import os
import secrets
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, Listener, wait
from pathlib import Path
from queue import Empty, Queue
from tempfile import TemporaryDirectory, TemporaryFile
from threading import Thread
from typing import Any, Self

from bench.errors import BenchError
from bench.regress.sides import Side

ZYGOTE = Path(__file__).resolve().parent / "measuring" / "zygote.py"
START_SECONDS = 120.0  # libraries may have to come from a cold disk
ANSWER_SECONDS = 120.0  # no order takes so long
# One thread; the same hashes; an allocator that keeps what is freed, so that a timing is not the
# kernel's. What a revision allocates more is seen by the figures that are compared exactly.
VARIABLES = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**40),
    "MALLOC_TOP_PAD_": str(2**26),
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",  # which small pages a process gets is luck
    "DEEPMAPPER_OFFLINE": "1",
    "KINETO_LOG_LEVEL": "99",
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",  # forks stay free to use a GPU
}


class Remote:
    """A side's process: orders go there, answers come back."""

    def __init__(self, name: str, connection: Connection) -> None:
        self.name = name
        self._connection = connection

    def __call__(self, action: str, *words: Any) -> Any:
        """Give an order and wait for its answer."""
        self.start(action, *words)
        return self.finish(action, *words)

    def start(self, action: str, *words: Any) -> None:
        """Give an order; a process that is gone shows when its answer is waited for."""
        with suppress(ConnectionError):
            self._connection.send((action, *words))

    def finish(self, action: str, *words: Any) -> Any:
        """Wait for the answer to an order.

        Raises:
            BenchError: the order failed on that side, or its process ended or hung.
        """
        what = f"{action} {words[0]}" if words else action
        try:
            if not wait([self._connection], ANSWER_SECONDS):
                message = f"{self.name}: no answer to {what!r} in {ANSWER_SECONDS:.0f} s"
                raise BenchError(message)
            state, answer = self._connection.recv()
        except (EOFError, ConnectionError):
            message = f"{self.name}: the process died during {what!r}"
            raise BenchError(message) from None
        if state == "error":
            message = f"{self.name}: {what!r} raised\n{answer}"
            raise BenchError(message)
        return answer

    def close(self) -> None:
        """The process ends when its connection does."""
        self._connection.close()


class Zygote:
    """Starts the zygote; `pair` gives two fresh processes. Use as a context manager.

    Args:
        core: the core that is timed, with one thread.
        device: "cpu", "cuda", ...
    """

    def __init__(self, core: int, device: str) -> None:
        self.core, self.device = core, device
        self._folder = TemporaryDirectory(prefix="regress-")
        # What workloads write lies in memory where there is such a place: a disk's moods are not
        # a revision's. It goes with the zygote, however its forks end.
        self._memory = TemporaryDirectory(prefix="regress-", dir=_in_memory())
        self._log = TemporaryFile()  # noqa: SIM115 - a pipe that nobody reads would fill
        self._key = secrets.token_bytes(16)
        self._listener = Listener(f"{self._folder.name}/socket", authkey=self._key)
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-W", "ignore", str(ZYGOTE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**environment, **VARIABLES, "TMPDIR": self._memory.name},
        )

    def __enter__(self) -> Self:
        out = self._process.stdout
        assert out is not None
        started, _, _ = select.select([out], [], [], START_SECONDS)
        if not started or out.readline().strip() != b"ready":
            message = f"the measuring process could not start:\n{self._told()}"
            self.__exit__()
            raise BenchError(message)
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()  # its forks die with it
        self._process.wait()
        self._listener.close()
        for pipe in (self._process.stdin, self._process.stdout, self._log):
            with suppress(OSError):
                pipe.close()  # type: ignore[union-attr]
        for folder in (self._folder, self._memory):
            with suppress(OSError):
                folder.cleanup()

    @contextmanager
    def pair(self, base: Side, head: Side) -> Iterator[tuple[Remote, Remote]]:
        """Two fresh processes, base's and head's.

        Raises:
            BenchError: one of them did not start.
        """
        made: dict[str, Remote] = {}
        try:
            for side in (base, head):
                self._fork(side)
            for _ in range(2):
                remote = self._accept()
                made[remote.name] = remote
            yield made[base.name], made[head.name]
        finally:
            for remote in made.values():
                remote.close()

    def _fork(self, side: Side) -> None:
        order = {
            "side": side.name,
            "path": list(side.path),
            "address": self._listener.address,
            "key": self._key.hex(),
            "core": self.core,
            "device": self.device,
        }
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise self._gone() from error

    def _accept(self) -> Remote:
        """A fork that has connected; in a thread, since a listener waits for ever."""
        found: Queue[Remote | Exception] = Queue()

        def accept() -> None:
            try:
                connection = self._listener.accept()
                found.put(Remote(str(connection.recv()), connection))
            except Exception as error:
                found.put(error)

        Thread(target=accept, daemon=True).start()
        try:
            remote = found.get(timeout=START_SECONDS)
        except Empty as error:
            raise self._gone() from error
        if isinstance(remote, Exception):
            raise self._gone() from remote
        return remote

    def _gone(self) -> BenchError:
        return BenchError(f"a fork of the measuring process did not start:\n{self._told()}")

    def _told(self) -> str:
        """The end of what the zygote and its forks printed."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")[-2000:]


def _in_memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None
