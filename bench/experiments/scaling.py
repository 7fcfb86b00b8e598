"""How conversion and training grow with features and with samples: slopes in log-log."""

import time
from typing import Any

import numpy as np
import torch

from bench.experiments.runner import Case, table
from deepmapper.images.converter import ImageConverter
from deepmapper.networks._assembly import build_network
from deepmapper.networks.gate import PixelGate
from deepmapper.training.objectives import Classification
from deepmapper.training.trainer import TrainingSettings, train

TARGET = "p from 1e3 to 1e6 and n from 1e3 to 1e5: linear, log-log slope <= 1.1"
# (samples, features): one side grows, the other stays.
GROWING_P = [(512, p) for p in (1_000, 3_162, 10_000, 31_623, 100_000, 316_228, 1_000_000)]
GROWING_N = [(n, 1_024) for n in (1_000, 3_162, 10_000, 31_623, 100_000)]
ROUNDS = 5


def cases() -> list[Case]:
    return [
        Case(f"{side}_n_{n:06d}_p_{p:07d}", {"side": side, "n": n, "p": p})
        for side, sizes in (("p", GROWING_P), ("n", GROWING_N))
        for n, p in sizes
    ]


def measure(side: str, n: int, p: int) -> dict[str, Any]:
    """The median of five conversions; one epoch of training in batches of 64, behind a gate."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, p), dtype=np.float32)
    y = torch.from_numpy(rng.integers(0, 2, n))
    conversion: list[float] = []
    images: Any = None
    for _ in range(ROUNDS + 1):  # the first one warms up
        del images
        start = time.perf_counter()
        images = ImageConverter().fit_transform(X)
        conversion.append(time.perf_counter() - start)
    shape = tuple(images.shape[1:])
    network = build_network("patch", shape, 2, gate=PixelGate(torch.ones(shape)))
    training: list[float] = []

    def keep(epoch: Any) -> None:
        training.append(epoch.seconds)

    train(
        network,
        (torch.from_numpy(images), y),
        TrainingSettings(max_epochs=3, batch_size=64),
        objective=Classification(),
        generator=torch.Generator().manual_seed(0),
        on_epoch=keep,
    )
    return {
        "conversion_seconds": float(np.median(conversion[1:])),
        "epoch_seconds": float(np.median(training)),
        "all_conversions": conversion,
        "all_epochs": training,
    }


def summary(records: list[dict[str, Any]]) -> str:
    parts = []
    for side, name in (("p", "features"), ("n", "samples")):
        some = [r for r in records if r["parameters"]["side"] == side]
        some.sort(key=lambda r: r["parameters"][side])
        if len(some) < 2:
            continue
        sizes = [r["parameters"][side] for r in some]
        rows = [
            [f"{size:,}", r["measured"]["conversion_seconds"], r["measured"]["epoch_seconds"]]
            for size, r in zip(sizes, some, strict=True)
        ]
        slopes = {
            what: slope(sizes, [r["measured"][f"{what}_seconds"] for r in some])
            for what in ("conversion", "epoch")
        }
        parts += [
            table([name, "conversion, s", "epoch, s"], rows),
            "",
            f"log-log slopes: conversion {slopes['conversion']:.2f}, "
            f"epoch {slopes['epoch']:.2f} over {name}",
            "",
        ]
    return "\n".join(parts)


def slope(sizes: list[int], seconds: list[float]) -> float:
    """The least-squares slope of log seconds over log size."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])
