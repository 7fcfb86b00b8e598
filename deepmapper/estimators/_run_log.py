"""The history of runs in one file: a line of JSON an epoch and a pass, written as they happen."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Takes a row of a history: a pass's epoch and what it gave.
OnEpoch = Callable[[dict[str, Any]], None]


class RunLog:
    """Adds lines to a file; a run that dies leaves all that it had written.

    Args:
        path: made with its folders where it is missing; None writes nothing.
    """

    def __init__(self, path: str | Path | None) -> None:
        self.path = None if path is None else Path(path)
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)

    def write(self, row: dict[str, Any]) -> None:
        """Add a line: the row, and `time` in seconds since 1970."""
        if self.path is None:
            return
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"time": round(time.time(), 3), **row}) + "\n")
