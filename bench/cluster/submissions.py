"""What was given to a scheduler and left there: DIR/jobs/<id>.json."""

import json
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.store.store import write_atomically


@dataclass(frozen=True)
class Submission:
    """Cells in the hands of a scheduler.

    Args:
        executor: its name.
        where: how to find it again: an address, a process, ...
        keys: the cells of each of its jobs, by the scheduler's name for the job.
    """

    executor: str
    where: dict[str, Any]
    keys: dict[str, list[str]]

    @property
    def cells(self) -> list[str]:
        return [key for some in self.keys.values() for key in some]


def keep(folder: Path, submission: Submission) -> Path:
    """Note a submission in an output folder."""
    jobs = folder / "jobs"
    jobs.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    path = jobs / f"{now:%Y%m%dT%H%M%S}-{submission.executor}-{secrets.token_hex(3)}.json"
    told = {"submitted": now.isoformat(timespec="seconds"), **asdict(submission)}
    text = json.dumps(told, indent=1).encode()
    write_atomically(path, lambda file: file.write(text))
    return path


def submissions(folder: Path) -> Iterator[Submission]:
    """What was submitted from an output folder, the oldest first."""
    for path in sorted((folder / "jobs").glob("*.json")):
        told = json.loads(path.read_text())
        yield Submission(told["executor"], told["where"], told["keys"])
