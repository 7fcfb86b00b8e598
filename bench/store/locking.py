"""Which runs work in an output folder: any number at a time, or one alone.

    .lock            held for a moment by whoever enters the folder or looks whether it is alone
    .lock-<token>    held by one run from its start to its end; the kernel frees it with the process

A lock is never converted: flock(2) drops the old lock before it takes the new one, so a conversion
that fails would lose both.
"""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from bench.errors import BenchError

ENTER_SECONDS = 5.0  # the mutex is held for a moment, but by --fresh until records are set aside


class Lock:
    """A run's place in a folder; see `locked`."""

    def __init__(self, folder: Path, mutex: ExitStack) -> None:
        self._folder = folder
        self._mutex = mutex
        self.path = folder / f".lock-{secrets.token_hex(4)}"

    def share(self) -> None:
        """Let other runs in, if this one held the folder alone."""
        self._mutex.close()

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Yield whether no other run is in the folder; none can enter inside the context."""
        with ExitStack() as stack:
            try:
                stack.enter_context(_file_lock(self._folder / ".lock").acquire(blocking=False))
            except (Timeout, OSError):
                yield False
                return
            yield not is_used(self._folder, besides=self.path)


@contextmanager
def locked(folder: Path, *, alone: bool = False) -> Iterator[Lock]:
    """Be in a folder as a run, beside others or alone.

    Parameters
    ----------
    alone : refuse a folder that another run works in, and keep others out until `Lock.share`.

    Raises
    ------
    BenchError
        Another run has to be alone in the folder, or this one has to be and is not.
    """
    with ExitStack() as mutex, ExitStack() as own:
        try:
            mutex.enter_context(_file_lock(folder / ".lock").acquire(timeout=ENTER_SECONDS))
        except Timeout:
            raise _refused(folder) from None
        lock = Lock(folder, mutex)
        if alone and is_used(folder, besides=lock.path):
            raise _refused(folder, " (--fresh sets records aside: it has to be alone)")
        own.callback(lock.path.unlink, missing_ok=True)
        own.enter_context(_file_lock(lock.path).acquire(blocking=False))
        if not alone:
            mutex.close()
        yield lock


def is_used(folder: Path, *, besides: Path | None = None) -> bool:
    """Whether a run is in a folder. Files of runs that have ended are removed on the way."""
    for path in folder.glob(".lock-*"):
        if path == besides:
            continue
        try:
            with _file_lock(path).acquire(blocking=False):
                path.unlink(missing_ok=True)
        except Timeout:
            return True
        except OSError:  # a folder that may only be read: the lock cannot be tried
            continue
    return False


def _file_lock(path: Path) -> FileLock:
    return FileLock(path, thread_local=False)


def _refused(folder: Path, why: str = "") -> BenchError:
    return BenchError(
        f"another run is writing to {folder}; wait for it, or choose another --out{why}"
    )
