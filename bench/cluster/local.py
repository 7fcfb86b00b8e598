"""Cells on this machine: side by side, each on its own cores, one on a GPU."""

from bench.machine.node import Node
from bench.machine.slots import own_cores, split_cores, visible_gpus
from bench.run.work import Work


def make(work: Work, options: None, jobs: int | None, usual_jobs: int) -> Node:
    """By default one cell for each GPU, and `usual_jobs` cells on the CPU."""
    gpus = visible_gpus() if work.device == "cuda" else []
    return Node(work, split_cores(jobs or len(gpus) or usual_jobs, own_cores(), gpus), "local")
