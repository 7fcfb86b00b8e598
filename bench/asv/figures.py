"""Exact figures of a run, which do not depend on the clock.

Memory is in units of the table that the workload reads: a rise by 1 is a copy of the table.
"""

import tracemalloc
from typing import Any

import numpy as np

# Operators that only make views of memory or allocate it.
NO_WORK = {
    "alias", "as_strided", "detach", "empty", "empty_like", "empty_strided", "expand", "item",
    "lift_fresh", "narrow", "permute", "reshape", "resize_", "resolve_conj", "resolve_neg",
    "result_type", "select", "set_", "slice", "split", "squeeze", "t", "transpose", "unsqueeze",
    "view", "_local_scalar_dense", "_reshape_alias", "_unsafe_view",
}  # fmt: skip

# Python's own objects vary by some kilobytes, e.g. with the length of a path.
PYTHON_BYTES = 64 << 10


def figures(workload: Any) -> dict[str, tuple[float, float]]:
    """Measure the figures of a warm run. Each comes with the difference to ignore.

    - peak_numpy: peak allocation of Python and numpy, in tables
    - peak_torch, allocated_torch: peak and sum of torch's allocations, in tables
    - passes: number of elements that operators read / number of elements of the table
    - operators: number of torch operators that ran

    A figure is the lower value of two runs, so that the filling of caches does not count.
    """
    first, second = (_figures(workload) for _ in range(2))
    inexact = {"peak_numpy": PYTHON_BYTES / workload.n_bytes}
    return {n: (min(first[n], second[n]), inexact.get(n, 0.0)) for n in first}


def _figures(workload: Any) -> dict[str, float]:
    from torch.profiler import ProfilerActivity, profile

    unit = workload.n_bytes
    argument = workload.before()
    cpu = [ProfilerActivity.CPU]
    with profile(activities=cpu, profile_memory=True, record_shapes=True) as profiler:
        result = workload.run(argument)
    del result
    events = profiler.events() or []
    peak, total = _memory(profiler)
    return {
        "peak_numpy": _peak_numpy(workload) / unit,
        "peak_torch": peak / unit,
        "allocated_torch": total / unit,
        "operators": float(sum(event.name.startswith("aten::") for event in events)),
        "passes": _elements_read(events) / (unit / 4),  # float32
    }


def _peak_numpy(workload: Any) -> float:
    """Peak bytes that a run adds. Numpy reports to tracemalloc, torch does not."""
    argument = workload.before()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        workload.run(argument)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return float(peak - before)


def _memory(profiler: Any) -> tuple[float, float]:
    """Peak and sum of allocations in bytes, from the events of the profiler."""
    events = profiler.profiler.kineto_results.events()
    changes = [(e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]"]
    now = np.cumsum([n for _, n in sorted(changes, key=lambda change: change[0])] or [0])
    return float(max(0, now.max())), float(sum(n for _, n in changes if n > 0))


def _elements_read(events: Any) -> float:
    """Count the input elements of the operators that call no other operator."""
    read = 0
    for event in events:
        name = event.name.removeprefix("aten::")
        calls_others = any(child.name.startswith("aten::") for child in event.cpu_children)
        if event.name == name or calls_others or name in NO_WORK:
            continue
        read += sum(int(np.prod(shape)) for shape in event.input_shapes if shape)
    return float(read)
