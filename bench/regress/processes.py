"""Fresh processes for the sides of a pair, forked by `measuring/zygote.py`."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, Listener, wait
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

from bench.errors import BenchError
from bench.regress.sides import Side

ZYGOTE = Path(__file__).resolve().parent / "measuring" / "zygote.py"
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
        """Give an order."""
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
        core: the core that the measured processes stay on, with one thread; None for the system's
            choice and all threads.
        device: "cpu", "cuda", ...
    """

    def __init__(self, core: int | None, device: str) -> None:
        self.core, self.device = core, device
        self._folder = TemporaryDirectory(prefix="regress-")
        self._key = secrets.token_bytes(16)
        self._listener = Listener(f"{self._folder.name}/socket", authkey=self._key)
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-W", "ignore", str(ZYGOTE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**environment, **VARIABLES},
        )

    def __enter__(self) -> Self:
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() != b"ready":
            self._process.kill()
            told = self._process.communicate()[1].decode(errors="replace")
            message = f"the measuring process could not start:\n{told[-2000:]}"
            raise BenchError(message)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._process.kill()  # its forks die with it
        self._process.communicate()
        self._listener.close()
        with suppress(OSError):
            self._folder.cleanup()

    @contextmanager
    def pair(self, base: Side, head: Side) -> Iterator[tuple[Remote, Remote]]:
        """Two fresh processes, base's and head's."""
        for side in (base, head):
            self._fork(side)
        accepted = [self._listener.accept() for _ in range(2)]
        made = {
            name: Remote(name, connection)
            for connection in accepted
            for name in [_first(connection)]
        }
        try:
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
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()


def _first(connection: Connection) -> str:
    return str(connection.recv())
