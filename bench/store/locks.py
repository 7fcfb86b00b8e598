"""Locks of an output folder, which end with the process that holds them (`filelock`).

    .lock                       held while a run starts, cleans up or sets records aside
    running/runs/<token>.lock   held by each run from its start to its end
    running/<key>.lock          held while a cell is at work

A run is alone if no other run's file is locked while it holds `.lock`: no run can start meanwhile.
No lock is ever converted from one kind to another.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout

from bench.errors import BenchError

START_SECONDS = 10.0  # to wait for a run that cleans up


class Claims:
    """Names that this process alone holds (the keys of cells), by a lock file for each.

    Args:
        folder: of the lock files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[str, FileLock] = {}

    def take(self, name: str) -> bool:
        """Claim a name; False if another process holds it."""
        self._folder.mkdir(exist_ok=True)
        lock = try_lock(self._folder / f"{name}.lock")
        if lock is not None:
            self._held[name] = lock
        return lock is not None

    def drop(self, name: str) -> None:
        _remove(self._held.pop(name))

    def drop_all(self) -> None:
        for name in list(self._held):
            self.drop(name)


class Presence:
    """A run's presence in an output folder. Use as a context manager.

    Args:
        alone: whether the run must be alone in the folder until it calls `share`.

    Raises:
        BenchError: another run must be alone in the folder, or this one must and is not; the file
            system cannot lock.
    """

    def __init__(self, folder: Path, *, alone: bool = False) -> None:
        self._folder, self._needs_all = folder, alone
        self._start = FileLock(folder / ".lock", thread_local=False, poll_interval=0.005)
        self._runs = folder / "running" / "runs"
        self._own = FileLock(self._runs / f"{secrets.token_hex(8)}.lock", thread_local=False)

    def __enter__(self) -> Self:
        try:
            has_begun = self._begin()
        except OSError as error:
            message = (
                f"{self._folder} cannot be locked ({error.strerror}). Choose an --out on a file "
                "system that has locks and free space."
            )
            raise BenchError(message) from error
        if not has_begun:
            message = (
                f"another run is writing to {self._folder}; wait for it, or choose another --out"
                + (" (--fresh sets records aside: it has to be alone)" if self._needs_all else "")
            )
            raise BenchError(message)
        return self

    def _begin(self) -> bool:
        try:
            self._start.acquire(timeout=START_SECONDS)
        except Timeout:
            return False
        may_begin = not (self._needs_all and self._others())
        if may_begin:
            self._runs.mkdir(parents=True, exist_ok=True)
            self._own.acquire()
        if not (self._needs_all and may_begin):
            self._start.release()
        return may_begin

    def __exit__(self, *error: object) -> None:
        _remove(self._own)
        self._start.release(force=True)

    def share(self) -> None:
        """Let other runs start, if this one was alone."""
        self._start.release()

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Whether no other run is in the folder; inside, none can start."""
        try:
            self._start.acquire(timeout=START_SECONDS)
        except Timeout:
            yield False
            return
        try:
            yield not self._others()
        finally:
            self._start.release()

    def _others(self) -> bool:
        """Whether another run is at work; removes the files of runs that were killed."""
        for path in self._runs.glob("*.lock"):
            if path == Path(self._own.lock_file):
                continue
            lock = try_lock(path)
            if lock is None:
                return True
            _remove(lock)
        return False


def try_lock(path: Path) -> FileLock | None:
    """Lock a file without waiting; None if another process holds it."""
    lock = FileLock(path, thread_local=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return None
    return lock


def _remove(lock: FileLock) -> None:
    """Remove the file, then release: a process that opened it sees that it has no name."""
    Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()
