"""A multi-layer perceptron on the vector as it is: no layout.

`plain`: two hidden layers of ReLU on standardised features (Rumelhart, Hinton, Williams, Nature
323, 1986), each with batch normalisation (Ioffe, Szegedy, ICML 2015) and dropout, which the input
has too; as many networks as `deepmapper` has. Width, rate, epochs, normalisation and dropout are
chosen by `python -m bench run settings`.

`maxnorm`: Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting",
JMLR 15 (2014), sections 5 and 6.1.1 and appendices A and B: wide layers of ReLU, dropout 0.2 on the
input and 0.5 on hidden units, the weights into a unit no longer than 2, SGD with momentum 0.95 and
a decaying rate on values scaled to 0..1. They report 1.06% (three layers of 1,024) to 0.95% errors
(two of 8,192) on permutation-invariant MNIST after a million steps of 100 images; the epochs here
are fewer, and the rate rises first and then falls to zero along a cosine.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from sklearn.pipeline import Pipeline
from torch import nn

from deepmapper.estimators.network_classifier import NetworkClassifier
from deepmapper.images.scaling import FeatureScaler
from deepmapper.networks.backbones import Dropout

LONGEST = 2.0  # the paper's c for MNIST, the length of the weights into a hidden unit


@dataclass(frozen=True)
class Params:
    """None is the recipe's own value, see `OWN`.

    dropout: of hidden units.
    passes: networks whose probabilities are averaged.
    """

    recipe: Literal["plain", "maxnorm"] = "plain"
    layers: int | None = None
    hidden: int | None = None
    dropout: float | None = None
    input_dropout: float | None = None
    batch_norm: bool | None = None
    epochs: int | None = None
    learning_rate: float | None = None
    passes: int | None = None


OWN: dict[str, dict[str, Any]] = {
    "plain": {
        "layers": 2,
        "hidden": 256,
        "dropout": 0.5,
        "input_dropout": 0.2,
        "batch_norm": True,
        "epochs": 30,
        "learning_rate": 1e-3,
        "passes": 2,
    },
    "maxnorm": {
        "layers": 3,
        "hidden": 1024,
        "dropout": 0.5,
        "input_dropout": 0.2,
        "batch_norm": False,
        "epochs": 60,
        "learning_rate": 0.03,
        "passes": 1,
    },
}
TRAINING: dict[str, dict[str, Any]] = {
    "plain": {},
    "maxnorm": {
        "optimizer": "sgd",
        "momentum": 0.95,
        "weight_decay": 0.0,
        "batch_size": 100,
        "target_loss": None,
        "validation_fraction": 0.0,
    },
}


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Scale as the recipe says, then train."""
    given = {name: getattr(params, name) for name in OWN[params.recipe]}
    own = OWN[params.recipe] | {name: value for name, value in given.items() if value is not None}
    is_plain = params.recipe == "plain"
    make = _Perceptron(
        own["layers"],
        own["hidden"],
        own["dropout"],
        own["input_dropout"],
        own["batch_norm"],
        longest=None if is_plain else LONGEST,
    )
    model = NetworkClassifier(
        backbone=make,
        passes=own["passes"],
        class_weight="balanced" if is_plain else None,
        training={
            "max_epochs": own["epochs"],
            "learning_rate": own["learning_rate"],
            **TRAINING[params.recipe],
        },
        device=device,
        random_state=seed,
    )
    scaler = FeatureScaler(scale="standard" if is_plain else "minmax")
    return Pipeline([("convert", scaler), ("model", model)])


class MaxNormLinear(nn.Linear):
    """A linear layer whose weights into a unit, a row of `weight`, are no longer than `longest`.

    Rows are cut back before each use, which is after each step: the paper's projection.
    """

    def __init__(self, n_in: int, n_out: int, longest: float) -> None:
        super().__init__(n_in, n_out)
        self.longest = longest

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            with torch.no_grad():
                length = self.weight.norm(dim=1, keepdim=True)
                self.weight.mul_(self.longest / length.clamp(min=self.longest))
        return super().forward(x)


@dataclass(frozen=True)
class _Perceptron:
    layers: int
    hidden: int
    dropout: float
    input_dropout: float
    batch_norm: bool
    longest: float | None

    def __call__(self, shape: tuple[int, ...], n_classes: int) -> nn.Module:
        """(n, p) -> logits (n, n_classes)."""
        n_in = math.prod(shape)
        steps: list[nn.Module] = [Dropout(self.input_dropout)] if self.input_dropout else []
        for _ in range(self.layers):
            steps.append(self._linear(n_in, self.hidden))
            if self.batch_norm:
                steps.append(nn.BatchNorm1d(self.hidden))
            steps += [nn.ReLU(), Dropout(self.dropout)]
            n_in = self.hidden
        return nn.Sequential(*steps, nn.Linear(n_in, n_classes))

    def _linear(self, n_in: int, n_out: int) -> nn.Linear:
        if self.longest is None:
            return nn.Linear(n_in, n_out)
        return MaxNormLinear(n_in, n_out, self.longest)
