"""Which process works on which cell: a file lock a cell, in the output folder.

    running/<key>.lock    held by the process that runs the cell; freed with the process

The files go with the folder `running/`, when a run finds itself alone: a lock file that is removed
while others may open it would let two processes hold "the" lock.
"""

from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout


class Claims:
    """The claims of this process in one output folder."""

    def __init__(self, folder: Path) -> None:
        self._running = folder / "running"
        self._held: dict[str, FileLock] = {}

    def take(self, key: str) -> bool:
        """Whether the cell is now this process's; False if another process works on it."""
        self._running.mkdir(exist_ok=True)
        lock = FileLock(self._running / f"{key}.lock", thread_local=False)
        with suppress(Timeout):
            lock.acquire(blocking=False)
            self._held[key] = lock
            return True
        return False

    def drop(self, key: str) -> None:
        """The work is done, or given up."""
        if key in self._held:
            self._held.pop(key).release()

    def drop_all(self) -> None:
        for key in list(self._held):
            self.drop(key)
