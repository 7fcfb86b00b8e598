"""DeepMapper's conversion against DeepInsight's with t-SNE, the same table, one process."""

import time
from typing import Any

import numpy as np

from bench.catalog import entry, table_entry
from bench.engine.memory import keep_freed_memory
from bench.engine.records import Case
from deepmapper.converter import ImageConverter

TARGET = "6,216 x 19,319: >= 1,000 times faster than deepinsight_tsne (hope 3,000)"


def cases() -> list[Case]:
    return [Case(f"run_{i}", {"run": i}) for i in range(3)]


def measure(run: int) -> dict[str, Any]:
    """DeepMapper before and after DeepInsight, five times each; DeepInsight once: minutes.

    On `expression`: t-SNE gives up early on features that have nothing to do with each other. Both
    work in memory that the process keeps: here, finding 480 MB anew can cost more than converting.
    """
    kept = keep_freed_memory()
    table = table_entry("expression").load().load(seed=run)
    X, y = table.X, table.y
    ours = [_ours(X) for _ in range(5)]
    module = entry("methods", "deepinsight_tsne").load()
    converter = module.build(module.Params(), device="cpu", seed=run).named_steps["convert"]
    start = time.perf_counter()
    converter.fit(X, y)
    fitted = time.perf_counter()
    converter.transform(X)
    end = time.perf_counter()
    ours += [_ours(X) for _ in range(5)]
    return {
        "freed_memory_is_kept": kept,
        "deepmapper_seconds": ours,
        "deepinsight_fit_seconds": fitted - start,
        "deepinsight_transform_seconds": end - fitted,
        "times_faster": (end - start) / float(np.median(ours)),
        "times_faster_at_worst": (end - start) / max(ours),
    }


def _ours(X: np.ndarray) -> float:
    start = time.perf_counter()
    images = ImageConverter().fit_transform(X)
    seconds = time.perf_counter() - start
    del images
    return seconds


def summary(records: list[dict[str, Any]]) -> str:
    return "\n".join(
        f"- DeepInsight {m['deepinsight_fit_seconds'] + m['deepinsight_transform_seconds']:.1f} s, "
        f"DeepMapper {np.median(m['deepmapper_seconds']):.3f} s (worst "
        f"{max(m['deepmapper_seconds']):.3f}): {m['times_faster']:.0f} times faster"
        for m in (record["measured"] for record in records)
    )
