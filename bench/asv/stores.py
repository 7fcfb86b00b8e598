"""Stores of methods and tables that do not exist, for benchmarks of the harness."""

import json
import tempfile
from pathlib import Path
from typing import Any

N_CLASSES = 4


def record(number: int) -> dict[str, Any]:
    """A record as `bench.run.worker` writes it, of a method and a table that do not exist."""
    from bench.store.store import SCHEMA

    peaks = {"peak_host_mib": 100.0, "peak_device_mib": None}
    phases = ("load", "convert_fit", "convert_train", "train", "convert_test", "predict")
    accuracy = 0.5 + 0.4 * (number * 37 % 101) / 101
    return {
        "schema": SCHEMA,
        "key": f"{number:032x}",
        "status": "ok",
        "reason": None,
        "traceback": None,
        "dataset": {
            "name": f"table{number % 4}",
            "label": f"table{number % 4}",
            "params": {},
            "checksum": "ab" * 32,
            "n_samples": 1_000,
            "n_features": 500,
            "n_classes": N_CLASSES,
            "n_train": 750,
            "n_test": 250,
            "classes": [f"class {c}" for c in range(N_CLASSES)],
            "relevant": None,
            "source": {"citation": "Nobody (2024)", "address": "", "licence": "CC0"},
            "prepare_seconds": 0.1,
        },
        "method": {
            "name": f"method{number // 4 % 5}",
            "label": f"method{number // 4 % 5}",
            "params": {},
            "source_hash": "cd" * 32,
            "looks_at_labels": False,
        },
        "seed": number // 20,
        "split": {"kind": "stratified", "test_fraction": 0.25},
        "device": "cpu",
        "phases": {name: {"seconds": 0.1 + 0.01 * (number % 7), **peaks} for name in phases},
        "metrics": {
            "train_accuracy": accuracy + 0.05,
            "accuracy": accuracy,
            "balanced_accuracy": accuracy,
            "macro_f1": accuracy,
            "log_loss": 1 - accuracy,
            "auroc": None,
            "precision_at_k": None,
            "recall_at_k": None,
            "worst_needle_rank": None,
            "needle_auprc": None,
        },
        "n_parameters": 10_000,
        "image_shape": None,
        "wall_seconds": 1.0,
        "overhead_seconds": 0.05,
        "threads": 1,
        "jobs": 2,
        "environment": {
            "python": "3.12.1",
            "platform": "Linux x86_64",
            "cpu": "A made-up CPU",
            "n_cpus": 2,
            "memory_mib": 24000.0,
            "gpu": None,
            "packages": {"numpy": "2.4.6"},
            "commit": "0123456789abcdef",
            "dirty": False,
        },
        "started": "2024-05-01T10:00:00+00:00",
        "finished": "2024-05-01T10:01:00+00:00",
        "warnings": [],
    }


def filled_store(n_records: int) -> "tempfile.TemporaryDirectory[str]":
    """A folder that holds a store of so many records."""
    folder = tempfile.TemporaryDirectory()
    cells = Path(folder.name) / "cells"
    cells.mkdir()
    for made in map(record, range(n_records)):
        (cells / f"{made['key']}.json").write_text(json.dumps(made))
    return folder
