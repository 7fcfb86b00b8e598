"""Make the tables of a run before its cells, each in a separate process."""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.cell import TableRequest
from bench.machine.processes import Job, Limits, Processes, job_environment
from bench.machine.slots import own_cores, split_cores
from bench.spec import WALL_FACTOR
from bench.spec import Limits as CellLimits
from bench.store.store import DISK_FULL, disk_full
from bench.store.tables import describe_failure

MIN_SECONDS = 600.0
MEMORY_FACTOR = 8
ATTEMPTS = 2  # a process that was killed from outside is repeated


def make_tables(
    requests: Iterable[TableRequest],
    folder: Path,
    limits: CellLimits,
    *,
    jobs: int,
    show_message: Callable[[str], None],
) -> dict[str, dict[str, Any]]:
    """Make tables, `jobs` at a time. Return descriptions by request id.

    A table gets more time and memory than a cell. Raises BenchError if the disk is full.
    """
    waiting = list({request.id: request for request in requests}.values())
    attempts: Counter[str] = Counter()
    descriptions: dict[str, dict[str, Any]] = {}
    if not waiting:
        return descriptions
    logs = folder / "running"
    logs.mkdir(exist_ok=True)
    table_limits = Limits(
        max(MIN_SECONDS, limits.cpu_seconds),
        max(WALL_FACTOR * MIN_SECONDS, limits.wall_seconds),
        MEMORY_FACTOR * limits.memory_mib,
    )
    slots = split_cores(jobs, own_cores())
    environment = job_environment(len(slots[0].cores))
    with Processes(["bench.store.tables"], slots, environment, logs=logs) as processes:
        while waiting or processes.jobs:
            while waiting and processes.room:
                request = waiting.pop()
                attempts[request.id] += 1
                show_message(f"making table {request.label}")
                payload = {
                    "table": asdict(request),
                    "folder": str(folder.resolve()),
                    "answer": str((logs / f"{request.id}.{processes.name}.table.json").resolve()),
                }
                processes.submit("bench.store.tables:run_job", payload, table_limits)
            for job in processes.events():
                request = TableRequest(**job.payload["table"])
                was_killed_by_others = job.code < 0 and not job.killed_for
                if was_killed_by_others and attempts[request.id] < ATTEMPTS:
                    waiting.append(request)
                    continue
                descriptions[request.id] = _description(request, job, folder)
    return descriptions


def _description(request: TableRequest, job: Job, folder: Path) -> dict[str, Any]:
    answer = Path(job.payload["answer"])
    if job.code == 0:
        description: dict[str, Any] = json.loads(answer.read_text())
        answer.unlink()
        return description
    if job.code == DISK_FULL:
        raise disk_full(folder)
    lines = job.output.strip().splitlines() or [f"exit code {job.code}"]
    reason = job.excess or lines[-1]
    failure = describe_failure(request, "failed", f"making the table: {reason}")
    return {**failure, "traceback": job.output}
