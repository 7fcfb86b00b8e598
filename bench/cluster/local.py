"""Cells on this machine: side by side, each on its own cores, one on a GPU."""

import psutil

from bench.cluster.submissions import Submission
from bench.machine.environment import process_space
from bench.machine.node import Node
from bench.machine.slots import deal, own_cores, visible_gpus
from bench.run.work import Work
from bench.spec import LocalOptions


def make(work: Work, options: LocalOptions, jobs: int | None, usual_jobs: int) -> Node:
    """On GPUs as many side by side as there are GPUs, where `jobs` says nothing else."""
    gpus: list[str] = []
    if work.device == "cuda":
        gpus = list(options.gpus) or visible_gpus()
    return Node(work, deal(jobs or len(gpus) or usual_jobs, own_cores(), gpus), "local")


def states(submission: Submission) -> dict[str, str]:
    """Whether the process of a detached run is at work."""
    where, name = submission.where, next(iter(submission.keys))
    if where["where"] != process_space():
        return {name: "ON ANOTHER MACHINE"}
    try:
        alive = psutil.Process(where["pid"]).create_time() == where["born"]
    except psutil.NoSuchProcess:
        alive = False
    return {name: "RUNNING"} if alive else {}
