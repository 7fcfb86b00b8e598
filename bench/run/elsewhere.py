"""Cells that a scheduler still has from an earlier run."""

from typing import NamedTuple

from bench.cluster import states
from bench.cluster.submissions import submissions
from bench.errors import BenchError
from bench.store.store import Store

AT_WORK = {"PENDING", "RUNNING", "REQUEUED", "COMPLETING", "PREEMPTED", "CONFIGURING"}
UNKNOWN = "UNKNOWN"  # SLURM's jobs, if it does not answer


class Elsewhere(NamedTuple):
    """The keys of cells that schedulers have, and whether all of them could be asked."""

    keys: set[str]
    is_known: bool


def elsewhere(store: Store) -> Elsewhere:
    """Ask the scheduler of each submission that has cells without a record."""
    keys: set[str] = set()
    is_known = True
    there = store.keys()
    for submission in submissions(store.folder):
        if submission.cells and there.issuperset(submission.cells):
            continue
        try:
            found = states(submission)
        except BenchError:
            is_known = False
            continue
        is_known &= UNKNOWN not in found.values()
        at_work = [name for name, state in found.items() if state in AT_WORK]
        keys.update(key for name in at_work for key in submission.keys[name])
    return Elsewhere(keys, is_known)
