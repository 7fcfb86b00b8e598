"""A multi-layer perceptron on the vector itself, without a layout.

`plain`: two hidden layers of ReLU (Rumelhart, Hinton, Williams, Nature 323, 1986) with batch
normalisation and dropout on standardised features, two networks averaged. Its width, rate, epochs,
normalisation and dropout were chosen by `python -m bench run settings`. `maxnorm`: Srivastava et
al., "Dropout", JMLR 15 (2014), appendix B: wide layers, dropout, weights into a unit no longer than
2, SGD with momentum on values in 0..1. They report 0.95% to 1.06% errors on permutation-invariant
MNIST after a million steps. Here are fewer epochs and a cosine schedule.
Limits: near chance on XOR needles (0.540 in the topic `quick`). 56,537 genes of 364 samples took 40
s on two cores.
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

MAX_NORM = 2.0  # the paper's c for MNIST, the length of the weights into a hidden unit


@dataclass(frozen=True)
class Params:
    """Settings of the network. None: the value of the recipe, see `RECIPES`.

    Attributes
    ----------
    recipe : {"plain", "maxnorm"}
        The settings that replace None.
    layers : int, optional
        Number of hidden layers.
    hidden : int, optional
        Number of units of each hidden layer.
    dropout : float, optional
        Share of hidden units that are dropped.
    input_dropout : float, optional
        Share of features that are dropped.
    batch_norm : bool, optional
        Whether hidden layers have batch normalisation.
    epochs : int, optional
        Number of epochs.
    learning_rate : float, optional
        Peak of the learning rate.
    passes : int, optional
        Number of networks whose probabilities are averaged.
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


RECIPES: dict[str, tuple[Any, Any]] = {  # values of "plain" and of "maxnorm"
    "layers": (2, 3),
    "hidden": (256, 1024),
    "dropout": (0.5, 0.5),
    "input_dropout": (0.2, 0.2),
    "batch_norm": (True, False),
    "epochs": (30, 60),
    "learning_rate": (1e-3, 0.03),
    "passes": (2, 1),
}
MAX_NORM_TRAINING = {
    "optimizer": "sgd",
    "momentum": 0.95,
    "weight_decay": 0.0,
    "batch_size": 100,
    "target_loss": None,
    "validation_fraction": 0.0,
}


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: scale as in the recipe, then train."""
    is_plain = params.recipe == "plain"
    values = {name: of_recipes[0 if is_plain else 1] for name, of_recipes in RECIPES.items()}
    overrides = {name: getattr(params, name) for name in RECIPES}
    values |= {name: value for name, value in overrides.items() if value is not None}
    training = {"max_epochs": values.pop("epochs"), "learning_rate": values.pop("learning_rate")}
    model = NetworkClassifier(
        passes=values.pop("passes"),
        backbone=_Perceptron(**values, max_norm=None if is_plain else MAX_NORM),
        class_weight="balanced" if is_plain else None,
        training=training if is_plain else training | MAX_NORM_TRAINING,
        device=device,
        random_state=seed,
    )
    scaler = FeatureScaler(scale="standard" if is_plain else "minmax")
    return Pipeline([("convert", scaler), ("model", model)])


class MaxNormLinear(nn.Linear):
    """A linear layer whose rows of `weight` are no longer than `max_norm`.

    Rows are shortened before each use, which is after each step: the paper's projection.
    """

    def __init__(self, n_in: int, n_out: int, max_norm: float) -> None:
        super().__init__(n_in, n_out)
        self.max_norm = max_norm

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            with torch.no_grad():
                length = self.weight.norm(dim=1, keepdim=True)
                self.weight.mul_(self.max_norm / length.clamp(min=self.max_norm))
        return super().forward(x)


@dataclass(frozen=True)
class _Perceptron:
    layers: int
    hidden: int
    dropout: float
    input_dropout: float
    batch_norm: bool
    max_norm: float | None

    def __call__(self, shape: tuple[int, ...], n_classes: int) -> nn.Module:
        """Return the network (n, p) -> logits (n, n_classes)."""
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
        if self.max_norm is None:
            return nn.Linear(n_in, n_out)
        return MaxNormLinear(n_in, n_out, self.max_norm)
