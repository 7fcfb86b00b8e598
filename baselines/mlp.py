"""A plain multi-layer perceptron on standardised features: the vector read as it is.

Rumelhart, Hinton, Williams, Nature 323 (1986); ReLU and dropout as is usual today.
"""

import math
from dataclasses import dataclass

from sklearn.pipeline import Pipeline
from torch import nn

from deepmapper.classifier import NetworkClassifier
from deepmapper.scaling import FeatureScaler


@dataclass(frozen=True)
class Params:
    hidden: int = 256
    dropout: float = 0.3
    epochs: int = 10
    learning_rate: float = 1e-3


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Two hidden layers, trained as `deepmapper` is."""

    model = NetworkClassifier(
        _Perceptron(params.hidden, params.dropout),
        epochs=params.epochs,
        learning_rate=params.learning_rate,
        device=device,
        random_state=seed,
    )
    return Pipeline([("convert", FeatureScaler()), ("model", model)])


@dataclass(frozen=True)
class _Perceptron:
    hidden: int
    dropout: float

    def __call__(self, shape: tuple[int, ...], n_classes: int) -> nn.Module:
        """(n, p) -> logits (n, n_classes)."""
        return nn.Sequential(
            nn.Linear(math.prod(shape), self.hidden),
            nn.ReLU(),
            nn.Dropout(self.dropout),
            nn.Linear(self.hidden, self.hidden),
            nn.ReLU(),
            nn.Dropout(self.dropout),
            nn.Linear(self.hidden, n_classes),
        )
