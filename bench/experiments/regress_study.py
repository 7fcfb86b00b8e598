"""`bench regress` on commits with a known verdict: its hits and its false alarms."""

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
from bench.experiments.runner import experiment, format_table, grid, select_measurements
from bench.regress.check import check
from bench.regress.command import describe_failure
from bench.regress.settings import Settings, measured_core

# Load of the other cores: bursts of arithmetic and of memory traffic, and pauses.
LOAD = """
import os, random, sys, time
import numpy as np
os.sched_setaffinity(0, {int(sys.argv[1])})
os.nice(19)
block, matrix, parent = np.ones(1 << 23), np.ones((300, 300)), os.getppid()
while os.getppid() == parent:  # the load ends with the study
    until = time.monotonic() + random.uniform(0.1, 2.0)
    work = random.choice([lambda: block.copy(), lambda: matrix @ matrix, lambda: time.sleep(0.1)])
    while time.monotonic() < until:
        work()
"""


@dataclass(frozen=True)
class Kind:
    """Checks with the same expected verdict.

    `head` makes the commit to compare with HEAD. The check must flag `rows`. `ratio` is their true
    slowdown, if any. `whole` measures every row, not only these. `loaded` keeps other cores busy.
    """

    head: Callable[[], str]
    rows: tuple[str, ...] = ()
    ratio: float | None = None
    whole: bool = False
    loaded: bool = False


SLOWED = ("fold", "train_patch")
KINDS = {
    "aa": Kind(partial(injections.resolve_commit, "HEAD")),
    "aa_loaded": Kind(partial(injections.resolve_commit, "HEAD"), loaded=True),
    "slower_20": Kind(partial(injections.commit_slowdown, 0.20), SLOWED, 1.20),
    "slower_10": Kind(partial(injections.commit_slowdown, 0.10), SLOWED, 1.10),
    "slower_20_whole": Kind(partial(injections.commit_slowdown, 0.20), SLOWED, 1.20, whole=True),
    "harmless": Kind(injections.commit_harmless_change),
    "extra_copy": Kind(injections.commit_extra_copy, ("fold", "convert")),
    "broken_head": Kind(injections.commit_broken_fold),
    "broken_install": Kind(injections.commit_broken_install),
}


@contextmanager
def other_load(core: int, loaded: bool) -> Iterator[None]:
    """If `loaded`, keep every core but the measured one busy."""
    busy = sorted(os.sched_getaffinity(0) - {core}) if loaded else []
    started = [subprocess.Popen([sys.executable, "-c", LOAD, str(c)]) for c in busy]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def summary(records: list[dict[str, Any]]) -> str:
    """Make a table of verdicts, rows found and measured slowdowns, by kind."""
    lines: list[list[object]] = []
    for name, kind in KINDS.items():
        verdicts = select_measurements(records, kind=name)
        if verdicts:
            words = sorted(v["verdict"] for v in verdicts)
            counts = ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))
            details = [_describe_row(row, kind, verdicts) for row in kind.rows]
            seconds = [v["seconds"] for v in verdicts if "seconds" in v]
            time = f"{np.median(seconds):.0f} (maximum {max(seconds):.0f})" if seconds else ""
            lines.append([name, len(verdicts), counts, "; ".join(details), time])
    return format_table(
        ("kind", "runs", "verdicts", "found, and its size", "seconds a check"), lines
    )


def _describe_row(row: str, kind: Kind, verdicts: list[dict[str, Any]]) -> str:
    flagged = [v for v in verdicts if v["exit_code"] == 1]
    if kind.ratio is None:
        n_found = sum(any(rise.startswith(f"{row}.") for rise in v["rises"]) for v in flagged)
        return f"{row}: {n_found} of {len(verdicts)}"
    n_found = sum(row in v["slower"] for v in flagged)
    rows = [v["rows"][row] for v in verdicts if "rows" in v]
    if not rows:
        return f"{row}: {n_found} of {len(verdicts)}, nothing measured"
    sizes = np.array([(r["again"] or r["first"])["ratio"] for r in rows])
    n_near = int((abs(sizes - kind.ratio) <= 0.05).sum())
    low, middle, high = 100 * (np.percentile(sizes, (0, 50, 100)) - 1)
    return (
        f"{row}: {n_found} of {len(verdicts)}, measured {middle:.1f}% ({low:.1f}..{high:.1f}; "
        f"{n_near} within 5 points)"
    )


@experiment(
    "at most 1 false regression in 40 checks of a commit against itself; 19 of 20 slowdowns of 20% "
    "and 15 of 20 of 10% found in each row; extra copies and broken commits found every time",
    grid("{kind}_{run:02d}", run=range(20), kind=KINDS),
    summary,
)
def regress_study(kind: str, run: int) -> dict[str, Any]:
    """Run a check and return the content of its verdict.json."""
    chosen = KINDS[kind]
    head = chosen.head()
    settings = Settings(rows=() if chosen.whole else chosen.rows)
    with other_load(measured_core(), chosen.loaded):
        try:
            return check("HEAD", head, settings).to_dict()
        except Exception as error:  # as in the command line, any error is a failed check
            return describe_failure(error)
