"""Base against head: outputs, figures that need no clock, then pairs of fresh processes."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.environment import environment
from bench.errors import BenchError, unknown
from bench.regress.processes import Remote, Zygote
from bench.regress.ratios import Estimate, estimate, is_slower
from bench.regress.rows import CONTROL, CONTROL_WORKLOAD, EXACT_ROWS, ROWS, Sizes
from bench.regress.sides import Side, sides
from bench.regress.verdict import Figure, Row, Verdict

FEWEST_PAIRS = 7
MOST_PAIRS = 25
CHUNK_SECONDS = 0.03  # short, so that what else the machine does meets both sides alike
BLOCK_SECONDS = 0.25  # chunks A B B A are repeated until a row has had so much in a pair
MOST_BLOCKS = 4
TIGHT = 0.7  # of the threshold: so wide may half an interval be
TOLERANCE = 1e-5  # relative, of outputs: the order of a sum may differ

Say = Callable[[str], None]


@dataclass(frozen=True)
class Settings:
    """How a check goes about it.

    Args:
        threshold: a row is slower from this ratio on.
        rows: only these; all where it is empty.
        pairs: fewest pairs of fresh processes.
        seconds: after so long no pair is begun beyond the fewest; flagged rows have half of it.
        core: the core for the measured processes; None is the last that this process may use.
        device: "cpu", "cuda".
        accept: rises of figures ("row.figure") and changed outputs ("row.output") that are meant.
    """

    threshold: float = 1.05
    rows: tuple[str, ...] = ()
    pairs: int = FEWEST_PAIRS
    seconds: float = 200.0
    core: int | None = None
    device: str = "cpu"
    accept: tuple[str, ...] = ()

    def chosen(self) -> tuple[dict[str, Sizes], dict[str, Sizes]]:
        """The rows to time, and those whose figures alone are compared.

        Raises:
            BenchError: a row that nobody knows, a threshold that is none, too few pairs.
        """
        known = {**ROWS, **EXACT_ROWS}
        for name in self.rows:
            if name not in known:
                raise unknown(name, "row", known, "--only")
        for name in self.accept:
            if name.split(".")[0] not in known:
                raise unknown(name.split(".")[0], "row", known, "--accept")
        if self.threshold <= 1:
            message = (
                f"--threshold is the ratio that counts as slower, above 1; got {self.threshold}"
            )
            raise BenchError(message)
        if not FEWEST_PAIRS <= self.pairs <= MOST_PAIRS:
            message = (
                f"--pairs: {FEWEST_PAIRS} (an interval needs {FEWEST_PAIRS} pairs at least) to "
                f"{MOST_PAIRS}, got {self.pairs}"
            )
            raise BenchError(message)
        timed, exact = (
            {name: rows[name] for name in rows if not self.rows or name in self.rows}
            for rows in (ROWS, EXACT_ROWS)
        )
        if not timed:
            message = f"--only {self.rows[0]} leaves nothing to time; add one of {', '.join(ROWS)}"
            raise BenchError(message)
        return timed, exact


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


def check(base: str, head: str | None, settings: Settings, say: Say = lambda line: None) -> Verdict:
    """Compare two revisions.

    Args:
        base, head: anything git can name; head None is the checkout as it stands.
        say: told what is going on, a line at a time.

    Raises:
        BenchError: the check itself failed: a revision cannot be had, a workload raised, or fewer
            rows were measured than asked for.
    """
    start = time.monotonic()
    rows, exact = settings.chosen()
    core = _core() if settings.core is None else settings.core
    with sides(base, head) as (old, new), Zygote(core, settings.device) as zygote:
        say(f"base {old.commit[:10]}, head {new.commit[:10]}: checked out and installed")
        same, figures = _compare(zygote, old, new, rows | exact)
        say(f"outputs and figures of {len(same)} rows compared")
        measure = _Pairs(zygote, old, new, settings, say)
        first = measure(rows, settings.seconds)
        flagged = [
            row for row in rows if is_slower(_estimate(first, row, settings), settings.threshold)
        ]
        again = measure({row: rows[row] for row in flagged}, settings.seconds / 2)
    made = [
        Row(
            name=row,
            seconds=first.seconds(row),
            first=_estimate(first, row, settings),
            again=_estimate(again, row, settings) if row in flagged else None,
            same_output=same[row],
        )
        for row in rows
        if len(first.base.get(row, [])) >= FEWEST_PAIRS
    ]
    if len(made) < len(rows):
        message = (
            f"only {len(made)} of {len(rows)} rows have {FEWEST_PAIRS} pairs; allow more --seconds"
        )
        raise BenchError(message)
    control = first.ratios(CONTROL) + (again.ratios(CONTROL) if flagged else [])
    return Verdict(
        commits=(old.commit, new.commit),
        threshold=settings.threshold,
        rows=made,
        control=estimate(control, settings.threshold),
        figures=figures,
        n_expected=len(rows),
        exact_same={row: same[row] for row in exact},
        seconds=time.monotonic() - start,
        accepted=settings.accept,
        environment=environment() | {"core": core, "device": settings.device},
    )


@dataclass
class _Pairs:
    """Measures rows in pairs of fresh processes until their intervals are tight."""

    zygote: Zygote
    base: Side
    head: Side
    settings: Settings
    say: Say

    def __call__(self, rows: dict[str, Sizes], seconds: float) -> Timings:
        timings = Timings()
        left = dict(rows)
        deadline = time.monotonic() + seconds
        for pair in range(MOST_PAIRS):
            late = time.monotonic() > deadline
            if not left or (late and pair >= self.settings.pairs):
                break
            self._one(pair, {**left, CONTROL: CONTROL_WORKLOAD}, timings)
            if pair + 1 >= self.settings.pairs:
                left = {row: left[row] for row in left if not self._is_tight(timings, row)}
            self.say(f"pair {pair + 1}: {len(left)} rows to go")
        return timings

    def _is_tight(self, timings: Timings, row: str) -> bool:
        found = _estimate(timings, row, self.settings)
        return found.half_width <= TIGHT * (self.settings.threshold - 1)

    def _one(self, number: int, rows: dict[str, Sizes], timings: Timings) -> None:
        with self.zygote.pair(self.base, self.head) as (base, head):
            for row, (workload, parameters) in rows.items():
                both((base, head), "prepare", row, workload, parameters)
                seconds = _alternate(row, (base, head) if number % 2 == 0 else (head, base))
                timings.add(row, seconds[base.name], seconds[head.name])
                both((base, head), "release", row)


def _alternate(row: str, order: tuple[Remote, Remote]) -> dict[str, float]:
    """Seconds a run of each side: chunks A B B A, again until there is enough."""
    first, second = order
    spent: dict[str, list[float]] = {first.name: [], second.name: []}
    for _ in range(MOST_BLOCKS):
        for side in (first, second, second, first):
            spent[side.name] += side("time", row, CHUNK_SECONDS)
        if sum(map(sum, spent.values())) >= BLOCK_SECONDS:
            break
    return {name: typical(runs) for name, runs in spent.items()}


def typical(runs: list[float]) -> float:
    """The lower quartile: what else runs on the machine only ever adds."""
    return float(np.percentile(runs, 25))


def _compare(
    zygote: Zygote, old: Side, new: Side, rows: dict[str, Sizes]
) -> tuple[dict[str, bool], list[Figure]]:
    """Whether each row computes the same on both sides, and the figures of rows with a table."""
    same, figures = {}, []
    with zygote.pair(old, new) as (base, head):
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


def both(remotes: tuple[Remote, Remote], action: str, *words: Any) -> list[Any]:
    """Give both sides an order at once; where no clock runs."""
    for remote in remotes:
        remote.start(action, *words)
    return [remote.finish(action, *words) for remote in remotes]


def same_arrays(some: Iterable[np.ndarray], others: Iterable[np.ndarray]) -> bool:
    """Whether two lists of arrays hold the same up to rounding."""
    pairs = list(zip(some, others, strict=True))
    return all(
        a.shape == b.shape and np.allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)
        for a, b in pairs
    )


def _estimate(timings: Timings, row: str, settings: Settings) -> Estimate:
    return estimate(timings.ratios(row), settings.threshold)


def _core() -> int | None:
    import os

    return max(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
