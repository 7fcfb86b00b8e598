"""A 1-D CNN on the features in their natural order.

`tc1` is the architecture of CANDLE's TC1 benchmark (Wu et al., BMC Bioinformatics 19, 2018):
kernels of 20 and 10 over every position, which is slow. `strided` has the same idea with strides
and batch normalisation, and is what a laptop can train.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from sklearn.pipeline import Pipeline
from torch import nn

from datasets.table import Table
from deepmapper.classifier import NetworkClassifier
from deepmapper.scaling import FeatureScaler

MIN_FEATURES = 64  # below it nothing is left after the strides


@dataclass(frozen=True)
class Params:
    architecture: Literal["strided", "tc1"] = "strided"
    epochs: int = 10
    learning_rate: float = 1e-3


def supports(table: Table) -> str | None:
    """Convolutions and pooling shorten the vector: it must be long enough."""
    if table.n_features < MIN_FEATURES:
        return f"needs at least {MIN_FEATURES} features, got {table.n_features}"
    return None


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Standardise, then train; no layout."""
    model = NetworkClassifier(
        {"strided": strided, "tc1": tc1}[params.architecture],
        epochs=params.epochs,
        learning_rate=params.learning_rate,
        device=device,
        random_state=seed,
    )
    return Pipeline([("convert", FeatureScaler()), ("model", model)])


class AsSequence(nn.Module):
    """(n, p) -> (n, 1, p)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.unsqueeze(1)


def strided(shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """(n, p) -> logits (n, n_classes) through three strided convolutions."""
    body = nn.Sequential(
        AsSequence(),
        nn.Conv1d(1, 32, 16, stride=8, padding=4),
        nn.BatchNorm1d(32),
        nn.ReLU(),
        nn.Conv1d(32, 64, 8, stride=4, padding=2),
        nn.BatchNorm1d(64),
        nn.ReLU(),
        nn.Conv1d(64, 64, 4, stride=2, padding=1),
        nn.BatchNorm1d(64),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(0.3),
    )
    n_flat = _length_after(body, shape)
    return nn.Sequential(body, nn.Linear(n_flat, 128), nn.ReLU(), nn.Linear(128, n_classes))


def tc1(shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """(n, p) -> logits (n, n_classes), the layers of CANDLE TC1."""
    body = nn.Sequential(
        AsSequence(),
        nn.Conv1d(1, 128, 20),
        nn.ReLU(),
        nn.Conv1d(128, 128, 10),
        nn.ReLU(),
        nn.MaxPool1d(10),
        nn.Flatten(),
    )
    n_flat = _length_after(body, shape)
    dense = [nn.Linear(n_flat, 200), nn.ReLU(), nn.Dropout(0.1)]
    dense += [nn.Linear(200, 20), nn.ReLU(), nn.Dropout(0.1), nn.Linear(20, n_classes)]
    return nn.Sequential(body, *dense)


def _length_after(body: nn.Module, shape: tuple[int, ...]) -> int:
    with torch.no_grad():
        return int(body.eval()(torch.zeros(1, *shape)).shape[1])
