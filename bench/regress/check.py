"""Base against head: outputs, figures that need no clock, then pairs of fresh processes."""

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
from bench.regress.sides import Side, sides
from bench.regress.verdict import THRESHOLD, Estimate, Figure, Row, Verdict, estimate

TOLERANCE = 1e-5  # of outputs, beside the largest: the order of a sum may differ
FEWEST_PAIRS = 7  # that an interval needs
MOST_PAIRS = 25
CHUNK_SECONDS = 0.03  # short, so that other work on the machine meets both sides alike
BLOCK_SECONDS = 0.25  # of a row in a pair: chunks A B B A are repeated until then
MOST_BLOCKS = 4
TIGHT = 0.7 * (THRESHOLD - 1)  # half an interval may be as wide

Say = Callable[[str], None]


@dataclass
class Timings:
    """Seconds a run of each row, by side; one entry a pair."""

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

    Args:
        say: called with a line on each pair.
    """

    base: Side
    head: Side
    say: Say

    def measure(self, processes: SideProcesses, rows: dict[str, Sizes], seconds: float) -> Timings:
        """Measure until the interval of each row is tight, or the time is up.

        After `seconds` no pair beyond the fewest begins; after twice that no pair at all.

        Raises:
            BenchError: a row has too few pairs.
        """
        timings = Timings()
        left = dict(rows)
        start = time.monotonic()
        for pair in range(MOST_PAIRS):
            spent = time.monotonic() - start
            if not left or spent > 2 * seconds or (spent > seconds and pair >= FEWEST_PAIRS):
                break
            self._measure_pair(processes, pair, left, timings)
            if pair + 1 >= FEWEST_PAIRS:
                left = {r: left[r] for r in left if timings.estimate(r).half_width > TIGHT}
            self.say(f"pair {pair + 1}: {len(left)} rows to go")
        short = [row for row in rows if timings.n_pairs(row) < FEWEST_PAIRS]
        if short:
            message = (
                f"{len(rows) - len(short)} of {len(rows)} rows had their {FEWEST_PAIRS} pairs when "
                f"the time was up; missing: {', '.join(short)}. Allow more --seconds, or name "
                "fewer --only"
            )
            raise BenchError(message)
        return timings

    def _measure_pair(
        self, processes: SideProcesses, number: int, rows: dict[str, Sizes], timings: Timings
    ) -> None:
        with processes.pair(self.base, self.head) as (base, head):
            # The control first: no code of a revision is imported yet that could slow it down.
            for row, (workload, parameters) in {CONTROL: CONTROL_WORKLOAD, **rows}.items():
                both((base, head), "prepare", row, workload, parameters)
                seconds = alternate(row, (base, head) if number % 2 == 0 else (head, base))
                timings.add(row, seconds[base.name], seconds[head.name])
                both((base, head), "release", row)


def alternate(row: str, order: tuple[Remote, Remote]) -> dict[str, float]:
    """Seconds a run of each side: chunks A B B A, repeated for `BLOCK_SECONDS`.

    All chunks have the number of runs of the first one: the first run of a chunk finds cold caches,
    and has to weigh the same on both sides.
    """
    first, second = order
    spent: dict[str, list[float]] = {first.name: [], second.name: []}
    n_runs = 0
    for _ in range(MOST_BLOCKS):
        for side in (first, second, second, first):
            runs = side("time", row, CHUNK_SECONDS, n_runs)
            n_runs = n_runs or len(runs)
            spent[side.name] += runs
        if sum(map(sum, spent.values())) >= BLOCK_SECONDS:
            break
    # The lower quartile: other work on the machine only ever adds.
    return {name: float(np.percentile(runs, 25)) for name, runs in spent.items()}


def both(remotes: tuple[Remote, Remote], action: str, *words: Any) -> list[Any]:
    """Give both sides an order at once, outside the clock."""
    for remote in remotes:
        remote.start(action, *words)
    return [remote.finish(action, *words) for remote in remotes]


def check(base: str, head: str | None, settings: Settings, say: Say = lambda line: None) -> Verdict:
    """Compare two revisions.

    Args:
        base, head: anything git can name; head None is the checkout as it stands.
        say: called with a line on each step.

    Raises:
        BenchError: the check itself failed: a revision cannot be installed, a workload raised, or
            rows did not get their pairs in time.
    """
    start = time.monotonic()
    settings.check()
    rows, exact = settings.choose(ROWS), settings.choose(EXACT_ROWS)
    core = measured_core()
    with sides(base, head) as (old, new):
        say(f"base {old.commit[:10]}, head {new.commit[:10]}: checked out and installed")
        pairs = Pairs(old, new, say)
        with SideProcesses(core) as processes:
            same, figures = _compare(processes, old, new, rows | exact)
            say(f"outputs and figures of {len(same)} rows compared")
            first = pairs.measure(processes, rows, settings.seconds)
        flagged = {row: rows[row] for row in rows if first.estimate(row).is_slower}
        again = Timings()
        if flagged:  # of a new server: an unlucky place in memory does not slow a row down twice
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


def same_arrays(ours: list[np.ndarray], theirs: list[np.ndarray]) -> bool:
    """Whether two lists of arrays are equal up to rounding."""
    return len(ours) == len(theirs) and all(map(_same, ours, theirs))


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    if (a.shape, a.dtype) != (b.shape, b.dtype):
        return False
    if not np.issubdtype(a.dtype, np.floating):
        return bool(np.array_equal(a, b))
    finite = np.abs(a[np.isfinite(a)])
    size = float(finite.max()) if finite.size else 0.0  # small outputs are compared as they are
    return bool(np.allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE * size, equal_nan=True))
