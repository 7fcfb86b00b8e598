"""A 1-D CNN on the features in their natural order.

`strided`: two strided convolutions with batch normalisation, two networks averaged. Rate and epochs
were chosen by `python -m bench run settings`. `tc1`: CANDLE's TC1 benchmark (Wu et al., BMC
Bioinformatics 19, 2018, ECP-CANDLE/Benchmarks, Pilot1/TC1) with its settings: SGD at 0.01, batches
of 20, 400 epochs, each feature divided by its largest absolute value. CANDLE lowers the rate when
the loss on test rows stalls. Here it is constant.
Limits: at least 64 features. `tc1` needs a GPU
(CANDLE reports 74 s an epoch on one). `strided` took 37 s for 56,537 genes of 364 samples on two
cores. The order of columns has no meaning in most tables.
"""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MaxAbsScaler
from torch import nn

from baselines._published_networks import keras_weights
from datasets.table import Table
from deepmapper.estimators.network_classifier import NetworkClassifier
from deepmapper.images.scaling import FeatureScaler
from deepmapper.networks.backbones import Dropout

MIN_FEATURES = 64  # strides and pooling leave nothing of a shorter vector


@dataclass(frozen=True)
class Params:
    """Settings of the network. None: the value of the architecture.

    Attributes
    ----------
    architecture : {"strided", "tc1"}
        The network: three strided convolutions, or TC1 of the CANDLE benchmarks.
    epochs : int, optional
        Default: 10 (`strided`), 400 (`tc1`).
    learning_rate : float, optional
        Default: 5e-3 (`strided`), 0.01 (`tc1`).
    passes : int, optional
        Number of networks whose probabilities are averaged. Default: 2 (`strided`), 1 (`tc1`).
    """

    architecture: Literal["strided", "tc1"] = "strided"
    epochs: int | None = None
    learning_rate: float | None = None
    passes: int | None = None


def supports(table: Table) -> str | None:
    """Refuse tables with too few features for the convolutions and the pooling."""
    if table.n_features < MIN_FEATURES:
        return f"needs at least {MIN_FEATURES} features, got {table.n_features}"
    return None


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: scale, then train. No layout."""
    is_tc1 = params.architecture == "tc1"
    training: dict[str, Any] = {"max_epochs": 10, "learning_rate": 5e-3}
    if is_tc1:
        training = {
            "max_epochs": 400,
            "learning_rate": 0.01,
            "optimizer": "sgd",
            "weight_decay": 0.0,
            "batch_size": 20,
            "schedule": "constant",
            "target_loss": None,
            "validation_fraction": 0.0,
        }
    overrides = {"max_epochs": params.epochs, "learning_rate": params.learning_rate}
    model = NetworkClassifier(
        backbone=tc1 if is_tc1 else strided,
        passes=params.passes or (1 if is_tc1 else 2),
        class_weight=None if is_tc1 else "balanced",
        training=training | {name: value for name, value in overrides.items() if value is not None},
        device=device,
        random_state=seed,
    )
    largest_is_one = make_pipeline(FeatureScaler(scale="none"), MaxAbsScaler())
    return Pipeline([("convert", largest_is_one if is_tc1 else FeatureScaler()), ("model", model)])


class AsSequence(nn.Module):
    """(n, p) -> (n, 1, p)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.unsqueeze(1)


def strided(shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """Return the network (n, p) -> logits (n, n_classes) with strided convolutions."""
    body = nn.Sequential(
        AsSequence(),
        nn.Conv1d(1, 64, 16, stride=8, padding=4, bias=False),
        nn.BatchNorm1d(64),
        nn.ReLU(),
        nn.Conv1d(64, 64, 8, stride=4, padding=2, bias=False),
        nn.BatchNorm1d(64),
        nn.ReLU(),
        nn.Flatten(),
    )
    n_flat = _length_after(body, shape)
    head = [Dropout(0.3), nn.Linear(n_flat, 128, bias=False), nn.BatchNorm1d(128), nn.ReLU()]
    return nn.Sequential(body, *head, nn.Linear(128, n_classes))


def tc1(shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """Return CANDLE TC1, (n, p) -> logits, with Keras's initial weights (Glorot)."""
    body = nn.Sequential(
        AsSequence(),
        nn.Conv1d(1, 128, 20),
        nn.ReLU(),
        nn.MaxPool1d(1),  # in the published listing
        nn.Conv1d(128, 128, 10),
        nn.ReLU(),
        nn.MaxPool1d(10),
        nn.Flatten(),
    )
    n_flat = _length_after(body, shape)
    dense = [nn.Linear(n_flat, 200), nn.ReLU(), Dropout(0.1)]
    dense += [nn.Linear(200, 20), nn.ReLU(), Dropout(0.1), nn.Linear(20, n_classes)]
    return keras_weights(nn.Sequential(body, *dense))


def _length_after(body: nn.Module, shape: tuple[int, ...]) -> int:
    with torch.no_grad():
        length = int(body.eval()(torch.zeros(1, *shape)).shape[1])
    body.train()
    return length
