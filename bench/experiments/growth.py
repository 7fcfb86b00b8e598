"""Seconds and memory at growing sizes.

`scaling`: log-log slopes of conversion and training time over features and samples.
`million`: a million features from a file, compared with ten thousand.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.experiments.runner import (
    Case,
    experiment,
    grid,
    select_measurements,
    summarise,
    time_call,
)
from bench.run.phases import Phases
from deepmapper import DeepMapperClassifier
from deepmapper.images.converter import ImageConverter
from deepmapper.networks._assembly import build_network
from deepmapper.networks.gate import PixelGate
from deepmapper.training.objectives import Classification
from deepmapper.training.trainer import Epoch, TrainingSettings, train

# (samples, features): one of them grows.
GROWING = {
    "p": [(512, p) for p in (1_000, 3_162, 10_000, 31_623, 100_000, 316_228, 1_000_000)],
    "n": [(n, 1_024) for n in (1_000, 3_162, 10_000, 31_623, 100_000)],
}
N_SAMPLES, N_NEEDLES, EPOCHS = 2_000, 50, 2  # of `million`


def slope(sizes: list[int], seconds: list[float]) -> float:
    """The least-squares slope of log seconds over log size."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def summarise_scaling(records: list[dict[str, Any]]) -> str:
    lines = [summarise(records), ""]
    for side, sizes in GROWING.items():
        points = [(n, p) for n, p in sizes if select_measurements(records, side=side, n=n, p=p)]
        if len(points) < 2:
            continue
        lengths = [size[side == "p"] for size in points]
        measurements = [select_measurements(records, side=side, n=n, p=p)[0] for n, p in points]
        slopes = [
            f"{step} {slope(lengths, [m[f'{step}_seconds'] for m in measurements]):.2f}"
            for step in ("conversion", "epoch")
        ]
        lines.append(f"- log-log slopes over {side}: {', '.join(slopes)}")
    return "\n".join(lines)


@experiment(
    "p from 1e3 to 1e6 and n from 1e3 to 1e5: linear, log-log slope <= 1.1",
    [
        Case(f"{side}_n_{n:06d}_p_{p:07d}", {"side": side, "n": n, "p": p})
        for side, sizes in GROWING.items()
        for n, p in sizes
    ],
    summarise_scaling,
)
def scaling(side: str, n: int, p: int) -> dict[str, Any]:
    """Time five conversions, and epochs of training in batches of 64, with a gate."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, p), dtype=np.float32)
    y = torch.from_numpy(rng.integers(0, 2, n))
    conversion = [time_call(lambda: ImageConverter().fit_transform(X)) for _ in range(6)]
    images = torch.from_numpy(ImageConverter().fit_transform(X))
    shape = tuple(images.shape[1:])
    network = build_network("patch", shape, 2, gate=PixelGate(torch.ones(shape)))
    training: list[float] = []

    def keep(epoch: Epoch) -> None:
        training.append(epoch.seconds)

    train(
        network,
        (images, y),
        TrainingSettings(max_epochs=3, batch_size=64),
        objective=Classification(),
        generator=torch.Generator().manual_seed(0),
        on_epoch=keep,
    )
    return {
        "conversion_seconds": float(np.median(conversion[1:])),  # the first one is a warm-up
        "epoch_seconds": float(np.median(training)),
        "all_conversions": conversion,
        "all_epochs": training,
    }


def warm_up() -> float:
    """Time a first, small fit, so that imports and first uses do not count."""
    X = np.random.default_rng(0).standard_normal((300, 64), dtype=np.float32)
    model = DeepMapperClassifier(passes=1, training={"max_epochs": 1}, device="cpu", random_state=0)
    return time_call(lambda: model.fit(X, X[:, 0] > 0))


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
    """Write normal noise with shifted needles. Return labels and needles."""
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


@experiment(
    "1,000,000 features x 2,000 samples from a memory-mapped file: peak <= 6 GiB (hope 4); cost a "
    "feature <= 1.5 times that at 10,000 (hope 1.1)",
    grid("p_{n_features:07d}_run_{run}", run=range(2), n_features=(10_000, 100_000, 1_000_000)),
)
def million(n_features: int, run: int) -> dict[str, Any]:
    """Time one pass of two epochs with attribution, streamed from the file.

    The file (2,000 rows of 4 MB) is in a temporary folder. Its needles, at random columns, differ
    between the classes by 0.5 standard deviations.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.npy"
        y, needles = write_table(path, N_SAMPLES, n_features, seed=run)
        X = np.load(path, mmap_mode="r")
        warm_up_seconds = warm_up()
        return {
            **train_from_file(X, y, needles, seed=run),
            "warm_up_seconds": warm_up_seconds,
        }
