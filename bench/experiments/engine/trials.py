"""Development comparisons behind the engine's settings, on seeds that no report uses.

    python -m bench.experiments.engine.trials [TABLE ...]

Each way to gate the pixels, on tables of development seeds: balanced accuracy and loss on a quarter
of the rows, and how many of the true features lead by saliency.
"""

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import train_test_split

from bench.catalog import table_entry
from deepmapper.attribution import attribute
from deepmapper.images.converter import ImageConverter
from deepmapper.networks._assembly import build_network
from deepmapper.networks.gate import PixelGate
from deepmapper.networks.screen import Screen, most_open, screen
from deepmapper.training.objectives import Classification, class_weights
from deepmapper.training.streams import torch_stream
from deepmapper.training.trainer import TrainingSettings, predict_logits, train

SEEDS = (101, 102, 103)
TABLES: dict[str, tuple[str, dict[str, Any]]] = {
    "digits": ("shuffled_mnist", {"base": "digits"}),
    "expression": ("expression", {"n_samples": 600, "n_features": 2000, "n_classes": 6}),
    "few_samples": ("expression", {"n_samples": 300, "n_features": 5000, "n_classes": 6}),
    "many_classes": ("expression", {"n_samples": 1500, "n_features": 5000}),
    "full_expression": ("expression", {}),
    "nihs": ("nihs", {"n_samples": 2000, "n_features": 2500, "needles": "random"}),
    "xor": ("needles", {"kind": "xor"}),
}
WAYS = ("none", "screen fixed", "threshold for all", "threshold by doubt", "n / log n")


def main(names: list[str]) -> None:
    for name in names or list(TABLES):
        generator, parameters = TABLES[name]
        for seed in SEEDS:
            table = table_entry(generator).load().load(seed=seed, **parameters)
            for way, result in compare(table, seed):
                print(name, seed, f"{way:20s}", result, flush=True)  # noqa: T201


def compare(table: Any, seed: int) -> Iterator[tuple[str, dict[str, float | int | None]]]:
    X, X_test, y, y_test = train_test_split(
        table.X, table.y, test_size=0.25, stratify=table.y, random_state=seed
    )
    converter = ImageConverter().fit(X)
    images, test = (torch.from_numpy(converter.transform(rows)) for rows in (X, X_test))
    labels, test_labels = torch.from_numpy(y), torch.from_numpy(y_test)
    n_classes, shape = int(y.max()) + 1, tuple(images.shape[1:])
    seen = screen(images, labels, n_classes)
    for way in WAYS:
        with torch_stream(seed, "initialisation"):
            network = build_network("patch", shape, n_classes, gate=_gate(way, seen, shape, len(y)))
            if way == "screen fixed":
                network.gate.weight.requires_grad_(False)  # type: ignore[union-attr]
            history = train(
                network,
                (images, labels),
                TrainingSettings(target_loss=None),
                objective=Classification(class_weights(labels, n_classes)),
                generator=torch.Generator().manual_seed(seed),
                validation=(test, test_labels),
            )
        maps = attribute(network, images, labels, method="saliency", n_classes=n_classes)
        strength = converter.to_features(maps.mean((0, 1)).numpy())
        relevant = table.relevant
        found = None
        if relevant is not None:
            top = np.argsort(-strength)[: len(relevant)]
            found = round(float(np.isin(top, relevant).mean()), 3)
        predicted = predict_logits(network, test).argmax(1)
        yield (
            way,
            {
                "balanced_accuracy": round(balanced_accuracy_score(y_test, predicted), 4),
                "loss": round(history[-1].validation_loss or 0.0, 4),
                "precision": found,
                "open_pixels": history[-1].open_pixels,
            },
        )


def _gate(way: str, seen: Screen, shape: tuple[int, ...], n_samples: int) -> PixelGate | None:
    if way == "none":
        return None
    opening = torch.from_numpy(seen.opening()).float().view(shape)
    if way == "n / log n":  # as `screened_gate`
        limited = torch.from_numpy(seen.opening(most_open(n_samples))).float().view(shape)
        return PixelGate(limited, doubt=1 - opening)
    return PixelGate(opening, torch.ones(shape) if way == "threshold for all" else None)


if __name__ == "__main__":
    main(sys.argv[1:])
