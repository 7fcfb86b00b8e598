"""Base against head: outputs, figures that need no clock, then pairs of fresh processes."""

import time
from collections.abc import Iterable

import numpy as np

from bench.errors import BenchError
from bench.machine.environment import environment
from bench.regress.pairs import Pairs, Say, Timings, both
from bench.regress.processes import SideProcesses
from bench.regress.ratios import estimate, is_slower
from bench.regress.rows import CONTROL, Sizes
from bench.regress.settings import FEWEST_PAIRS, Settings
from bench.regress.sides import Side, sides
from bench.regress.verdict import Figure, Row, Verdict

TOLERANCE = 1e-5  # of outputs, beside the largest: the order of a sum may differ


def check(base: str, head: str | None, settings: Settings, say: Say = lambda line: None) -> Verdict:
    """Compare two revisions.

    Args:
        base, head: anything git can name; head None is the checkout as it stands.
        say: told what is going on, a line at a time.

    Raises:
        BenchError: the check itself failed: a revision cannot be had, a workload raised, or rows
            did not get their pairs in time.
    """
    start = time.monotonic()
    settings.check()
    rows, exact, core = settings.timed(), settings.exact(), settings.the_core()
    threshold = settings.threshold
    with sides(base, head) as (old, new):
        say(f"base {old.commit[:10]}, head {new.commit[:10]}: checked out and installed")
        measure = Pairs(old, new, threshold, settings.pairs, say)
        with SideProcesses(core, settings.device) as processes:
            same, figures = _compare(processes, old, new, rows | exact)
            say(f"outputs and figures of {len(same)} rows compared")
            first = _whole(measure(processes, rows, settings.seconds), rows)
        flagged = {
            row: rows[row] for row in rows if is_slower(first.estimate(row, threshold), threshold)
        }
        again = Timings()
        if flagged:  # new processes: what luck of place in memory slowed down is not seen twice
            with SideProcesses(core, settings.device) as processes:
                again = _whole(measure(processes, flagged, settings.seconds / 2), flagged)
    control = first.ratios(CONTROL) + (again.ratios(CONTROL) if flagged else [])
    return Verdict(
        commits=(old.commit, new.commit),
        threshold=threshold,
        rows=[
            Row(
                name=row,
                seconds=first.seconds(row),
                first=first.estimate(row, threshold),
                again=again.estimate(row, threshold) if row in flagged else None,
                same_output=same[row],
            )
            for row in rows
        ],
        control=estimate(control, threshold),
        figures=figures,
        n_expected=len(settings.timed()),
        exact_same={row: same[row] for row in exact},
        seconds=time.monotonic() - start,
        accepted=settings.accept,
        environment=environment() | {"core": core, "device": settings.device},
    )


def _whole(timings: Timings, rows: dict[str, Sizes]) -> Timings:
    """The timings; BenchError where a row has too few pairs to say anything."""
    short = [row for row in rows if timings.n_pairs(row) < FEWEST_PAIRS]
    if short:
        message = (
            f"{len(rows) - len(short)} of {len(rows)} rows had their {FEWEST_PAIRS} pairs when the "
            f"time was up; missing: {', '.join(short)}. Allow more --seconds, or name fewer --only"
        )
        raise BenchError(message)
    return timings


def _compare(
    processes: SideProcesses, old: Side, new: Side, rows: dict[str, Sizes]
) -> tuple[dict[str, bool], list[Figure]]:
    """Whether each row computes the same on both sides, and the figures of rows with a table."""
    same, figures = {}, []
    with processes.pair(old, new) as (base, head):
        for row, (workload, parameters) in rows.items():
            both((base, head), "prepare", row, workload, parameters)
            same[row] = same_arrays(*both((base, head), "output", row))
            before, after = both((base, head), "figures", row)
            figures += [
                Figure(row, name, value, after[name][0], inexact)
                for name, (value, inexact) in before.items()
            ]
            both((base, head), "release", row)
    return same, figures


def same_arrays(some: Iterable[np.ndarray], others: Iterable[np.ndarray]) -> bool:
    """Whether two lists of arrays hold the same up to rounding."""
    ours, theirs = list(some), list(others)
    return len(ours) == len(theirs) and all(map(_same, ours, theirs))


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    if (a.shape, a.dtype) != (b.shape, b.dtype):
        return False
    if not np.issubdtype(a.dtype, np.floating):
        return bool(np.array_equal(a, b))
    finite = np.abs(a[np.isfinite(a)])
    size = float(finite.max()) if finite.size else 0.0  # small outputs are compared as they are
    return bool(np.allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE * size, equal_nan=True))
