"""Cells as SLURM jobs, through submitit: arrays of jobs, some cells a job, requeued on preemption.

Jobs need the output folder and this checkout under the same names as where they were submitted.
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

from bench.cluster.submissions import Submission, keep
from bench.errors import BenchError
from bench.machine.node import Node
from bench.machine.processes import ROOT
from bench.machine.slots import Slot, own_cores
from bench.run.work import Ended, Task, Work
from bench.spec import Resources, SlurmOptions
from bench.store.locks import Presence
from bench.store.store import Store

POLL_SECONDS = 1.0
LIBRARIES_MIB = 2048  # of Python and torch beside a cell
STARTING_MINUTES = 10  # of a job: a queue of file servers may be asleep
LARGEST_ARRAY = 1000  # SLURM's MaxArraySize is 1001 by default


def make(work: Work, options: SlurmOptions, jobs: int | None, usual_jobs: int) -> "Slurm":
    """`jobs` is the number of jobs of an array that run at a time."""
    return Slurm(work, options, jobs or options.parallel_jobs)


class Slurm:
    """Submits tasks as arrays of jobs. Use as a context manager.

    Raises:
        BenchError: there is no SLURM here; sbatch refuses the parameters.
    """

    room = 1_000_000  # the queue is SLURM's

    def __init__(self, work: Work, options: SlurmOptions, parallel_jobs: int) -> None:
        self._work, self._options, self._parallel_jobs = work, options, parallel_jobs
        self._store = Store(work.folder)
        self._given: list[Task] = []
        self._jobs: dict[str, tuple[submitit.Job[None], set[str]]] = {}  # with keys still out
        self._late: dict[str, float] = {}  # jobs that ended without all of their records
        self._looked = self._asked = 0.0

    def __enter__(self) -> "Slurm":
        return self

    def __exit__(self, *error: object) -> None:
        for job, _ in self._jobs.values():
            job.cancel(check=False)

    @property
    def busy(self) -> bool:
        return bool(self._given or self._jobs)

    def submit(self, task: Task) -> None:
        self._given.append(task)

    def events(self) -> Iterator[Ended]:
        self._flush()
        wait = POLL_SECONDS - (time.monotonic() - self._looked)
        if wait > 0:
            time.sleep(min(wait, 0.1))
            return
        self._looked = time.monotonic()
        if self._jobs and time.monotonic() - self._asked > self._options.ask_seconds:
            self._asked = time.monotonic()  # one question for all jobs
            next(iter(self._jobs.values()))[0].get_info(mode="force")
        done = self._store.keys()
        for job_id, (job, keys) in list(self._jobs.items()):
            for key in [key for key in keys if key in done]:
                keys.discard(key)
                yield Ended(key, written=True)
            if not keys:
                del self._jobs[job_id]
            elif self._is_over(job_id, job):
                del self._jobs[job_id]
                for key in keys:
                    yield Ended(key, reason=f"SLURM job {job_id} ended as {job.state}")

    def leave(self, tasks: Sequence[Task]) -> None:
        """Submit tasks that run on when this process has ended."""
        self._given += tasks
        self._flush()
        self._jobs.clear()

    def _is_over(self, job_id: str, job: submitit.Job[None]) -> bool:
        """Whether a job has ended, and long enough ago for its records to be seen from here."""
        local = self._options.cluster == "local"
        seen = job.done() if local else job.watcher.is_done(job_id, mode="cache")
        if not (seen or job.paths.result_pickle.exists()):
            self._late.pop(job_id, None)
            return False
        since = self._late.setdefault(job_id, time.monotonic())
        return time.monotonic() - since > self._options.late_seconds

    def _flush(self) -> None:
        """Submit the tasks, as one array of jobs for each kind of resources."""
        if not self._given:
            return
        given, self._given = self._given, []
        groups: dict[Resources, list[Task]] = defaultdict(list)
        for task in given:
            groups[Resources(**task.cell.resources)].append(task)
        where = {"cluster": self._options.cluster, "folder": str(_logs(self._work))}
        submission = Submission(where, {})
        try:
            for resources, tasks in groups.items():
                for job, chunk in self._submit_alike(resources, tasks):
                    keys = [task.key for task in chunk]
                    self._jobs[job.job_id] = (job, set(keys))
                    submission.keys[job.job_id] = keys
        finally:  # if an array is refused, those before it are noted; leaving cancels them
            if submission.keys:
                keep(self._store.folder, submission)

    def _submit_alike(
        self, resources: Resources, tasks: list[Task]
    ) -> Iterator[tuple[submitit.Job[None], list[Task]]]:
        each = self._options.cells_per_job
        chunks = [tasks[i : i + each] for i in range(0, len(tasks), each)]
        executor = self._executor(resources)
        for i in range(0, len(chunks), LARGEST_ARRAY):
            array = chunks[i : i + LARGEST_ARRAY]
            batch = Batch(self._work)
            try:
                with executor.batch():
                    jobs = [executor.submit(batch, [t.to_dict() for t in chunk]) for chunk in array]
            except submitit.core.utils.FailedJobError as error:
                message = f"sbatch refused the jobs: {str(error).strip()}"
                raise BenchError(message) from error
            yield from zip(jobs, array, strict=True)

    def _executor(self, resources: Resources) -> Any:
        """A submitit executor with the parameters of such jobs."""
        options, logs = self._options, _logs(self._work)
        minutes = resources.minutes or math.ceil((self._work.limits.wall_seconds or 0.0) / 60)
        minutes = minutes * options.cells_per_job + STARTING_MINUTES
        if options.cluster == "local":
            executor: Any = submitit.LocalExecutor(logs, max_num_timeout=options.requeue)
            executor.update_parameters(timeout_min=minutes, setup=[*_setup(), *options.setup])
            return executor
        gpus = resources.gpus if resources.gpus is not None else int(self._work.device == "cuda")
        mib = math.ceil(resources.memory_mib or self._work.limits.memory_mib or 0) + LIBRARIES_MIB
        try:
            executor = submitit.SlurmExecutor(logs, max_num_timeout=options.requeue)
            executor.update_parameters(
                job_name="deepmapper",
                time=minutes,
                mem=f"{mib}MB",
                cpus_per_task=resources.cores or 1,
                array_parallelism=self._parallel_jobs,
                setup=[*_setup(), *options.setup],
                **({"partition": options.partition} if options.partition else {}),
                **({"gpus_per_node": gpus} if gpus else {}),
                **{"additional_parameters": {"requeue": True}, **options.parameters},
            )
        except (RuntimeError, ValueError) as error:
            message = f"[executor.slurm]: {error}"
            raise BenchError(message) from error
        return executor


class Batch(Checkpointable):
    """In a job: run cells one after the other. A preempted job is requeued and skips done cells."""

    def __init__(self, work: Work) -> None:
        self.work = work

    def __call__(self, tasks: list[dict[str, Any]]) -> None:
        waiting = [Task.from_dict(task) for task in reversed(tasks)]
        held: list[tuple[float, Task]] = []
        slot = Slot(tuple(own_cores()))
        with (
            Presence(Path(self.work.folder)),
            Node(self.work, [slot], "slurm") as node,
        ):
            by_key = {task.key: task for task in waiting}
            problems = []
            while waiting or node.busy or held:
                now = time.monotonic()
                waiting += [task for when, task in held if when <= now]
                held = [item for item in held if item[0] > now]
                if waiting and node.room:
                    node.submit(waiting.pop())
                for ended in node.events():
                    if ended.held:
                        held.append((now + 5.0, by_key[ended.key]))
                    elif not node.store.has(ended.key):
                        problems.append(f"cell {ended.key}: {ended.reason}")
        if problems:  # the other cells have run; the reasons are in the job's log
            raise BenchError("; ".join(problems))


def states(submission: Submission) -> dict[str, str]:
    """RUNNING, PENDING, COMPLETED, ... by job number; UNKNOWN if SLURM does not answer."""
    folder = Path(submission.where["folder"])
    local = submission.where["cluster"] == "local"
    kind: Any = submitit.LocalJob if local else submitit.SlurmJob
    jobs = [kind(folder=folder, job_id=number) for number in submission.keys]
    return {job.job_id: job.state for job in jobs}


def _logs(work: Work) -> Path:
    return Path(work.folder) / "jobs" / "slurm" / "%j"


def _setup() -> list[str]:
    """Shell lines before a job: this checkout is what it imports."""
    root = shlex.quote(str(ROOT))
    path = os.environ.get("PYTHONPATH")
    more = f":{shlex.quote(path)}" if path else ""
    return [f"cd {root}", f"export PYTHONPATH={root}{more}"]
