"""A million features from a file: peak memory, and the cost a feature against ten thousand.

The file (2,000 rows of 4 MB) lies in a temporary folder and goes with it; needles of class shift
d = 0.5 sd at random places give training something to find.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.experiments.runner import Case, table
from bench.run.phases import Phases
from deepmapper import DeepMapperClassifier

TARGET = (
    "1,000,000 features x 2,000 samples from a memory-mapped file: peak <= 6 GiB (hope 4); cost a "
    "feature <= 1.5 times that at 10,000 (hope 1.1)"
)
N_SAMPLES, N_NEEDLES, EPOCHS = 2_000, 50, 2
SIZES = (10_000, 100_000, 1_000_000)


def cases() -> list[Case]:
    return [
        Case(f"p_{p:07d}_run_{i}", {"n_features": p, "run": i}) for i in range(2) for p in SIZES
    ]


def measure(n_features: int, run: int) -> dict[str, Any]:
    """One pass of two epochs, everything streamed from the file; attribution included."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.npy"
        y, needles = write_table(path, N_SAMPLES, n_features, seed=run)
        X = np.load(path, mmap_mode="r")
        warm_up_seconds = warm_up()
        return {
            **train_from_file(X, y, needles, seed=run),
            "warm_up_seconds": warm_up_seconds,
        }


def warm_up() -> float:
    """Seconds of a first, tiny fit: imports and first uses, which no size pays for."""
    X = np.random.default_rng(0).standard_normal((300, 64), dtype=np.float32)
    start = time.perf_counter()
    DeepMapperClassifier(passes=1, training={"max_epochs": 1}, device="cpu", random_state=0).fit(
        X, X[:, 0] > 0
    )
    return time.perf_counter() - start


def train_from_file(X: Any, y: np.ndarray, needles: np.ndarray, seed: int) -> dict[str, Any]:
    model = DeepMapperClassifier(
        passes=1,
        training={"max_epochs": EPOCHS, "batch_size": 64},
        stream=True,
        device="cpu",
        random_state=seed,
    )
    phases = Phases("cpu")
    start = time.perf_counter()
    with phases("fit"):
        model.fit(X, y)
    seconds = time.perf_counter() - start
    strength = np.abs(np.mean(model.consensus_.maps, axis=0)).mean(0)
    top = np.argsort(-strength)[: len(needles)]
    return {
        "fit_seconds": seconds,
        "microseconds_a_feature_and_sample": 1e6 * seconds / (X.shape[0] * X.shape[1]),
        "peak_host_mib": phases.records["fit"]["peak_host_mib"],
        "needle_recall": float(np.isin(needles, top).mean()),
        "epoch_seconds": [row["seconds"] for row in model.history_],
        "validation_accuracy": model.history_[-1]["validation_accuracy"],
        "table_bytes": X.nbytes,
    }


def write_table(
    path: Path, n_samples: int, n_features: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Normal noise with shifted needles, written a block of rows at a time; labels and needles."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n_samples) % 2)
    needles = np.sort(rng.choice(n_features, N_NEEDLES, replace=False))
    X = np.lib.format.open_memmap(path, "w+", np.float32, (n_samples, n_features))
    for start in range(0, n_samples, 50):
        rows = rng.standard_normal((min(50, n_samples - start), n_features), dtype=np.float32)
        rows[:, needles] += 0.5 * y[start : start + len(rows), None]
        X[start : start + len(rows)] = rows
    X.flush()
    return y, needles


def summary(records: list[dict[str, Any]]) -> str:
    rows = []
    for p in SIZES:
        some = [r["measured"] for r in records if r["parameters"]["n_features"] == p]
        if some:
            cost = float(np.median([m["microseconds_a_feature_and_sample"] for m in some]))
            peak = max(m["peak_host_mib"] for m in some)
            seconds = float(np.median([m["fit_seconds"] for m in some]))
            recall = float(np.mean([m["needle_recall"] for m in some]))
            rows.append([f"{p:,}", seconds, 1000 * cost, cost, peak, recall])
    for row in rows:
        row[3] /= rows[0][2] / 1000
    head = ["features", "seconds", "ns a value", "against the first", "peak MiB", "needles found"]
    return table(head, rows)
