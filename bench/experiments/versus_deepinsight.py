"""DeepMapper's conversion against DeepInsight's with t-SNE, the same table, one process."""

import time
from typing import Any

import numpy as np

from bench.catalog import entry, table_entry
from bench.experiments.conversion import keep_freed_memory
from bench.experiments.runner import Case, measured, of_seeds
from deepmapper.images.converter import ImageConverter

TARGET = "6,216 x 19,319: >= 1,000 times faster than deepinsight_tsne (hope 3,000)"
SCALES = {"standard": "standard", "minmax": "norm2"}  # ours, and the like of it in DeepInsight
ROUNDS = 10


def cases() -> list[Case]:
    return [
        Case(f"{scale}_run_{i}", {"scale": scale, "run": i}) for i in range(3) for scale in SCALES
    ]


def measure(scale: str, run: int) -> dict[str, Any]:
    """DeepMapper before and after DeepInsight, ten times each; DeepInsight once: minutes.

    On `expression`: t-SNE gives up early on features that have nothing to do with each other. Both
    work in memory that the process keeps: finding 480 MB anew can cost more than converting.
    """
    kept = keep_freed_memory()
    table = table_entry("expression").load().load(seed=run)
    X, y = table.X, table.y
    ours = [_ours(X, scale) for _ in range(ROUNDS)]
    module = entry("methods", "deepinsight_tsne").load()
    pipeline = module.build(module.Params(scaling=SCALES[scale]), device="cpu", seed=run)
    converter = pipeline.named_steps["convert"]
    start = time.perf_counter()
    converter.fit(X, y)
    fitted = time.perf_counter()
    converter.transform(X)
    end = time.perf_counter()
    ours += [_ours(X, scale) for _ in range(ROUNDS)]
    return {
        "freed_memory_is_kept": kept,
        "deepmapper_seconds": ours,
        "deepinsight_fit_seconds": fitted - start,
        "deepinsight_transform_seconds": end - fitted,
        "times_faster": (end - start) / float(np.median(ours)),
        "times_faster_at_worst": (end - start) / max(ours),
    }


def _ours(X: np.ndarray, scale: str) -> float:
    start = time.perf_counter()
    images = ImageConverter(scale=scale).fit_transform(X)
    seconds = time.perf_counter() - start
    del images
    return seconds


def summary(records: list[dict[str, Any]]) -> str:
    lines = []
    for scale, theirs in SCALES.items():
        some = measured(records, scale=scale)
        if some:
            both = [m["deepinsight_fit_seconds"] + m["deepinsight_transform_seconds"] for m in some]
            lines.append(
                f"- scaling {scale} ({theirs} in DeepInsight): DeepInsight {of_seeds(both, 1)} s, "
                f"DeepMapper {np.median([m['deepmapper_seconds'] for m in some]):.3f} s (the first "
                f"of a process, at worst {max(max(m['deepmapper_seconds']) for m in some):.3f}): "
                f"{of_seeds([m['times_faster'] for m in some], 0)} times faster"
            )
    return "\n".join(lines)
