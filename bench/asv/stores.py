"""Stores of synthetic cells, for benchmarks and for tests of large reports.

Records and arrays have the form of real ones, failures included. Their numbers are drawn from
fixed seeds.
"""

import json
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

SEEDS = 10
METHODS_FOR_DATASETS = 1.6  # 40 methods on 25 datasets make 10,000 cells
N_TRAIN, N_TEST = 600, 200
# classes, features, needles: digits, genes, needles in noise
TABLES = ((10, 784, 0), (7, 2000, 400), (2, 1024, 5), (2, 500, 20), (3, 2500, 0))
FAMILIES = ("deepmapper", "deepinsight_tsne", "igtd", "cnn1d", "random_forest", "logistic", "stump")
MAKES_IMAGES = FAMILIES[:3]
TRAINS_A_NETWORK = FAMILIES[:4]
ATTRIBUTES = ("deepmapper", "igtd", "random_forest", "logistic", "stump")
PHASES = {
    **{"warm_up": 0.01, "load": 0.02, "convert_fit": 0.1, "convert_train": 0.1, "train": 1.0},
    **{"convert_test": 0.03, "predict": 0.05, "predict_train": 0.05, "attribute": 0.1},
}
TROUBLE = {  # status by the drawn percent
    **dict.fromkeys((0, 1, 2), ("timeout", "over 240 s during train")),
    3: ("out_of_memory", "in convert_fit: over 6,000 MiB, of which the data are 57 MiB"),
    4: ("diverged", "in train: the loss is NaN in epoch 3"),
    5: ("failed", "in train: ValueError: array must not contain infs or NaNs"),
}
ENVIRONMENT = {
    "python": "3.12.1",
    "platform": "Linux x86_64",
    "machine": "00000000",
    "cpu": "A made-up CPU",
    "cpu_features": ["AVX2"],
    "n_cpus": 2,
    "memory_mib": 24000,
    "gpu": None,
    "packages": {"numpy": "2.4.6"},
    "commit": "0123456789abcdef0123456789abcdef01234567",
    "dirty": False,
}


def make_store(n_cells: int) -> "tempfile.TemporaryDirectory[str]":
    """Make a temporary folder with a store of `n_cells` cells."""
    folder = tempfile.TemporaryDirectory()
    fill_store(Path(folder.name), n_cells)
    return folder


def fill_store(folder: Path, n_cells: int, numbers: range | None = None) -> None:
    """Write a store of `n_cells` cells, or only `numbers` of them."""
    for name in ("cells", "artifacts", "tables"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "spec.toml").write_text('name = "scale"\ndatasets = ["digits"]\nmethods = ["mlp"]\n')
    for record, arrays in make_cells(n_cells, numbers):
        (folder / "cells" / f"{record['key']}.json").write_text(json.dumps(record, indent=1))
        if arrays:
            np.savez_compressed(folder / "artifacts" / f"{record['key']}.npz", **arrays)


def make_cells(
    n_cells: int, numbers: range | None = None
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Make `n_cells` records and arrays: a grid of datasets, methods and seeds."""
    n_groups = math.ceil(n_cells / SEEDS)
    n_methods = min(n_groups, round(math.sqrt(METHODS_FOR_DATASETS * n_groups)))
    for number in numbers or range(n_cells):
        group, seed = divmod(number, SEEDS)
        dataset, method = divmod(group, n_methods)
        yield _cell(number, dataset, method, seed)


def _cell(number: int, table: int, method: int, seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    from bench.metrics import METRICS, score_arrays, version
    from bench.store.records import Dataset, Method, Record, Split

    rng = np.random.default_rng([table, method, seed])
    n_classes, n_features, n_needles = TABLES[table % len(TABLES)]
    family = FAMILIES[method % len(FAMILIES)]
    needles = np.random.default_rng(table).choice(n_features, n_needles, replace=False)
    relevant = sorted(map(int, needles)) or None
    status, reason = TROUBLE.get(int(rng.integers(100)), ("ok", None))
    skill = 0.5 + 0.49 * math.sin(method + 1) ** 2 * (0.6 + 0.4 * math.cos(table) ** 2)
    arrays = _arrays(rng, n_classes, n_features, relevant, family, skill) if status == "ok" else {}
    seconds = min(240.0, float(np.exp(rng.normal(0.15 * (method % 40) - 3, 0.1))))
    peaks = {"peak_host_mib": 90.0 + seconds, "peak_device_mib": None}
    side = math.ceil(math.sqrt(n_features))
    record = Record(
        key=f"{number:032x}",
        status=status,
        reason=reason,
        dataset=Dataset(
            name="needles" if relevant else "digits",
            label=f"table {table}, {n_features:,} features",
            params={"n_samples": N_TRAIN + N_TEST, "n_features": n_features, "seed": seed},
            checksum=f"{table:064x}",
            n_samples=N_TRAIN + N_TEST,
            n_features=n_features,
            n_classes=n_classes,
            classes=[f"class_{i}" for i in range(n_classes)],
            relevant=relevant,
            source={"citation": "Made up (2024)", "address": "generated", "licence": "MIT"},
            prepare_seconds=0.12,
            n_train=N_TRAIN,
            n_test=N_TEST,
        ),
        method=Method(
            name=family,
            label=f"{family} ({method // len(FAMILIES)})" if method >= 7 else family,
            params={"epochs": 15, "learning_rate": 0.001, "batch_size": 64, "number": method},
            source_hash=f"{method:064x}",
            looks_at_labels=False,
        ),
        seed=seed,
        split=Split("stratified", 0.25),
        device="cpu",
        phases={name: {"seconds": share * seconds, **peaks} for name, share in PHASES.items()},
        attribution_status="ok" if "attributions" in arrays else "none",
        metrics=score_arrays(arrays, relevant) if arrays else dict.fromkeys(METRICS),
        metrics_version=version(),
        n_parameters=11_170_000 if family in TRAINS_A_NETWORK else None,
        image_shape=[side, side] if family in MAKES_IMAGES else None,
        wall_seconds=seconds * 1.2 + 0.5,
        overhead_seconds=0.1,
        cpu_seconds=seconds,
        limits={"cpu_seconds": 240.0, "wall_seconds": 2400.0, "memory_mib": 6000},
        jobs=2,
        executor="local",
        environment=ENVIRONMENT,
    )
    return record.to_dict(), arrays


def _arrays(
    rng: np.random.Generator,
    n_classes: int,
    n_features: int,
    relevant: list[int] | None,
    family: str,
    skill: float,
) -> dict[str, Any]:
    y = rng.permutation(np.arange(N_TEST) % n_classes)
    scores = (
        rng.random((N_TEST, n_classes))
        + np.where(rng.random(N_TEST) < skill, 3.0, 0.0)[:, None] * np.eye(n_classes)[y]
    )
    y_train = rng.integers(0, n_classes, N_TRAIN)
    arrays = {
        "y_test": y,
        "test_rows": rng.permutation(N_TRAIN + N_TEST)[:N_TEST],
        "probabilities": (scores / scores.sum(1, keepdims=True)).astype(np.float32),
        "y_train": y_train,
        "train_predictions": np.where(rng.random(N_TRAIN) < skill + 0.01, y_train, 0),
    }
    if family in ATTRIBUTES:
        strength = rng.random((n_classes, n_features), dtype=np.float32)
        strength[:, relevant or []] += 2 * skill
        arrays["attributions"] = strength
    if family in TRAINS_A_NETWORK:
        arrays["history"] = np.array(json.dumps([_epoch(n, skill) for n in range(1, 16)]))
    if family in MAKES_IMAGES:
        side, n_shown = math.ceil(math.sqrt(n_features)), min(n_classes, 4)
        arrays["example_images"] = rng.random((n_shown, side, side)).astype(np.float16)
        arrays["example_rows"] = arrays["test_rows"][:n_shown]
        arrays["example_labels"] = y[:n_shown]
    return arrays


def _epoch(number: int, skill: float) -> dict[str, float | int]:
    return {
        "pass": 0,
        "epoch": number,
        "train_loss": math.exp(-number * skill / 3),
        "train_accuracy": 1 - 0.5 * math.exp(-number * skill / 2),
        "validation_loss": 0.1 + math.exp(-number * skill / 4),
        "validation_accuracy": 0.97 - 0.5 * math.exp(-number * skill / 3),
        "seconds": 0.8,
    }
