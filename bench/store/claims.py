"""Which process works on which cell, told through the output folder alone.

    running/<key>.claim     who took the cell, and a count that goes up while he works

No two machines' clocks are ever compared: a claim is stale when its count has stood still for
`STALE_SECONDS` of the clock of the process that would like to have it, or when its owner's process
is gone from this machine.
"""

import json
import os
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench.machine.environment import process_space

BEAT_SECONDS = 5.0
STALE_SECONDS = 60.0  # twelve beats: a shared folder may be slow


@dataclass
class Claims:
    """The claims of this process in one output folder.

    Args:
        folder: the output folder.
    """

    folder: Path
    _held: dict[str, int] = field(default_factory=dict)  # key -> count
    _seen: dict[str, tuple[str, float]] = field(default_factory=dict)  # others' -> text, since
    _beaten: float = 0.0

    def __post_init__(self) -> None:
        process = psutil.Process()
        self._owner = {
            "where": process_space(),
            "pid": process.pid,
            "born": process.create_time(),
            "token": secrets.token_hex(4),
        }

    def take(self, key: str) -> bool:
        """Whether the cell is now this process's; not where somebody else is at work on it."""
        path = self._path(key)
        path.parent.mkdir(exist_ok=True)
        for _ in range(2):  # the second time, a stale claim is out of the way
            try:
                handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            except FileExistsError:
                stale = self._stale(key)
                if stale is None:
                    return False
                _remove(path, stale)
                continue
            with os.fdopen(handle, "w") as file:
                file.write(self._text(0))
            self._held[key] = 0
            self._seen.pop(key, None)
            return True
        return False

    def beat(self) -> None:
        """Show that the work goes on; call it often, it writes every `BEAT_SECONDS`."""
        now = time.monotonic()
        if now - self._beaten < BEAT_SECONDS:
            return
        self._beaten = now
        for key in self._held:
            self._held[key] += 1
            with suppress(OSError):  # a full disk stops the cell's record, not its work
                self._path(key).write_text(self._text(self._held[key]))

    def drop(self, key: str) -> None:
        """The work is done, or given up."""
        if self._held.pop(key, None) is not None and self._is_own(self._path(key)):
            self._path(key).unlink(missing_ok=True)

    def drop_all(self) -> None:
        for key in list(self._held):
            self.drop(key)

    def _text(self, count: int) -> str:
        return json.dumps({**self._owner, "count": count})

    def _path(self, key: str) -> Path:
        return self.folder / "running" / f"{key}.claim"

    def _is_own(self, path: Path) -> bool:
        with suppress(OSError, json.JSONDecodeError):
            return json.loads(path.read_text())["token"] == self._owner["token"]
        return False

    def _stale(self, key: str) -> str | None:
        """The text of a claim that counts no more; None where it counts."""
        try:
            text = self._path(key).read_text()
        except OSError:
            return None  # it has just been dropped: the next try will do
        if _owner_is_gone(text, str(self._owner["where"])):
            return text
        known = self._seen.get(key)
        if known is None or known[0] != text:
            self._seen[key] = (text, time.monotonic())
            return None
        return text if time.monotonic() - known[1] > STALE_SECONDS else None


def _remove(path: Path, stale: str) -> None:
    """Remove a claim with this text, and no other that came into its place meanwhile."""
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with suppress(OSError):  # another was faster
        os.rename(path, aside)
        if aside.read_text() != stale:
            os.link(aside, path)  # somebody's new one: back to its place
    aside.unlink(missing_ok=True)


def _owner_is_gone(text: str, here: str) -> bool:
    """Whether the owner ran on this machine and does not any more."""
    try:
        owner = json.loads(text)
        if owner["where"] != here:
            return False
        return psutil.Process(owner["pid"]).create_time() != owner["born"]
    except psutil.NoSuchProcess:
        return True
    except (json.JSONDecodeError, KeyError, TypeError, psutil.Error):
        return False  # half-written, or of another user: its count will tell
