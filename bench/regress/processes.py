"""Fresh processes for the sides of a pair, forked by `bench.machine.server`.

The server loads the libraries and imports nothing of ours by name, so that base and head share
everything else: libraries, their place in memory, the seed of hashes.
"""

import os
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Self

from bench.errors import BenchError
from bench.machine.processes import ROOT, THREAD_VARIABLES, Processes
from bench.regress.sides import Side

PRELOADED = (
    f"measured={ROOT / 'bench' / 'asv'}",  # clock and workloads of this checkout, for both sides
    f"measuring={ROOT / 'bench' / 'regress'}",
    *("scipy.optimize", "sklearn.manifold", "pyarrow", "jinja2", "pydantic"),
)
START_SECONDS = 300.0  # libraries may have to come from a cold disk
ANSWER_SECONDS = 120.0  # no order takes so long
# One thread; the same hashes; an allocator that keeps freed memory, so that a timing is not the
# kernel's. Allocations of a revision are seen by the figures that are compared exactly.
VARIABLES = {
    **dict.fromkeys(THREAD_VARIABLES, "1"),
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONWARNINGS": "ignore",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**40),
    "MALLOC_TOP_PAD_": str(2**26),
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",  # which small pages a process gets is luck
    "DEEPMAPPER_OFFLINE": "1",
    "KINETO_LOG_LEVEL": "99",
}


class Remote:
    """The process of a side, which answers orders."""

    def __init__(self, name: str, connection: Connection) -> None:
        self.name = name
        self._connection = connection

    def __call__(self, action: str, *words: Any) -> Any:
        """Give an order and wait for its answer."""
        self.start(action, *words)
        return self.finish(action, *words)

    def start(self, action: str, *words: Any) -> None:
        """Give an order; `finish` shows if the process is gone."""
        with suppress(ConnectionError):
            self._connection.send((action, *words))

    def finish(self, action: str, *words: Any) -> Any:
        """Wait for the answer to an order.

        Raises:
            BenchError: the order failed on that side, or its process ended or hung.
        """
        what = f"{action} {words[0]}"
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
        """End the process: it ends with its connection."""
        self._connection.close()


class SideProcesses:
    """A server that has the libraries loaded; `pair` gives two fresh processes from it.

    Use as a context manager.

    Args:
        core: the core that is timed, with one thread.
    """

    def __init__(self, core: int) -> None:
        self.core = core
        # Files of workloads lie in memory if possible, so that no disk's speed is measured.
        memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
        self._folder = tempfile.TemporaryDirectory(prefix="regress-", dir=memory)
        self._address = f"{self._folder.name}/socket"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self._address)
        self._listener.listen()
        self._listener.settimeout(0.5)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - a pipe that is not read would fill
        variables = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        variables |= {**VARIABLES, "TMPDIR": self._folder.name}
        self._processes = Processes(PRELOADED, [None, None], variables, stderr=self._log)

    def __enter__(self) -> Self:
        try:
            self._wait_for_room()  # so that no pair's time is spent on loading libraries
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._processes.__exit__()  # its forks die with it
        self._listener.close()
        self._log.close()
        with suppress(OSError):
            self._folder.cleanup()

    @contextmanager
    def pair(self, base: Side, head: Side) -> Iterator[tuple[Remote, Remote]]:
        """Two fresh processes, base's and head's, once those of an earlier pair have ended.

        Raises:
            BenchError: one of them did not start.
        """
        made: dict[str, Remote] = {}
        try:
            until = self._wait_for_room()
            for side in (base, head):
                order = {"side": side.name, "path": list(side.path), "core": self.core}
                order["address"] = self._address
                self._processes.submit("measuring.measuring:serve", order)
            while len(made) < 2:
                if self._expect(until):
                    reason = "it ended before it answered"
                    raise self._not_started(reason)
                with suppress(TimeoutError):
                    connection = Connection(self._listener.accept()[0].detach())
                    remote = Remote(str(connection.recv()), connection)
                    made[remote.name] = remote
            yield made[base.name], made[head.name]
        finally:
            for remote in made.values():
                remote.close()

    def _wait_for_room(self) -> float:
        """Wait until two processes can be started; return the deadline of their answer."""
        until = time.monotonic() + START_SECONDS
        while self._processes.room < 2:
            self._expect(until)
        return until

    def _expect(self, until: float) -> bool:
        """Whether a process ended within the next moment; BenchError after a point in time."""
        try:
            ended = any(list(self._processes.events()))
        except BenchError as error:
            raise self._not_started(str(error)) from error
        if time.monotonic() > until:
            reason = f"no answer in {START_SECONDS:.0f} s"
            raise self._not_started(reason)
        return ended

    def _not_started(self, reason: str) -> BenchError:
        """The error of a process that did not start, with the end of what was printed."""
        self._log.seek(0)
        printed = self._log.read().decode(errors="replace")[-2000:]
        return BenchError(f"a measuring process did not start: {reason}\n{printed}")
