"""How far a cell at work is: a file that the cell writes, for whoever has to kill it."""

import json
from pathlib import Path
from typing import Any

from bench.run.phases import Phases


class Note:
    """Writes `running/<key>.json` again and again: the `current` phase, or null, and `phases`.

    It writes over what is there and never empties the file: closing a file that was emptied waits
    for the disk on ext4, 3 ms each, twenty times a cell.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self._path = _path(folder, key)
        self._path.parent.mkdir(exist_ok=True)
        self._file = self._path.open("wb")
        self._size = 0

    def write(self, phases: Phases) -> None:
        text = json.dumps({"current": phases.current, "phases": phases.records}).encode()
        self._size = max(self._size, len(text))
        self._file.seek(0)
        self._file.write(text.ljust(self._size))  # spaces over what is left of a longer one
        self._file.flush()

    def remove(self) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)


def read_note(folder: Path, key: str) -> dict[str, Any]:
    """How far a killed cell had come; {} where that cannot be told."""
    try:
        return json.loads(_path(folder, key).read_text())
    except (OSError, json.JSONDecodeError):
        return {}


def _path(folder: Path, key: str) -> Path:
    return folder / "running" / f"{key}.json"
