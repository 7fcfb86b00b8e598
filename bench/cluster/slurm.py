"""Cells as arrays of SLURM jobs, through submitit. Preempted jobs are requeued.

Jobs need the output folder and this checkout under the same paths as the submitting machine.
"""

import math
import os
import shlex
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import submitit
from submitit.helpers import Checkpointable

from bench.cluster.submissions import Submission, write_submission
from bench.errors import BenchError
from bench.machine.node import Node
from bench.machine.processes import ROOT
from bench.machine.slots import Slot, own_cores
from bench.run.tasks import CellSettings, Task, TaskResult
from bench.spec import Resources, SlurmOptions
from bench.store.locks import RunLock
from bench.store.store import Store

POLL_SECONDS = 1.0
LIBRARIES_MIB = 2048  # memory of Python and torch, in addition to that of a cell
STARTING_MINUTES = 10  # time for a job to load libraries from a slow file server
LARGEST_ARRAY = 1000  # SLURM's MaxArraySize is 1001 by default


def make(
    settings: CellSettings, options: SlurmOptions, jobs: int | None, usual_jobs: int
) -> "Slurm":
    """Make the executor. `jobs` is the number of jobs of an array that run at a time."""
    return Slurm(settings, options, jobs or options.parallel_jobs)


class Slurm:
    """Submits tasks as arrays of jobs. Use as a context manager.

    Raises BenchError if SLURM is missing or sbatch refuses the parameters.
    """

    room = 1_000_000  # SLURM has the queue

    def __init__(self, settings: CellSettings, options: SlurmOptions, parallel_jobs: int) -> None:
        self._settings, self._options, self._parallel_jobs = settings, options, parallel_jobs
        self._store = Store(settings.folder)
        self._waiting: list[Task] = []
        self._jobs: dict[str, tuple[submitit.Job[None], set[str]]] = {}  # and its unfinished cells
        self._late: dict[str, float] = {}  # end times of jobs whose records are incomplete
        self._polled = self._queried = 0.0

    def __enter__(self) -> "Slurm":
        return self

    def __exit__(self, *error: object) -> None:
        for job, _ in self._jobs.values():
            job.cancel(check=False)

    @property
    def busy(self) -> bool:
        return bool(self._waiting or self._jobs)

    def submit(self, task: Task) -> None:
        self._waiting.append(task)

    def events(self) -> Iterator[TaskResult]:
        self._submit_waiting()
        wait = POLL_SECONDS - (time.monotonic() - self._polled)
        if wait > 0:
            time.sleep(min(wait, 0.1))
            return
        self._polled = time.monotonic()
        if self._jobs and time.monotonic() - self._queried > self._options.ask_seconds:
            self._queried = time.monotonic()  # one query for all jobs
            next(iter(self._jobs.values()))[0].get_info(mode="force")
        done = self._store.keys()
        for job_id, (job, keys) in list(self._jobs.items()):
            for key in [key for key in keys if key in done]:
                keys.discard(key)
                yield TaskResult(key, written=True)
            if not keys:
                del self._jobs[job_id]
            elif self._has_ended(job_id, job):
                del self._jobs[job_id]
                for key in keys:
                    yield TaskResult(key, reason=f"SLURM job {job_id} ended as {job.state}")

    def detach(self, tasks: Sequence[Task]) -> None:
        """Submit tasks that continue after this process ends."""
        self._waiting += tasks
        self._submit_waiting()
        self._jobs.clear()

    def _has_ended(self, job_id: str, job: submitit.Job[None]) -> bool:
        """Whether a job ended more than `late_seconds` ago."""
        local = self._options.cluster == "local"
        is_done = job.done() if local else job.watcher.is_done(job_id, mode="cache")
        if not (is_done or job.paths.result_pickle.exists()):
            self._late.pop(job_id, None)
            return False
        since = self._late.setdefault(job_id, time.monotonic())
        return time.monotonic() - since > self._options.late_seconds

    def _submit_waiting(self) -> None:
        """Submit the tasks, one array of jobs for each combination of resources."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        groups: dict[Resources, list[Task]] = defaultdict(list)
        for task in waiting:
            groups[Resources(**task.cell.resources)].append(task)
        where = {"cluster": self._options.cluster, "folder": str(_log_folder(self._settings))}
        submission = Submission(where, {})
        try:
            for resources, tasks in groups.items():
                for job, chunk in self._submit_arrays(resources, tasks):
                    keys = [task.key for task in chunk]
                    self._jobs[job.job_id] = (job, set(keys))
                    submission.keys[job.job_id] = keys
        finally:  # if an array is refused, earlier ones are recorded, and __exit__ cancels them
            if submission.keys:
                write_submission(self._store.folder, submission)

    def _submit_arrays(
        self, resources: Resources, tasks: list[Task]
    ) -> Iterator[tuple[submitit.Job[None], list[Task]]]:
        size = self._options.cells_per_job
        chunks = [tasks[i : i + size] for i in range(0, len(tasks), size)]
        executor = self._executor(resources)
        for i in range(0, len(chunks), LARGEST_ARRAY):
            array = chunks[i : i + LARGEST_ARRAY]
            batch = Batch(self._settings)
            try:
                with executor.batch():
                    jobs = [executor.submit(batch, [t.to_dict() for t in chunk]) for chunk in array]
            except submitit.core.utils.FailedJobError as error:
                message = f"sbatch refused the jobs: {str(error).strip()}"
                raise BenchError(message) from error
            yield from zip(jobs, array, strict=True)

    def _executor(self, resources: Resources) -> Any:
        """Make a submitit executor for jobs with these resources."""
        options, logs = self._options, _log_folder(self._settings)
        minutes = resources.minutes or math.ceil((self._settings.limits.wall_seconds or 0.0) / 60)
        minutes = minutes * options.cells_per_job + STARTING_MINUTES
        if options.cluster == "local":
            executor: Any = submitit.LocalExecutor(logs, max_num_timeout=options.requeue)
            executor.update_parameters(timeout_min=minutes, setup=[*_setup_lines(), *options.setup])
            return executor
        gpus = (
            resources.gpus if resources.gpus is not None else int(self._settings.device == "cuda")
        )
        mib = (
            math.ceil(resources.memory_mib or self._settings.limits.memory_mib or 0) + LIBRARIES_MIB
        )
        try:
            executor = submitit.SlurmExecutor(logs, max_num_timeout=options.requeue)
            executor.update_parameters(
                job_name="deepmapper",
                time=minutes,
                mem=f"{mib}MB",
                cpus_per_task=resources.cores or 1,
                array_parallelism=self._parallel_jobs,
                setup=[*_setup_lines(), *options.setup],
                **({"partition": options.partition} if options.partition else {}),
                **({"gpus_per_node": gpus} if gpus else {}),
                **{"additional_parameters": {"requeue": True}, **options.parameters},
            )
        except (RuntimeError, ValueError) as error:
            message = f"[executor.slurm]: {error}"
            raise BenchError(message) from error
        return executor


class Batch(Checkpointable):
    """Runs cells in a job, one after the other. A requeued job skips finished cells."""

    def __init__(self, settings: CellSettings) -> None:
        self.settings = settings

    def __call__(self, tasks: list[dict[str, Any]]) -> None:
        waiting = [Task.from_dict(task) for task in reversed(tasks)]
        claimed: list[tuple[float, Task]] = []
        slot = Slot(tuple(own_cores()))
        with (
            RunLock(Path(self.settings.folder)),
            Node(self.settings, [slot], "slurm") as node,
        ):
            by_key = {task.key: task for task in waiting}
            problems = []
            while waiting or node.busy or claimed:
                now = time.monotonic()
                waiting += [task for when, task in claimed if when <= now]
                claimed = [item for item in claimed if item[0] > now]
                if waiting and node.room:
                    node.submit(waiting.pop())
                for result in node.events():
                    if result.claimed:
                        claimed.append((now + 5.0, by_key[result.key]))
                    elif not node.store.has(result.key):
                        problems.append(f"cell {result.key}: {result.reason}")
        if problems:  # raised after all cells have run, for the log of the job
            raise BenchError("; ".join(problems))


def query_states(submission: Submission) -> dict[str, str]:
    """Query the state of each job. UNKNOWN if SLURM does not answer."""
    folder = Path(submission.where["folder"])
    local = submission.where["cluster"] == "local"
    job_class: Any = submitit.LocalJob if local else submitit.SlurmJob
    jobs = [job_class(folder=folder, job_id=number) for number in submission.keys]
    return {job.job_id: job.state for job in jobs}


def _log_folder(settings: CellSettings) -> Path:
    return Path(settings.folder) / "jobs" / "slurm" / "%j"


def _setup_lines() -> list[str]:
    """Shell lines before a job, so that it imports this checkout."""
    root = shlex.quote(str(ROOT))
    path = os.environ.get("PYTHONPATH")
    rest = f":{shlex.quote(path)}" if path else ""
    return [f"cd {root}", f"export PYTHONPATH={root}{rest}"]
