"""Base of lstm and transformer: the vector cut into tokens of neighbouring features.

Training is that of `cnn1d` (strided): standardised features, balanced classes, two networks whose
probabilities are averaged.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from sklearn.pipeline import Pipeline
from torch import nn
from torch.nn import functional

from deepmapper.estimators.network_classifier import NetworkClassifier
from deepmapper.images.scaling import FeatureScaler


@dataclass(frozen=True)
class Params:
    """Settings of the sequence and of its training.

    Attributes
    ----------
    tokens : int
        Maximum number of tokens. A token is a piece of neighbouring features, zeros at the end.
    width : int
        Number of units of a layer.
    layers : int
        Number of layers.
    dropout : float
        Share of units that are dropped.
    epochs : int
        Number of epochs.
    learning_rate : float
        Peak of the learning rate.
    passes : int
        Number of networks whose probabilities are averaged.
    """

    tokens: int = 16
    width: int = 64
    layers: int = 1
    dropout: float = 0.3
    epochs: int = 20
    learning_rate: float = 5e-3
    passes: int = 2


class Tokens(nn.Module):
    """Cut vectors (n, p) into tokens (n, n_tokens, token_length)."""

    def __init__(self, n_features: int, most_tokens: int) -> None:
        super().__init__()
        self.token_length = math.ceil(n_features / most_tokens)
        self.n_tokens = math.ceil(n_features / self.token_length)
        self.padding = self.n_tokens * self.token_length - n_features

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.pad(x, (0, self.padding))
        return x.reshape(len(x), self.n_tokens, self.token_length)


def build_with(backbone: Any, params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: scale, then train. No layout."""
    model = NetworkClassifier(
        backbone=backbone,
        passes=params.passes,
        training={"max_epochs": params.epochs, "learning_rate": params.learning_rate},
        device=device,
        random_state=seed,
    )
    return Pipeline([("convert", FeatureScaler()), ("model", model)])
