"""`bench regress` on commits with a known answer: does it find what it should, and nothing else?"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from bench.experiments import injections
from bench.experiments.runner import experiment, grid, measured, table
from bench.regress.check import check
from bench.regress.command import failure
from bench.regress.settings import Settings, measured_core

# Other work on the other cores: bursts of arithmetic and of memory traffic, and pauses.
LOAD = """
import os, random, sys, time
import numpy as np
os.sched_setaffinity(0, {int(sys.argv[1])})
os.nice(19)
block, matrix, parent = np.ones(1 << 23), np.ones((300, 300)), os.getppid()
while os.getppid() == parent:  # a study that is killed leaves no load behind
    until = time.monotonic() + random.uniform(0.1, 2.0)
    work = random.choice([lambda: block.copy(), lambda: matrix @ matrix, lambda: time.sleep(0.1)])
    while time.monotonic() < until:
        work()
"""


@dataclass(frozen=True)
class Kind:
    """Checks with the same answer.

    Args:
        head: makes the commit to check against HEAD.
        rows: rows that have to be found.
        ratio: how much slower these rows truly are; None if nothing is slowed.
        whole: whether every row is measured, or only those that have to be found.
        loaded: whether something else keeps the other cores busy.
    """

    head: Callable[[], str]
    rows: tuple[str, ...] = ()
    ratio: float | None = None
    whole: bool = False
    loaded: bool = False


SLOWED = ("fold", "train_patch")
KINDS = {
    "aa": Kind(partial(injections.resolve, "HEAD")),
    "aa_loaded": Kind(partial(injections.resolve, "HEAD"), loaded=True),
    "slower_20": Kind(partial(injections.slowdown, 0.20), SLOWED, 1.20),
    "slower_10": Kind(partial(injections.slowdown, 0.10), SLOWED, 1.10),
    "slower_20_whole": Kind(partial(injections.slowdown, 0.20), SLOWED, 1.20, whole=True),
    "harmless": Kind(injections.harmless),
    "extra_copy": Kind(injections.extra_copy, ("fold", "convert")),
    "broken_head": Kind(injections.broken),
    "broken_install": Kind(injections.not_installable),
}


@contextmanager
def other_load(core: int, loaded: bool) -> Iterator[None]:
    """Keep every core but the measured one busy, if asked to."""
    busy = sorted(os.sched_getaffinity(0) - {core}) if loaded else []
    started = [subprocess.Popen([sys.executable, "-c", LOAD, str(c)]) for c in busy]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def summary(records: list[dict[str, Any]]) -> str:
    """Verdicts of each kind, what was found in which row, and its measured size."""
    lines: list[list[object]] = []
    for name, kind in KINDS.items():
        verdicts = measured(records, kind=name)
        if verdicts:
            words = sorted(v["verdict"] for v in verdicts)
            counts = ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))
            details = [_found(row, kind, verdicts) for row in kind.rows]
            seconds = [v["seconds"] for v in verdicts if "seconds" in v]
            took = f"{np.median(seconds):.0f} (most {max(seconds):.0f})" if seconds else ""
            lines.append([name, len(verdicts), counts, "; ".join(details), took])
    return table(("kind", "runs", "verdicts", "found, and its size", "seconds a check"), lines)


def _found(row: str, kind: Kind, verdicts: list[dict[str, Any]]) -> str:
    flagged = [v for v in verdicts if v["exit_code"] == 1]
    if kind.ratio is None:
        n_seen = sum(any(rise.startswith(f"{row}.") for rise in v["rises"]) for v in flagged)
        return f"{row}: {n_seen} of {len(verdicts)}"
    n_seen = sum(row in v["slower"] for v in flagged)
    rows = [v["rows"][row] for v in verdicts if "rows" in v]
    if not rows:
        return f"{row}: {n_seen} of {len(verdicts)}, nothing measured"
    sizes = np.array([(r["again"] or r["first"])["ratio"] for r in rows])
    n_near = int((abs(sizes - kind.ratio) <= 0.05).sum())
    low, middle, high = 100 * (np.percentile(sizes, (0, 50, 100)) - 1)
    return (
        f"{row}: {n_seen} of {len(verdicts)}, measured {middle:.1f}% ({low:.1f}..{high:.1f}; "
        f"{n_near} within 5 points)"
    )


@experiment(
    "at most 1 false regression in 40 checks of a commit against itself; 19 of 20 slowdowns of 20% "
    "and 15 of 20 of 10% found in each row; extra copies and broken commits found every time",
    grid("{kind}_{run:02d}", run=range(20), kind=KINDS),
    summary,
)
def regress_study(kind: str, run: int) -> dict[str, Any]:
    """A verdict as `bench regress` writes it; "failed" with the reason if the check failed."""
    chosen = KINDS[kind]
    head = chosen.head()
    settings = Settings(rows=() if chosen.whole else chosen.rows)
    with other_load(measured_core(), chosen.loaded):
        try:
            return check("HEAD", head, settings).to_dict()
        except Exception as error:  # as the command line: any error is a check that failed
            return failure(error)
