"""Figures of one run that do not depend on the clock, and so can be compared exactly.

Memory is in units of the table that the workload reads, so that "1 more" is a copy of it.
"""

import tracemalloc
from typing import Any

import numpy as np

# Operators that only look at memory in another way, or ask for it.
NO_WORK = {
    "alias", "as_strided", "detach", "empty", "empty_like", "empty_strided", "expand", "item",
    "lift_fresh", "narrow", "permute", "reshape", "resize_", "resolve_conj", "resolve_neg",
    "result_type", "select", "set_", "slice", "split", "squeeze", "t", "transpose", "unsqueeze",
    "view", "_local_scalar_dense", "_reshape_alias", "_unsafe_view",
}  # fmt: skip

# Python's own objects come and go by some kilobytes with the length of a path or a file.
PYTHON_BYTES = 64 << 10


def figures(timed: Any) -> dict[str, tuple[float, float]]:
    """Figures of one warm run, each with the size of a difference that means nothing.

    Returns:
        peak_numpy: the peak of what Python and numpy allocate, in tables.
        peak_torch, allocated_torch: the peak and the sum of what torch allocates, in tables.
        passes: elements that operators read, over the table's.
        operators: the number of torch's operators that ran.

    Each figure is the lower of two runs: what a cache keeps on the second time is not counted.
    """
    first, second = (_figures(timed) for _ in range(2))
    inexact = {"peak_numpy": PYTHON_BYTES / timed.n_bytes}
    return {n: (min(first[n], second[n]), inexact.get(n, 0.0)) for n in first}


def _figures(timed: Any) -> dict[str, float]:
    from torch.profiler import ProfilerActivity, profile

    unit = timed.n_bytes
    given = timed.before()
    cpu = [ProfilerActivity.CPU]
    with profile(activities=cpu, profile_memory=True, record_shapes=True) as profiler:
        result = timed.run(given)
    del result
    events = profiler.events() or []
    peak, total = _memory(profiler)
    return {
        "peak_numpy": _peak_numpy(timed) / unit,
        "peak_torch": peak / unit,
        "allocated_torch": total / unit,
        "operators": float(sum(event.name.startswith("aten::") for event in events)),
        "passes": _elements_read(events) / (unit / 4),  # float32
    }


def _peak_numpy(timed: Any) -> float:
    """Bytes above those before the run. Numpy reports its arrays to tracemalloc, torch does not."""
    given = timed.before()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        timed.run(given)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return float(peak - before)


def _memory(profiler: Any) -> tuple[float, float]:
    """The peak and the sum of allocations, in bytes, from the profiler's own events."""
    events = profiler.profiler.kineto_results.events()
    changes = [(e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]"]
    now = np.cumsum([n for _, n in sorted(changes, key=lambda change: change[0])] or [0])
    return float(max(0, now.max())), float(sum(n for _, n in changes if n > 0))


def _elements_read(events: Any) -> float:
    """Elements of the inputs of the operators that do the work (those that call no other)."""
    read = 0
    for event in events:
        name = event.name.removeprefix("aten::")
        calls_others = any(child.name.startswith("aten::") for child in event.cpu_children)
        if event.name == name or calls_others or name in NO_WORK:
            continue
        read += sum(int(np.prod(shape)) for shape in event.input_shapes if shape)
    return float(read)
