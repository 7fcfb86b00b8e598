"""Restored MNIST: AggMap's published check on our `aggmap`, one CNN on three orders of the pixels.

Shen et al., Nucleic Acids Res 50 (2022): the same CNN reached 99.53% on MNIST, 96.70% on MNIST with
its pixels shuffled and 99.18% on the shuffled images after AggMap had placed the pixels anew.
"""

import time
from typing import Any

import numpy as np

from bench.catalog import entry, table_entry
from bench.experiments.engine.records import Case
from bench.experiments.engine.shuffled import SETTINGS
from bench.experiments.engine.statistics import of_seeds, table
from deepmapper import DeepMapperClassifier
from deepmapper.images.layouts import natural

TARGET = (
    "60,000 training images, 3 seeds: accuracy on restored MNIST as published (99.18%) or better"
)
PUBLISHED = {"true_grid": 99.53, "shuffled": 96.70, "aggmap": 99.18}  # percent


def cases() -> list[Case]:
    return [
        Case(f"{pixels}_seed_{seed}", {"pixels": pixels, "seed": seed})
        for seed in range(3)
        for pixels in PUBLISHED
    ]


def measure(
    pixels: str, seed: int, n_train: int = 60_000, device: str = "cpu", held_out: bool = False
) -> dict[str, Any]:
    """Accuracy of the CNN of the experiment `shuffled` with the pixels in one of three orders.

    Args:
        n_train: so many training images, drawn by the seed.
        held_out: measure on 10,000 of the training images that are left, not on the test images.
    """
    data = "mnist" if pixels == "true_grid" else "shuffled_mnist"
    source = table_entry(data).load()
    images = source.load() if data == "mnist" else source.load(seed=seed)
    assert images.official_split is not None
    everything, test = images.official_split
    order = np.random.default_rng(seed).permutation(everything)
    training = np.sort(order[:n_train])
    if held_out:
        test = order[n_train : n_train + 10_000]
    X, y = images.X[training], images.y[training]
    start = time.perf_counter()
    place = entry("methods", "aggmap").load().aggmap_layout
    layout = place(X, seed) if pixels == "aggmap" else natural(X.shape[1])
    layout_seconds = time.perf_counter() - start
    model = DeepMapperClassifier(
        layout=layout,
        gate=False,
        training={"validation_fraction": 0.0},
        device=device,
        random_state=seed,
        **SETTINGS,
    ).fit(X, y)
    right = model.predict(images.X[test]) == images.y[test]
    return {
        "accuracy_percent": 100 * float(right.mean()),
        "n_train": len(training),
        "n_test": len(right),
        "layout_seconds": layout_seconds,
        "fit_seconds": time.perf_counter() - start,
        "epochs": len(model.history_),
    }


def summary(records: list[dict[str, Any]]) -> str:
    rows = []
    for pixels, published in PUBLISHED.items():
        some = [r["measured"] for r in records if r["parameters"]["pixels"] == pixels]
        if some:
            accuracy = of_seeds([m["accuracy_percent"] for m in some], 2)
            seconds = of_seeds([m["layout_seconds"] for m in some], 0)
            rows.append([pixels, accuracy, f"{published:.2f}", seconds])
    return table(["pixels", "test accuracy, %", "published, %", "seconds to place them"], rows)
