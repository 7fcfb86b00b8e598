"""The tables of a run, made before its cells, in processes of their own."""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.cell import TableRequest
from bench.machine.processes import Ended, Limits, Processes, job_environment
from bench.machine.slots import deal, own_cores
from bench.spec import WALL_FACTOR
from bench.spec import Limits as CellLimits
from bench.store.store import DISK_FULL, disk_full
from bench.store.tables import describe_failure

SECONDS_AT_LEAST = 600.0
MEMORY_FACTOR = 8


def make_tables(
    requests: Iterable[TableRequest],
    folder: Path,
    limits: CellLimits,
    *,
    jobs: int,
    note: Callable[[str], None],
) -> dict[str, dict[str, Any]]:
    """Make tables on this machine; returns the description of each by the id of its request.

    Making a table is no contestant's business: it gets more time and memory than a cell.

    Args:
        folder: the output folder.
        jobs: tables side by side.
        note: told what is going on.

    Raises:
        BenchError: the disk is full.
    """
    waiting = list({request.id: request for request in requests}.values())
    found: dict[str, dict[str, Any]] = {}
    if not waiting:
        return found
    logs = folder / "running"
    logs.mkdir(exist_ok=True)
    its_limits = Limits(
        max(SECONDS_AT_LEAST, limits.cpu_seconds),
        max(WALL_FACTOR * SECONDS_AT_LEAST, limits.wall_seconds),
        MEMORY_FACTOR * limits.memory_mib,
    )
    slots = deal(jobs, own_cores())
    environment = job_environment(len(slots[0].cores))
    with Processes(["bench.store.tables"], slots, environment, logs=logs) as processes:
        while waiting or processes.jobs:
            while waiting and processes.room:
                request = waiting.pop()
                note(f"making table {request.label}")
                payload = {
                    "table": asdict(request),
                    "folder": str(folder.resolve()),
                    "answer": str((logs / f"{request.id}.{processes.name}.table.json").resolve()),
                }
                processes.submit("bench.store.tables:run_job", payload, its_limits)
            for ended in processes.events():
                request = TableRequest(**ended.job.payload["table"])
                found[request.id] = _description(request, ended, folder)
    return found


def _description(request: TableRequest, ended: Ended, folder: Path) -> dict[str, Any]:
    answer = Path(ended.job.payload["answer"])
    if ended.code == 0:
        told: dict[str, Any] = json.loads(answer.read_text())
        answer.unlink()
        return told
    if ended.code == DISK_FULL:
        raise disk_full(folder)
    lines = ended.output.strip().splitlines() or [f"exit code {ended.code}"]
    reason = ended.job.excess or lines[-1]
    failure = describe_failure(request, "failed", f"making the table: {reason}")
    return {**failure, "traceback": ended.output}
