"""Fresh processes for the sides of a pair, forked by `bench.machine.server`.

The server preloads libraries, but no module of this project by name. So base and head share
everything else: libraries, their addresses in memory, the hash seed.
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
    f"measured={ROOT / 'bench' / 'asv'}",  # workloads of this checkout, for both sides
    f"measurement={ROOT / 'bench' / 'regress'}",
    *("scipy.optimize", "sklearn.manifold", "pyarrow", "jinja2", "pydantic"),
)
START_SECONDS = 300.0  # libraries may be on a slow disk
ANSWER_SECONDS = 120.0  # timeout of an order
# One thread, a fixed hash seed, and an allocator that keeps freed memory, so that times exclude the
# kernel's work. Exact figures report allocations.
VARIABLES = {
    **dict.fromkeys(THREAD_VARIABLES, "1"),
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONWARNINGS": "ignore",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**40),
    "MALLOC_TOP_PAD_": str(2**26),
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",  # huge pages: small pages vary between processes
    "DEEPMAPPER_OFFLINE": "1",
    "KINETO_LOG_LEVEL": "99",
}


class Remote:
    """The connection to the process of a side, which answers orders."""

    def __init__(self, name: str, connection: Connection) -> None:
        self.name = name
        self._connection = connection

    def __call__(self, action: str, *words: Any) -> Any:
        """Give an order and wait for its answer."""
        self.start(action, *words)
        return self.finish(action, *words)

    def start(self, action: str, *words: Any) -> None:
        """Give an order. `finish` raises if the process has died."""
        with suppress(ConnectionError):
            self._connection.send((action, *words))

    def finish(self, action: str, *words: Any) -> Any:
        """Wait for the answer to an order, or raise BenchError."""
        order = f"{action} {words[0]}"
        try:
            if not wait([self._connection], ANSWER_SECONDS):
                message = f"{self.name}: no answer to {order!r} in {ANSWER_SECONDS:.0f} s"
                raise BenchError(message)
            state, answer = self._connection.recv()
        except (EOFError, ConnectionError):
            message = f"{self.name}: the process died during {order!r}"
            raise BenchError(message) from None
        if state == "error":
            message = f"{self.name}: {order!r} raised\n{answer}"
            raise BenchError(message)
        return answer

    def close(self) -> None:
        """Close the connection, which ends the process."""
        self._connection.close()


class SideProcesses:
    """A server with preloaded libraries, from which `pair` forks two fresh processes.

    Use as a context manager. `core` is the measured core.
    """

    def __init__(self, core: int) -> None:
        self.core = core
        # Workloads write their files to memory if possible, so that the disk does not affect times.
        memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
        self._folder = tempfile.TemporaryDirectory(prefix="regress-", dir=memory)
        self._address = f"{self._folder.name}/socket"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self._address)
        self._listener.listen()
        self._listener.settimeout(0.5)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - an unread pipe would fill
        variables = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        variables |= {**VARIABLES, "TMPDIR": self._folder.name}
        self._processes = Processes(PRELOADED, [None, None], variables, stderr=self._log)

    def __enter__(self) -> Self:
        try:
            self._wait_for_room()  # so that no pair includes the loading of libraries
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
        """Start fresh processes of base and head when those of the last pair have ended.

        Raises BenchError if one of them does not start.
        """
        remotes: dict[str, Remote] = {}
        try:
            until = self._wait_for_room()
            for side in (base, head):
                order = {"side": side.name, "path": list(side.path), "core": self.core}
                order["address"] = self._address
                self._processes.submit("measurement.measurement:serve", order)
            while len(remotes) < 2:
                if self._wait_for_event(until):
                    reason = "it ended before it answered"
                    raise self._start_error(reason)
                with suppress(TimeoutError):
                    connection = Connection(self._listener.accept()[0].detach())
                    remote = Remote(str(connection.recv()), connection)
                    remotes[remote.name] = remote
            yield remotes[base.name], remotes[head.name]
        finally:
            for remote in remotes.values():
                remote.close()

    def _wait_for_room(self) -> float:
        """Wait until two processes can start. Return the deadline of their answer."""
        until = time.monotonic() + START_SECONDS
        while self._processes.room < 2:
            self._wait_for_event(until)
        return until

    def _wait_for_event(self, until: float) -> bool:
        """Wait for a moment. Return whether a process ended. BenchError after `until`."""
        try:
            ended = any(list(self._processes.events()))
        except BenchError as error:
            raise self._start_error(str(error)) from error
        if time.monotonic() > until:
            reason = f"no answer in {START_SECONDS:.0f} s"
            raise self._start_error(reason)
        return ended

    def _start_error(self, reason: str) -> BenchError:
        """Make the error for a process that did not start, with the end of its output."""
        self._log.seek(0)
        printed = self._log.read().decode(errors="replace")[-2000:]
        return BenchError(f"a measuring process did not start: {reason}\n{printed}")
