"""Locks of an output folder. A lock ends with the process that holds it.

    .lock                       held while a run starts or cleans up
    running/.supersede.lock     held while a run supersedes records
    running/runs/<token>.lock   held by each run from its start to its end
    running/<key>.lock          held while a cell runs

A run is alone if it holds `.lock` and no other file in running/runs is locked. No run can start
while `.lock` is held.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout

from bench.errors import BenchError

START_SECONDS = 60.0  # timeout for .lock, which a run holds while it cleans up, on a slow disk too


class Claims:
    """Names that this process has claimed (keys of cells), as lock files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._locks: dict[str, FileLock] = {}

    def take(self, name: str) -> bool:
        """Claim a name. Return False if another process holds it."""
        self._folder.mkdir(exist_ok=True)
        lock = try_lock(self._folder / f"{name}.lock")
        if lock is not None:
            self._locks[name] = lock
        return lock is not None

    def drop(self, name: str) -> None:
        _remove(self._locks.pop(name))

    def drop_all(self) -> None:
        for name in list(self._locks):
            self.drop(name)


class RunLock:
    """The lock of a run on its folder, shared or exclusive, as a context manager.

    An `exclusive` run keeps other runs out until it calls `share`. Entering raises BenchError if
    another run keeps this one out, or if the file system cannot lock.
    """

    def __init__(self, folder: Path, *, exclusive: bool = False) -> None:
        self._folder, self._is_exclusive = folder, exclusive
        self._start = FileLock(folder / ".lock", thread_local=False, poll_interval=0.005)
        # Without it, two runs could read the same outdated record, and the slower one would
        # supersede the new record that the faster one has made since.
        self.superseding = FileLock(folder / "running" / ".supersede.lock", thread_local=False)
        self._runs = folder / "running" / "runs"
        self._own = FileLock(self._runs / f"{secrets.token_hex(8)}.lock", thread_local=False)

    def __enter__(self) -> Self:
        try:
            acquired = self._acquire()
        except OSError as error:
            message = (
                f"{self._folder} cannot be locked ({error.strerror}). Choose an --out on a file "
                "system that has locks and free space."
            )
            raise BenchError(message) from error
        if not acquired:
            message = (
                f"another run is writing to {self._folder}; wait for it, or choose another --out"
                + (" (--fresh needs the folder alone)" if self._is_exclusive else "")
            )
            raise BenchError(message)
        return self

    def _acquire(self) -> bool:
        try:
            self._start.acquire(timeout=START_SECONDS)
        except Timeout:
            return False
        may_begin = not (self._is_exclusive and self._has_others())
        if may_begin:
            self._runs.mkdir(parents=True, exist_ok=True)
            self._own.acquire()
        if not (self._is_exclusive and may_begin):
            self._start.release()
        return may_begin

    def __exit__(self, *error: object) -> None:
        _remove(self._own)
        self._start.release(force=True)

    def share(self) -> None:
        """Let other runs start, if this one is exclusive."""
        self._start.release()

    @contextmanager
    def exclusive(self) -> Iterator[bool]:
        """Keep new runs out. Yield whether no other run is in the folder."""
        try:
            self._start.acquire(timeout=START_SECONDS)
        except Timeout:
            yield False
            return
        try:
            yield not self._has_others()
        finally:
            self._start.release()

    def _has_others(self) -> bool:
        """Whether another run is in the folder. Removes the lock files of killed runs."""
        for path in self._runs.glob("*.lock"):
            if path == Path(self._own.lock_file):
                continue
            lock = try_lock(path)
            if lock is None:
                return True
            _remove(lock)
        return False


def try_lock(path: Path) -> FileLock | None:
    """Lock a file without waiting. Return None if another process holds the lock."""
    lock = FileLock(path, thread_local=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return None
    return lock


def _remove(lock: FileLock) -> None:
    """Remove the file, then release the lock, so that no process reuses the file."""
    Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()
