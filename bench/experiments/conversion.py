"""Normalise and fold a table, against copying the same bytes, in one process."""

import ctypes
import time
from functools import partial
from typing import Any

import numpy as np

from bench.experiments.runner import Case, measured, of_seeds, table
from deepmapper.images.converter import ImageConverter

TARGET = "6,216 x 19,319, against copying the same bytes: <= 6 times (hope 3)"
N_SAMPLES, N_FEATURES = 6_216, 19_319
ROUNDS = 15
SCALES = ("standard", "minmax")
MEMORIES = ("kept", "fresh")


def cases() -> list[Case]:
    return [
        Case(f"{scale}_{memory}_run_{i}", {"scale": scale, "memory": memory, "run": i})
        for i in range(3)
        for scale in SCALES
        for memory in MEMORIES
    ]


def measure(scale: str, memory: str, run: int) -> dict[str, Any]:
    """Interleaved: copy, convert, copy, convert, ... ; like against like.

    "kept": what is freed stays in the process, so that neither has to find memory. "fresh": both
    do, as in a process as it comes. `fit_transform` learns the scaling too; `transform` is what new
    rows cost.
    """
    kept = memory == "kept" and keep_freed_memory()
    X = counts(run)
    copy, fit, transform = [], [], []
    for _ in range(ROUNDS):
        copy.append(_seconds(X.copy))
        converter = ImageConverter(scale=scale)
        fit.append(_seconds(partial(converter.fit_transform, X)))
        transform.append(_seconds(partial(converter.transform, X)))
    return {
        "freed_memory_is_kept": kept,
        "copy_seconds": copy,
        "fit_transform_seconds": fit,
        "transform_seconds": transform,
        "fit_transform_ratio": float(np.median(np.array(fit) / np.array(copy))),
        "transform_ratio": float(np.median(np.array(transform) / np.array(copy))),
        "bytes": X.nbytes,
    }


def counts(seed: int) -> np.ndarray:
    """Log-normal counts, float32 (6,216, 19,319): heavy-tailed, so that logs are taken."""
    X = np.empty((N_SAMPLES, N_FEATURES), dtype=np.float32)
    rng = np.random.default_rng(seed)
    for start in range(0, N_SAMPLES, 256):
        rows = X[start : start + 256]
        rng.standard_normal(out=rows, dtype=np.float32)
        np.exp(2 * rows + 3, out=rows)
        np.floor(rows, out=rows)
    return X


def keep_freed_memory() -> bool:
    """Have this process's allocator keep what is freed; True if it can (the GNU C library).

    Otherwise the kernel has to find and clear pages for every large array. On a virtual machine
    that returns unused pages to its host this takes longer than a conversion, and varies.
    """
    trim_threshold, mmap_max, never = -1, -4, -1  # <malloc.h>
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return bool(mallopt(mmap_max, 0) and mallopt(trim_threshold, never))


def _seconds(work: Any) -> float:
    start = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - start
    del result
    return seconds


def summary(records: list[dict[str, Any]]) -> str:
    rows = []
    for memory in MEMORIES:
        for scale in SCALES:
            some = measured(records, scale=scale, memory=memory)
            for what in ("fit_transform", "transform"):
                if some:
                    ratios = of_seeds([m[f"{what}_ratio"] for m in some], 2)
                    median = float(np.median([m[f"{what}_seconds"] for m in some]))
                    rows.append([memory, scale, what, median, ratios])
    return table(["memory", "scale", "step", "seconds", "copies"], rows)
