"""Seconds and memory to learn a layout, at three sizes."""

import time
from typing import Any

import numpy as np

from bench.catalog import table_entry
from bench.experiments.runner import Case, measured, of_seeds, table
from bench.run.phases import Phases
from deepmapper.images.layouts import make_layout
from deepmapper.images.scaling import FeatureScaler

TARGET = "784 features in 10 s (hope 3), 19,319 in 40 s (hope 15), 56,537 in 60 s (hope 30)"
TABLES: dict[str, dict[str, Any]] = {
    "shuffled_mnist": {"n_train": 60_000, "n_test": 1, "seed": 0},
    "expression": {"seed": 0},  # 6,216 x 19,319
    "tcga": {},  # 364 x 56,537
}


def cases() -> list[Case]:
    return [Case(f"{name}_run_{i}", {"name": name, "run": i}) for i in range(3) for name in TABLES]


def measure(name: str, run: int) -> dict[str, Any]:
    data = table_entry(name).load().load(**TABLES[name])
    X = FeatureScaler().fit_transform(np.asarray(data.X, dtype=np.float32))
    phases = Phases("cpu")
    start = time.perf_counter()
    with phases("layout"):
        layout = make_layout("learned", X.shape[1], run, X=X)
    return {
        "seconds": time.perf_counter() - start,
        "peak_host_mib": phases.records["layout"]["peak_host_mib"],
        "n_samples": X.shape[0],
        "n_features": X.shape[1],
        "quality": layout.quality,
    }


def summary(records: list[dict[str, Any]]) -> str:
    rows = []
    for name in TABLES:
        some = measured(records, name=name)
        if some:
            seconds = of_seeds([m["seconds"] for m in some], 1)
            peak = max(m["peak_host_mib"] for m in some)
            rows.append([name, some[0]["n_samples"], some[0]["n_features"], seconds, peak])
    return table(["table", "samples", "features", "seconds", "peak MiB"], rows)
