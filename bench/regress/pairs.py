"""Rows measured in pairs of fresh processes, a few milliseconds of one side, then of the other."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.regress.processes import Remote, SideProcesses
from bench.regress.ratios import Estimate, estimate
from bench.regress.rows import CONTROL, CONTROL_WORKLOAD, Sizes
from bench.regress.sides import Side

MOST_PAIRS = 25
CHUNK_SECONDS = 0.03  # short, so that what else the machine does meets both sides alike
BLOCK_SECONDS = 0.25  # chunks A B B A are repeated until a row has had so much in a pair
MOST_BLOCKS = 4
TIGHT = 0.7  # of the threshold: so wide may half an interval be

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

    def estimate(self, row: str, threshold: float) -> Estimate:
        return estimate(self.ratios(row), threshold)


@dataclass(frozen=True)
class Pairs:
    """Measures rows until their intervals are tight, or the time is up.

    Args:
        threshold: of a slower row; intervals are narrower than it.
        fewest: pairs that every row gets, late or not.
        say: told of each pair.
    """

    base: Side
    head: Side
    threshold: float
    fewest: int
    say: Say

    def __call__(self, processes: SideProcesses, rows: dict[str, Sizes], seconds: float) -> Timings:
        """Timings of the rows and of the control.

        After `seconds` no pair is begun beyond the fewest; after twice as long none at all.
        """
        timings = Timings()
        left = dict(rows)
        start = time.monotonic()
        for pair in range(MOST_PAIRS):
            spent = time.monotonic() - start
            if not left or spent > 2 * seconds or (spent > seconds and pair >= self.fewest):
                break
            self._one(processes, pair, left, timings)
            if pair + 1 >= self.fewest:
                left = {row: left[row] for row in left if not self._is_tight(timings, row)}
            self.say(f"pair {pair + 1}: {len(left)} rows to go")
        return timings

    def _is_tight(self, timings: Timings, row: str) -> bool:
        found = timings.estimate(row, self.threshold)
        return found.half_width <= TIGHT * (self.threshold - 1)

    def _one(
        self, processes: SideProcesses, number: int, rows: dict[str, Sizes], timings: Timings
    ) -> None:
        with processes.pair(self.base, self.head) as (base, head):
            # The control first: nothing of a revision is imported yet that could slow it down.
            for row, (workload, parameters) in {CONTROL: CONTROL_WORKLOAD, **rows}.items():
                both((base, head), "prepare", row, workload, parameters)
                seconds = alternate(row, (base, head) if number % 2 == 0 else (head, base))
                timings.add(row, seconds[base.name], seconds[head.name])
                both((base, head), "release", row)


def alternate(row: str, order: tuple[Remote, Remote]) -> dict[str, float]:
    """Seconds a run of each side: chunks A B B A, again until there is enough.

    All chunks have as many runs as the first one took: the first run of a chunk finds cold caches,
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
    return {name: typical(runs) for name, runs in spent.items()}


def typical(runs: list[float]) -> float:
    """The lower quartile: what else runs on the machine only ever adds."""
    return float(np.percentile(runs, 25))


def both(remotes: tuple[Remote, Remote], action: str, *words: Any) -> list[Any]:
    """Give both sides an order at once; where no clock runs."""
    for remote in remotes:
        remote.start(action, *words)
    return [remote.finish(action, *words) for remote in remotes]
