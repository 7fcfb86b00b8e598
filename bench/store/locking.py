"""Who writes to an output folder: any number at a time, or one alone."""

import errno
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from bench.errors import BenchError

# A file system that cannot lock: then nobody is known to be alone, and nothing is cleared up.
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


class Lock:
    """A folder's lock, held; it goes with the process, however that ends."""

    def __init__(self, file: IO[str], kind: int) -> None:
        self._file, self._kind = file, kind

    def share(self) -> None:
        """Let others in, where this was alone."""
        if self._kind == fcntl.LOCK_EX:
            self._kind = fcntl.LOCK_SH
            _flock(self._file, self._kind)

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Inside, whether nobody else writes to the folder; then nobody begins to."""
        is_alone = _flock(self._file, fcntl.LOCK_EX)
        try:
            yield is_alone
        finally:
            if is_alone:
                _flock(self._file, self._kind)


@contextmanager
def locked(folder: Path, *, alone: bool = False) -> Iterator[Lock]:
    """Hold a folder's lock, beside others or alone.

    Raises:
        BenchError: another run must be alone in the folder, or this one must and is not.
    """
    with (folder / ".lock").open("w") as file:
        kind = fcntl.LOCK_EX if alone else fcntl.LOCK_SH
        try:
            got = _flock(file, kind)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            got = True
        if not got:
            message = (
                f"another run is writing to {folder}; wait for it, or choose another --out"
                + (" (--fresh sets records aside: it has to be alone)" if alone else "")
            )
            raise BenchError(message)
        yield Lock(file, kind)


def _flock(file: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in NO_LOCKS and kind == fcntl.LOCK_EX:
            return False
        raise
    return True
