"""Cells on this machine, each on its own cores, one cell on a GPU."""

from bench.machine.node import Node
from bench.machine.slots import own_cores, split_cores, visible_gpus
from bench.run.tasks import CellSettings


def make(settings: CellSettings, options: None, jobs: int | None, usual_jobs: int) -> Node:
    """Make the executor. Default: a cell for each GPU, `usual_jobs` on the CPU."""
    gpus = visible_gpus() if settings.device == "cuda" else []
    return Node(settings, split_cores(jobs or len(gpus) or usual_jobs, own_cores(), gpus), "local")
