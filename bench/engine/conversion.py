"""Normalise and fold a table, against copying the same bytes, in one process."""

import time
from functools import partial
from typing import Any

import numpy as np

from bench.engine.records import Case
from bench.engine.statistics import of_seeds
from deepmapper.converter import ImageConverter

TARGET = "6,216 x 19,319, against copying the same bytes: <= 6 times (hope 3)"
N_SAMPLES, N_FEATURES = 6_216, 19_319
ROUNDS = 15


def cases() -> list[Case]:
    return [
        Case(f"{scale}_run_{i}", {"scale": scale, "run": i})
        for i in range(3)
        for scale in ("standard", "minmax")
    ]


def measure(scale: str, run: int) -> dict[str, Any]:
    """Interleaved: copy, convert, copy, convert, ... ; both into memory that was there before.

    `fit_transform` learns the scaling too; `transform` is what new rows cost. "fresh" copies into
    memory that the kernel has to find first, as every conversion does.
    """
    X = counts(run)
    target = np.empty_like(X)
    copy, fresh, fit, transform = [], [], [], []
    for _ in range(ROUNDS):
        copy.append(_seconds(lambda: np.copyto(target, X)))
        fresh.append(_seconds(X.copy))
        converter = ImageConverter(scale=scale)
        fit.append(_seconds(partial(converter.fit_transform, X)))
        transform.append(_seconds(partial(converter.transform, X)))
    return {
        "copy_seconds": copy,
        "fresh_copy_seconds": fresh,
        "fit_transform_seconds": fit,
        "transform_seconds": transform,
        "fit_transform_ratio": float(np.median(np.array(fit) / np.array(copy))),
        "transform_ratio": float(np.median(np.array(transform) / np.array(copy))),
        "fit_transform_ratio_fresh": float(np.median(np.array(fit) / np.array(fresh))),
        "transform_ratio_fresh": float(np.median(np.array(transform) / np.array(fresh))),
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


def _seconds(work: Any) -> float:
    start = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - start
    del result
    return seconds


def summary(records: list[dict[str, Any]]) -> str:
    lines = []
    for scale in ("standard", "minmax"):
        some = [r["measured"] for r in records if r["parameters"]["scale"] == scale]
        for what in ("fit_transform", "transform"):
            if some:
                ratios = of_seeds([m[f"{what}_ratio"] for m in some], 2)
                fresh = of_seeds([m[f"{what}_ratio_fresh"] for m in some], 2)
                median = np.median([m[f"{what}_seconds"] for m in some])
                lines.append(
                    f"- {scale}, {what}: {median:.3f} s; {ratios} copies into memory at hand, "
                    f"{fresh} copies into fresh memory"
                )
    return "\n".join(lines)
