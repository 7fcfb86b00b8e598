"""Cells on this machine: side by side, each on its own cores, one on a GPU."""

import psutil

from bench.cluster.submissions import Submission
from bench.machine.environment import process_space
from bench.machine.node import Node
from bench.machine.slots import own_cores, split_cores, visible_gpus
from bench.run.work import Work


def make(work: Work, options: None, jobs: int | None, usual_jobs: int) -> Node:
    """By default one cell for each GPU, and `usual_jobs` cells on the CPU."""
    gpus = visible_gpus() if work.device == "cuda" else []
    return Node(work, split_cores(jobs or len(gpus) or usual_jobs, own_cores(), gpus), "local")


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
