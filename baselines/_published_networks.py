"""Networks and training of image methods as their authors published them.

Params of such a method have `recipe`: "shared" is the CNN of `deepmapper` with its settings, the
same for every method. "published" is the authors' network, scaling and budget. Both use the images
of this project at full precision, and the loop of `NetworkClassifier`.

- IGTD: Zhu et al., Sci Rep 11 (2021), by the classification example of the authors' repository.
- REFINED: Bazgir et al., Nat Commun 11 (2020), by the authors' script for NCI60 classes.
- AggMapNet: Shen et al., Nucleic Acids Res 50 (2022), by the defaults of the package `aggmap`.
- DeepInsight: Sharma et al., Sci Rep 9 (2019), by the notebooks of Ersavas et al. 2024.

The repositories were read for layers and numbers, and all code here is ours. Layers, initial
weights and batch normalisation of the first three are Keras's. Differences: AdamW without weight
decay stands for Adam. The first two hold out a tenth of the training rows and keep the weights of
the best epoch. Attribution is that of `Training`.
"""

import math
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal, Self, TypeVar

import numpy as np
import torch
from torch import nn

from baselines._cnn import Training, image_model
from deepmapper.errors import DeepMapperError
from deepmapper.estimators.network_classifier import NetworkClassifier
from deepmapper.networks.backbones import Dropout

# Settings of the shared CNN that a recipe sets itself.
FIXED = ("backbone", "passes", "epochs", "learning_rate", "gate")
CONSTANT_RATE = {
    "schedule": "constant",
    "weight_decay": 0.0,
    "target_loss": None,
    "precision": "float32",
}
IGTD_DROPOUTS = (0.0, 0.5)
REFINED_SIDE = 15  # pixels: its convolutions without padding take 14
Shape = tuple[int, ...]


@dataclass(frozen=True)
class RecipeParams(Training):
    """Choice between the shared CNN and the network of the method's authors.

    Attributes
    ----------
    recipe : {"shared", "published"}
        "published" uses the authors' network, scaling and budget, see `_published_networks`.
    recipe_epochs : int, optional
        Maximum number of epochs of the recipe "published". Default: the authors' number.
    """

    recipe: Literal["shared", "published"] = "shared"
    recipe_epochs: int | None = None


@dataclass(frozen=True, eq=False)
class Recipe:
    """A published network and its training.

    backbone: a name, or build(shape, n_classes).
    training: settings of `TrainingSettings`, added to `CONSTANT_RATE`.
    class_weight: see `NetworkClassifier`.
    params: settings of the conversion that the recipe fixes.
    classifier: the class that trains.
    """

    backbone: Any
    training: dict[str, Any]
    class_weight: str | None = None
    params: dict[str, Any] = field(default_factory=dict)
    classifier: type[NetworkClassifier] = NetworkClassifier


P = TypeVar("P", bound=RecipeParams)


def model_of(
    params: P,
    recipe: Recipe,
    classifier: type[NetworkClassifier] | None = None,
    *,
    device: str,
    seed: int,
) -> tuple[P, NetworkClassifier]:
    """Return the settings of the conversion and the untrained classifier of images.

    Parameters
    ----------
    params : RecipeParams
        Settings of the method. `params.recipe` chooses the network.
    recipe : Recipe
        The published network of the method.
    classifier : type, optional
        A class that attributes in its own way. Default: that of the recipe.
    device : str
    seed : int

    Returns
    -------
    tuple of RecipeParams and NetworkClassifier

    Raises
    ------
    DeepMapperError
        `params` change a setting that the recipe "published" fixes.
    """
    if params.recipe == "shared":
        shared = classifier or NetworkClassifier
        return params, image_model(params, shared, device=device, seed=seed)
    _refuse_changes(params, (*FIXED, *recipe.params))
    training = CONSTANT_RATE | recipe.training
    if params.recipe_epochs is not None:
        training["max_epochs"] = params.recipe_epochs
    model = image_model(params, classifier or recipe.classifier, device=device, seed=seed)
    model.set_params(
        backbone=recipe.backbone,
        gate=False,
        passes=1,
        class_weight=recipe.class_weight,
        training=training,
    )
    return replace(params, **recipe.params), model


def _refuse_changes(params: RecipeParams, fixed: tuple[str, ...]) -> None:
    changed = [name for name in fixed if getattr(params, name) != getattr(type(params), name)]
    if changed:
        message = (
            f"recipe='published' sets {', '.join(changed)} itself: leave {changed[0]} out, or use "
            "recipe='shared'"
        )
        raise DeepMapperError(message)


def keras_weights(network: nn.Module) -> nn.Module:
    """Draw Keras's initial weights of layers (Glorot, zero biases), and return the network."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return network


class SquareMaps(nn.Module):
    """Maps one below another, (n, 1, c * side, side), to channels (n, c, side, side)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(len(x), -1, x.shape[-1], x.shape[-1])


class Inception(nn.Module):
    """Convolutions of 5, 3 and 1 pixels side by side: (n, c, h, w) -> (n, 3 * width, h, w)."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels, width, kernel, padding="same"), nn.ReLU())
            for kernel in (5, 3, 1)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([branch(x) for branch in self.branches], dim=1)


def aggmapnet(shape: Shape, n_classes: int) -> nn.Module:
    """Return AggMapNet for square maps one below another, (n, 1, c * side, side) -> logits.

    48 filters of 13x13, two inception layers of 32 and 64 filters a branch, each after a maximum
    over 3x3 with stride 2. Then the global maximum, 128 units and the output.
    """
    side = shape[-1]
    half = math.ceil(side / 2)
    return keras_weights(
        nn.Sequential(
            SquareMaps(),
            nn.Conv2d(shape[-2] // side, 48, 13, padding="same"),
            nn.ReLU(),
            _same_pool(side),
            Inception(48, 32),
            _same_pool(half),
            Inception(96, 64),
            nn.AdaptiveMaxPool2d(1),
            nn.Flatten(),
            nn.Linear(192, 128),
            nn.ReLU(),
            nn.Linear(128, n_classes),
        )
    )


def _same_pool(side: int) -> nn.MaxPool2d:
    """Return a maximum over 3x3 with stride 2 and Keras's padding "same" for this side."""
    return nn.MaxPool2d(3, 2, padding=side % 2, ceil_mode=True)


def refined_cnn(shape: Shape, n_classes: int) -> nn.Module:
    """Return REFINED's network, (n, 1, h, w) -> logits.

    Convolutions without padding: 16 and 32 filters of 7x7, 64 of 3x3. Then 256 and 64 units. All
    with batch normalisation. Dropout of 0.3 after the first convolution and after both dense
    layers. Images below 15x15 are padded with zeros.
    """
    pad, (height, width) = _at_least(shape, REFINED_SIDE)
    return keras_weights(
        nn.Sequential(
            pad,
            *_convolution(1, 16, 7),
            Dropout(0.3),
            *_convolution(16, 32, 7),
            *_convolution(32, 64, 3),
            nn.Flatten(),
            *_dense(64 * (height - 14) * (width - 14), 256),
            *_dense(256, 64),
            nn.Linear(64, n_classes),
        )
    )


def igtd_cnn(shape: Shape, n_classes: int, dropout: float = 0.0) -> nn.Module:
    """Return IGTD's network, (n, 1, h, w) -> logits.

    Up to three times: filters of 3x3 (16, 32, 64), batch normalisation and a maximum over 2x2. The
    authors leave out the rest if a map has a side below 6. Then 500, 250, 125 and 60 units with
    dropout between them. Images below 3x3 are padded with zeros.
    """
    pad, (height, width) = _at_least(shape, 3)
    layers: list[nn.Module] = [pad]
    channels = 1
    for filters in (16, 32, 64):
        layers += [*_convolution(channels, filters, 3), nn.MaxPool2d(2, ceil_mode=True)]
        channels, height, width = filters, math.ceil((height - 2) / 2), math.ceil((width - 2) / 2)
        if min(height, width) < 6:
            break
    layers.append(nn.Flatten())
    n_in = channels * height * width
    for units in (500, 250, 125, 60):
        layers += [nn.Linear(n_in, units), nn.ReLU(), Dropout(dropout)]
        n_in = units
    layers[-1] = nn.Linear(n_in, n_classes)  # no dropout before the output
    return keras_weights(nn.Sequential(*layers))


def _at_least(shape: Shape, side: int) -> tuple[nn.ZeroPad2d, tuple[int, int]]:
    """Return padding to at least side x side, and the sides after it."""
    height, width = max(shape[-2], side), max(shape[-1], side)
    return nn.ZeroPad2d((0, width - shape[-1], 0, height - shape[-2])), (height, width)


def _convolution(n_in: int, n_out: int, kernel: int) -> list[nn.Module]:
    norm = nn.BatchNorm2d(n_out, eps=1e-3, momentum=0.01)  # Keras's defaults
    return [nn.Conv2d(n_in, n_out, kernel), norm, nn.ReLU()]


def _dense(n_in: int, n_out: int) -> list[nn.Module]:
    norm = nn.BatchNorm1d(n_out, eps=1e-3, momentum=0.01)
    return [nn.Linear(n_in, n_out), norm, nn.ReLU(), Dropout(0.3)]


class IGTDClassifier(NetworkClassifier):
    """Classifier with IGTD's choice of dropout and of the batch size.

    A network without dropout and one with 0.5 are trained. The one with the lower held-out loss is
    kept. Without held-out rows the training loss decides.
    """

    def fit(self, X: Any, y: np.ndarray, *args: Any, **callbacks: Any) -> Self:
        """Train on images (n_samples, 1, h, w) and labels (n_samples,)."""
        training = dict(self.training) | {"batch_size": igtd_batch_size(len(X))}
        settings = self.get_params() | {"training": training}
        candidates = []
        for dropout in IGTD_DROPOUTS:
            settings["backbone"] = partial(igtd_cnn, dropout=dropout)
            candidates.append(NetworkClassifier(**settings).fit(X, y, *args, **callbacks))
        best = min(candidates, key=_lowest_loss)
        for name, value in vars(best).items():
            if name not in settings:  # what `fit` learned
                setattr(self, name, value)
        return self


def igtd_batch_size(n_samples: int) -> int:
    """Return the power of two, from 2 to 256, that makes 150 to 300 batches.

    >>> [igtd_batch_size(n) for n in (80, 599, 600, 1200, 100_000)]
    [2, 2, 4, 8, 256]
    """
    return 2 ** min(max(int(math.log2(n_samples / 150)), 1), 8)


def _lowest_loss(model: NetworkClassifier) -> float:
    is_held_out = model.history_[0]["validation_loss"] is not None
    name = "validation_loss" if is_held_out else "train_loss"
    return min(row[name] for row in model.history_)


# Epochs, rate, batch and patience are the script's. Left out: a decay of 4% in 100,000 steps.
REFINED = Recipe(
    backbone=refined_cnn,
    training={
        "max_epochs": 100,
        "batch_size": 128,
        "learning_rate": 1e-4,
        "n_iter_no_change": 30,
    },
    params={"scaling": "minmax"},
)
# Guess: 100 epochs. The example has 10, with a patience of 20, so it is a short demonstration.
# Left out: a tenth of the rate after 10 epochs without a lower held-out loss.
IGTD = Recipe(
    backbone=igtd_cnn,
    training={"max_epochs": 100, "learning_rate": 1e-3, "n_iter_no_change": 20},
    class_weight="balanced",
    params={"scaling": "minmax"},
    classifier=IGTDClassifier,
)
# 200 epochs are the default of the package. The notebooks of the paper vary them. Nothing is held
# out, and the last weights are used.
AGGMAPNET = Recipe(
    backbone=aggmapnet,
    training={
        "max_epochs": 200,
        "batch_size": 128,
        "learning_rate": 1e-4,
        "validation_fraction": 0.0,
    },
)
# As in the notebooks of Ersavas et al. 2024 (227x227 there) and of pyDeepInsight. Differences from
# Sharma et al. 2019: ResNet-18 from scratch instead of their two parallel CNNs, and AdamW instead
# of SGD with momentum.
DEEPINSIGHT = Recipe(
    backbone="resnet18_rgb",
    training={
        "max_epochs": 100,
        "batch_size": 200,
        "learning_rate": 1e-4,
        "weight_decay": 1e-5,
    },
    params={"image_size": 224, "scaling": "norm2"},
)
