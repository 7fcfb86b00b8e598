"""Micro-benchmarks: `make benchmarks`. Files are called bench_*.py, so no ordinary run has them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bench.asv.workloads import Timed

COPIED_BYTES = 64 << 20  # more than caches hold


@pytest.fixture(scope="session")
def copy_bytes_per_second() -> float:
    """Bytes that copying reads and writes a second on this machine: the best of nine."""
    from time import perf_counter

    block = np.ones(COPIED_BYTES // 8)
    target = np.empty_like(block)
    best = 0.0
    for _ in range(9):
        start = perf_counter()
        np.copyto(target, block)
        best = max(best, 2 * COPIED_BYTES / (perf_counter() - start))
    return best


@pytest.fixture
def measure(benchmark: Any, copy_bytes_per_second: float) -> Callable[..., None]:
    """Time a workload; `extra_info` says what a run reads and computes, and how fast a copy is."""

    def run(timed: Timed, rounds: int = 20) -> None:
        timed.once()
        benchmark.extra_info.update(
            n_bytes=timed.n_bytes,
            n_flops=flops(timed),
            copy_bytes_per_second=copy_bytes_per_second,
        )
        benchmark.pedantic(
            timed.run, setup=lambda: ((timed.before(),), {}), rounds=rounds, warmup_rounds=1
        )

    return run


def flops(timed: Timed) -> int:
    """Floating-point operations of torch's products and convolutions in one run."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        timed.once()
    return int(counter.get_total_flops())
