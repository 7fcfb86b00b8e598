"""Compare base and head: outputs, figures, then times in pairs of processes."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.asv.rows import CONTROL, CONTROL_WORKLOAD, EXACT_ROWS, ROWS, Sizes
from bench.errors import BenchError
from bench.machine.environment import environment
from bench.regress.processes import Remote, SideProcesses
from bench.regress.settings import Settings, measured_core
from bench.regress.sides import Side, install_sides
from bench.regress.verdict import THRESHOLD, Estimate, Figure, Row, Verdict, estimate

TOLERANCE = 1e-5  # of outputs, relative to the largest: the order of a sum may differ
MIN_PAIRS = 7  # that an interval needs
MAX_PAIRS = 25
CHUNK_SECONDS = 0.03  # short, so that other load affects both sides equally
BLOCK_SECONDS = 0.25  # minimum time of a row in a pair, in repeated chunks A B B A
MAX_BLOCKS = 4
MAX_HALF_WIDTH = 0.7 * (THRESHOLD - 1)  # of the interval of a row that needs no more pairs

Log = Callable[[str], None]


@dataclass
class Timings:
    """Seconds a run, by side and row. Each pair adds one entry."""

    base: dict[str, list[float]] = field(default_factory=dict)
    head: dict[str, list[float]] = field(default_factory=dict)

    def add(self, row: str, base: float, head: float) -> None:
        self.base.setdefault(row, []).append(base)
        self.head.setdefault(row, []).append(head)

    def ratios(self, row: str) -> list[float]:
        return [h / b for b, h in zip(self.base[row], self.head[row], strict=True)]

    def seconds(self, row: str) -> tuple[float, float]:
        return float(np.median(self.base[row])), float(np.median(self.head[row]))

    def n_pairs(self, row: str) -> int:
        return len(self.base.get(row, ()))

    def estimate(self, row: str) -> Estimate:
        return estimate(self.ratios(row))


@dataclass(frozen=True)
class Pairs:
    """Measures rows of base and head, and the control, in pairs of fresh processes.

    `log` is called with a line on each pair.
    """

    base: Side
    head: Side
    log: Log

    def measure(self, processes: SideProcesses, rows: dict[str, Sizes], seconds: float) -> Timings:
        """Measure until the interval of each row is narrow, or the time is up.

        After `seconds` only the first `MIN_PAIRS` pairs start, after twice that no pair. Raises
        BenchError if a row has too few pairs.
        """
        timings = Timings()
        remaining = dict(rows)
        start = time.monotonic()
        for pair in range(MAX_PAIRS):
            spent = time.monotonic() - start
            if not remaining or spent > 2 * seconds or (spent > seconds and pair >= MIN_PAIRS):
                break
            self._measure_pair(processes, pair, remaining, timings)
            if pair + 1 >= MIN_PAIRS:
                remaining = {
                    r: remaining[r]
                    for r in remaining
                    if timings.estimate(r).half_width > MAX_HALF_WIDTH
                }
            self.log(f"pair {pair + 1}: {len(remaining)} rows to go")
        short = [row for row in rows if timings.n_pairs(row) < MIN_PAIRS]
        if short:
            message = (
                f"{len(rows) - len(short)} of {len(rows)} rows had their {MIN_PAIRS} pairs when "
                f"the time was up; missing: {', '.join(short)}. Allow more --seconds, or name "
                "fewer --only"
            )
            raise BenchError(message)
        return timings

    def _measure_pair(
        self, processes: SideProcesses, number: int, rows: dict[str, Sizes], timings: Timings
    ) -> None:
        with processes.pair(self.base, self.head) as (base, head):
            # The control first, before the code of a revision is imported and could slow it down.
            for row, (workload, parameters) in {CONTROL: CONTROL_WORKLOAD, **rows}.items():
                call_both((base, head), "prepare", row, workload, parameters)
                seconds = time_alternately(row, (base, head) if number % 2 == 0 else (head, base))
                timings.add(row, seconds[base.name], seconds[head.name])
                call_both((base, head), "release", row)


def time_alternately(row: str, order: tuple[Remote, Remote]) -> dict[str, float]:
    """Measure seconds a run of each side in repeated chunks A B B A.

    All chunks have the same number of runs, so that first runs, which have cold caches, have the
    same weight on both sides.
    """
    first, second = order
    spent: dict[str, list[float]] = {first.name: [], second.name: []}
    n_runs = 0
    for _ in range(MAX_BLOCKS):
        for side in (first, second, second, first):
            runs = side("time", row, CHUNK_SECONDS, n_runs)
            n_runs = n_runs or len(runs)
            spent[side.name] += runs
        if sum(map(sum, spent.values())) >= BLOCK_SECONDS:
            break
    # The lower quartile: other load of the machine only adds time.
    return {name: float(np.percentile(runs, 25)) for name, runs in spent.items()}


def call_both(remotes: tuple[Remote, Remote], action: str, *words: Any) -> list[Any]:
    """Give both sides an order at the same time, outside the clock."""
    for remote in remotes:
        remote.start(action, *words)
    return [remote.finish(action, *words) for remote in remotes]


def check(base: str, head: str | None, settings: Settings, log: Log = lambda line: None) -> Verdict:
    """Compare two revisions. `head` None is this checkout with its changes.

    `log` is called with a line on each step. Raises BenchError if the check itself fails: a
    revision cannot be installed, a workload raises, or rows have too few pairs.
    """
    start = time.monotonic()
    settings.check()
    rows, exact = settings.choose(ROWS), settings.choose(EXACT_ROWS)
    core = measured_core()
    with install_sides(base, head) as (old, new):
        log(f"base {old.commit[:10]}, head {new.commit[:10]}: checked out and installed")
        pairs = Pairs(old, new, log)
        with SideProcesses(core) as processes:
            same, figures = _compare_outputs(processes, old, new, rows | exact)
            log(f"outputs and figures of {len(same)} rows compared")
            first = pairs.measure(processes, rows, settings.seconds)
        flagged = {row: rows[row] for row in rows if first.estimate(row).is_slower}
        again = Timings()
        if flagged:  # with a new server, because memory addresses can slow down a row
            with SideProcesses(core) as processes:
                again = pairs.measure(processes, flagged, settings.seconds / 2)
    return Verdict(
        commits=(old.commit, new.commit),
        rows=[
            Row(
                name=row,
                seconds=first.seconds(row),
                first=first.estimate(row),
                again=again.estimate(row) if row in flagged else None,
                same_output=same[row],
            )
            for row in rows
        ],
        control=estimate(first.ratios(CONTROL) + (again.ratios(CONTROL) if flagged else [])),
        figures=figures,
        n_expected=len(rows),
        exact_same={row: same[row] for row in exact},
        seconds=time.monotonic() - start,
        accepted=settings.accept,
        environment=environment() | {"core": core},
    )


def _compare_outputs(
    processes: SideProcesses, old: Side, new: Side, rows: dict[str, Sizes]
) -> tuple[dict[str, bool], list[Figure]]:
    """Compare the outputs of each row, and collect the figures of rows with a table."""
    same, figures = {}, []
    with processes.pair(old, new) as (base, head):
        for row, (workload, parameters) in rows.items():
            call_both((base, head), "prepare", row, workload, parameters)
            same[row] = arrays_equal(*call_both((base, head), "output", row))
            before, after = call_both((base, head), "figures", row)
            figures += [
                Figure(row, name, value, after[name][0], inexact)
                for name, (value, inexact) in before.items()
            ]
            call_both((base, head), "release", row)
    return same, figures


def arrays_equal(ours: list[np.ndarray], theirs: list[np.ndarray]) -> bool:
    """Whether two lists of arrays are equal up to rounding."""
    return len(ours) == len(theirs) and all(map(_array_equal, ours, theirs))


def _array_equal(a: np.ndarray, b: np.ndarray) -> bool:
    if (a.shape, a.dtype) != (b.shape, b.dtype):
        return False
    if not np.issubdtype(a.dtype, np.floating):
        return bool(np.array_equal(a, b))
    finite = np.abs(a[np.isfinite(a)])
    size = float(finite.max()) if finite.size else 0.0  # relative to the largest output
    return bool(np.allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE * size, equal_nan=True))
