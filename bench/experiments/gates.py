"""Ways to gate the pixels, compared on development seeds that no report uses.

Balanced accuracy and loss on a quarter of the rows, and the share of true features among the first
by saliency.
"""

from typing import Any

import numpy as np
import torch
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import train_test_split

from bench.catalog import table_entry
from bench.experiments.runner import Case, measured, of_seeds, table
from deepmapper.attribution import attribute
from deepmapper.images.converter import ImageConverter
from deepmapper.networks._assembly import build_network
from deepmapper.networks.gate import PixelGate
from deepmapper.networks.screen import Screen, most_open, screen
from deepmapper.training.objectives import Classification, class_weights
from deepmapper.training.streams import torch_stream
from deepmapper.training.trainer import TrainingSettings, predict_logits, train

TARGET = "the default gate (n / log n) is the best, or within noise of the best, on every table"
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


def cases() -> list[Case]:
    return [
        Case(f"{name}_{number}_seed_{seed}", {"name": name, "way": way, "seed": seed})
        for name in TABLES
        for seed in SEEDS
        for number, way in enumerate(WAYS)
    ]


def measure(name: str, way: str, seed: int) -> dict[str, Any]:
    generator, parameters = TABLES[name]
    data = table_entry(generator).load().load(seed=seed, **parameters)
    X, X_test, y, y_test = train_test_split(
        data.X, data.y, test_size=0.25, stratify=data.y, random_state=seed
    )
    converter = ImageConverter().fit(X)
    images, test = (torch.from_numpy(converter.transform(rows)) for rows in (X, X_test))
    labels, test_labels = torch.from_numpy(y), torch.from_numpy(y_test)
    n_classes, shape = int(y.max()) + 1, tuple(images.shape[1:])
    gate = _gate(way, screen(images, labels, n_classes), shape, len(y))
    with torch_stream(seed, "initialisation"):
        network = build_network("patch", shape, n_classes, gate=gate)
        history = train(
            network,
            (images, labels),
            TrainingSettings(),
            objective=Classification(class_weights(labels, n_classes)),
            generator=torch.Generator().manual_seed(seed),
            validation=(test, test_labels),
        )
    precision = None
    if data.relevant is not None:
        maps = attribute(network, images, labels, method="saliency", n_classes=n_classes)
        strength = converter.to_features(maps.mean((0, 1)).numpy())
        top = np.argsort(-strength)[: len(data.relevant)]
        precision = float(np.isin(top, data.relevant).mean())
    predicted = predict_logits(network, test).argmax(1)
    return {
        "balanced_accuracy": float(balanced_accuracy_score(y_test, predicted)),
        "loss": history[-1].validation_loss,
        "precision": precision,
        "open_pixels": history[-1].open_pixels,
    }


def _gate(way: str, seen: Screen, shape: tuple[int, ...], n_samples: int) -> PixelGate | None:
    if way == "none":
        return None
    opening = torch.from_numpy(seen.opening()).float().view(shape)
    if way == "n / log n":  # as `screened_gate`
        limited = torch.from_numpy(seen.opening(most_open(n_samples))).float().view(shape)
        return PixelGate(limited, doubt=1 - opening)
    gate = PixelGate(opening, torch.ones(shape) if way == "threshold for all" else None)
    gate.weight.requires_grad_(way != "screen fixed")
    return gate


def summary(records: list[dict[str, Any]]) -> str:
    rows = []
    for name in TABLES:
        for way in WAYS:
            some = measured(records, name=name, way=way)
            if some:
                found = [m["precision"] for m in some if m["precision"] is not None]
                scores = [of_seeds([m[k] for m in some]) for k in ("balanced_accuracy", "loss")]
                rows.append([name, way, *scores, of_seeds(found, 3) if found else ""])
    return table(["table", "gate", "balanced accuracy", "loss", "true features on top"], rows)
