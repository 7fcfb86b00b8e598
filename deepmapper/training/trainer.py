"""The only batch loop: train a network on images that lie on its device."""

import difflib
import itertools
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, fields
from numbers import Integral, Real
from typing import Any, Self

import torch
from sklearn.utils._param_validation import (
    Interval,
    InvalidParameterError,
    StrOptions,
    validate_parameter_constraints,
)
from torch import nn

from deepmapper.errors import DeepMapperError, DivergedError
from deepmapper.networks.backbones import Dropout
from deepmapper.networks.gate import GatedNetwork, ProximalSGD
from deepmapper.training._augmentation import move
from deepmapper.training._optimizers import SGD, AdamW, Optimizer
from deepmapper.training.devices import few_threads_for, has_bfloat16
from deepmapper.training.objectives import Objective

__all__ = ["Epoch", "TrainingSettings", "predict_logits", "train"]

PLAIN = ("discriminant", "ranks", "products", "forest")
FEWEST_TO_STOP = 200  # held-out images; fewer can all be classified correctly by chance


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of the training and the evaluation of a pass.

    Parameters
    ----------
    max_epochs : int, default=10
        Maximum number of epochs.
    batch_size : int, default=None
        Images per step. None chooses 16 to 128, about 64 steps per epoch.
    learning_rate : float, default=5e-3
        Peak of the schedule.
    weight_decay : float, default=1e-2
        Of the optimizer.
    schedule : {"one_cycle", "cosine", "constant"}, default="one_cycle"
        "one_cycle" (Smith & Topin 2018) is a short warm-up, then a cosine to zero. "cosine" has no
        warm-up.
    target_loss : float, default=0.02
        Stop if the loss on at least 200 held-out images is below this value and all of them are
        classified correctly. None: do not stop.
    n_iter_no_change : int, default=None
        Stop after this number of epochs without a lower held-out loss, and restore the best
        weights. None trains to the end of the schedule.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        "bfloat16" is autocast. "auto" chooses it on a GPU. On a CPU with bfloat16 instructions,
        "auto" chooses it for backbones that are faster with it (`prefers_bfloat16`).
    optimizer : {"adamw", "sgd"}, default="adamw"
        "adamw" is Loshchilov & Hutter 2019.
    momentum : float, default=0.0
        Of "sgd".
    validation_fraction : float, default=None
        Share of the images that each pass holds out for evaluation, 0 for none. None: a tenth, and
        in `DeepMapperClassifier` a fifth of fewer than 2,000 rows.
    min_accuracy : float, default=None
        A pass is accepted if its held-out accuracy is above this value. Samples count as in the
        loss, so with balanced classes this is balanced accuracy. Default: the accuracy of the best
        constant prediction.
    interactions : bool or "auto", default="auto"
        Whether the screen that opens the gate searches all pairs of pixels. See
        `deepmapper.networks.screen.screen`. `DeepMapperClassifier` skips the search in passes if
        one over all rows finds no pair.
    augment : bool, default=False
        Turn, stretch and shift images at random in training. Each pixel takes values of its
        neighbours, so it needs features of one unit (`scale="none"`), no gate, and a backbone and a
        layout in which neighbours belong together.
    plain : tuple of str, default=("discriminant", "ranks", "products", "forest")
        Plain models that `DeepMapperClassifier` mixes with the networks. See
        `deepmapper.estimators.mixture`.
    networks : bool, default=True
        False leaves the networks out of the mixture: the plain models alone predict, if there are
        any. The networks still rank the features.

    Raises
    ------
    DeepMapperError
        A value is out of range.
    """

    max_epochs: int = 10
    batch_size: int | None = None
    learning_rate: float = 5e-3
    weight_decay: float = 1e-2
    schedule: str = "one_cycle"
    target_loss: float | None = 0.02
    n_iter_no_change: int | None = None
    precision: str = "auto"
    optimizer: str = "adamw"
    momentum: float = 0.0
    validation_fraction: float | None = None
    min_accuracy: float | None = None
    interactions: bool | str = "auto"
    augment: bool = False
    plain: tuple[str, ...] = PLAIN
    networks: bool = True

    def __post_init__(self) -> None:
        values = asdict(self)
        plain = values.pop("plain")
        if not isinstance(plain, tuple | list) or not set(plain) <= set(PLAIN):
            message = f"plain is a tuple of names in {', '.join(PLAIN)}; got {plain!r}"
            raise DeepMapperError(message)
        object.__setattr__(self, "plain", tuple(plain))
        try:
            validate_parameter_constraints(CONSTRAINTS, values, "TrainingSettings")
        except InvalidParameterError as error:
            raise DeepMapperError(str(error)) from error

    @classmethod
    def of(cls, value: "TrainingSettings | Mapping[str, Any] | None") -> Self:
        """Make settings from settings, a mapping of names to values, or None.

        Parameters
        ----------
        value : TrainingSettings, mapping or None
            None gives the defaults.

        Returns
        -------
        TrainingSettings

        Raises
        ------
        DeepMapperError
            A name is unknown, or a value is out of range.
        """
        if isinstance(value, cls):
            return value
        values = dict(value or {})  # type: ignore[arg-type]
        names = [field.name for field in fields(cls)]
        for name in values:
            if name not in names:
                nearest = difflib.get_close_matches(str(name), names, n=3) or names
                message = f"unknown training setting {name!r}; nearest: {', '.join(nearest)}"
                raise DeepMapperError(message)
        return cls(**values)

    def batch_size_for(self, n_samples: int) -> int:
        """The number of images per step.

        Parameters
        ----------
        n_samples : int
            Number of training images.

        Returns
        -------
        int
        """
        if self.batch_size is not None:
            return min(self.batch_size, n_samples)
        return min(max(16, 2 ** round(math.log2(max(n_samples, 2) / 64))), 128, n_samples)


CONSTRAINTS: dict[str, list[Any]] = {
    "max_epochs": [Interval(Integral, 1, None, closed="left")],
    "batch_size": [Interval(Integral, 2, None, closed="left"), None],
    "learning_rate": [Interval(Real, 0, None, closed="neither")],
    "weight_decay": [Interval(Real, 0, None, closed="left")],
    "schedule": [StrOptions({"one_cycle", "cosine", "constant"})],
    "target_loss": [Interval(Real, 0, None, closed="left"), None],
    "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), None],
    "precision": [StrOptions({"auto", "float32", "bfloat16"})],
    "optimizer": [StrOptions({"adamw", "sgd"})],
    "momentum": [Interval(Real, 0, 1, closed="left")],
    "validation_fraction": [Interval(Real, 0, 1, closed="left"), None],
    "min_accuracy": [Interval(Real, 0, 1, closed="both"), None],
    "interactions": ["boolean", StrOptions({"auto"})],
    "augment": ["boolean"],
    "networks": ["boolean"],
}


@dataclass(frozen=True)
class Epoch:
    """The results of one epoch.

    Parameters
    ----------
    epoch : int
        Counted from 1.
    train_loss, train_score : float
        Means over the training images, while the network is trained.
    validation_loss, validation_score : float or None
        Means over the held-out images after the epoch. None without such images.
    open_pixels : int or None
        Number of pixels whose gate is open. None without a gate.
    seconds : float
        Wall time.
    """

    epoch: int
    train_loss: float
    train_score: float
    validation_loss: float | None
    validation_score: float | None
    open_pixels: int | None
    seconds: float

    def row(self, score_name: str) -> dict[str, Any]:
        """A row of a history, with the score under its own name.

        Parameters
        ----------
        score_name : str
            Replaces "score" in the names of the fields.

        Returns
        -------
        dict
        """
        return {name.replace("score", score_name): value for name, value in vars(self).items()}


# Images and targets. Images: any object with a length that returns a tensor for a tensor of rows.
Pairs = tuple[Any, torch.Tensor]
Cast = Callable[[], AbstractContextManager[Any]]


def train(
    network: nn.Module,
    training: Pairs,
    settings: TrainingSettings,
    *,
    objective: Objective,
    generator: torch.Generator,
    weights: torch.Tensor | None = None,
    validation: Pairs | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> list[Epoch]:
    """Train a network in place.

    Parameters
    ----------
    network : nn.Module
    training : tuple
        Images (n, 1, h, w) and targets (n, ...), on the network's device.
    settings : TrainingSettings
    objective : Objective
    generator : torch.Generator
        Draws the order of the batches and the seed of dropout. It is a CPU generator, so that the
        order is the same on every device.
    weights : tensor of shape (n,), default=None
        Weight of each image in the loss, on the network's device. Default: 1.
    validation : tuple, default=None
        Images and targets to evaluate after each epoch. The network is never trained on them.
    on_epoch : callable, default=None
        Called with the `Epoch` after each epoch.

    Returns
    -------
    list of Epoch

    Raises
    ------
    DivergedError
        The loss became NaN or infinite.
    """
    images, targets = training
    batch_size = settings.batch_size_for(len(targets))
    n_steps = math.ceil(len(targets) / batch_size) * settings.max_epochs
    optimizers = _optimizers(network, settings)
    steps = itertools.count()
    _seed_dropout(network, targets.device, generator)
    cast = autocast(network, targets.device, settings.precision)
    best_loss, best_epoch, best_weights = math.inf, 0, None
    history: list[Epoch] = []
    reached = False

    def train_epoch() -> tuple[float, float]:
        """One pass over the images: the mean loss and score."""
        network.train()
        loss_sum = torch.zeros((), device=targets.device)
        score_sum = torch.zeros((), device=targets.device)
        for rows in _batches(len(targets), batch_size, generator):
            rows = rows.to(targets.device)
            target = targets[rows]
            batch = move(images[rows], generator) if settings.augment else images[rows]
            with cast():
                outputs = network(batch)
            loss = objective.loss(outputs, target, None if weights is None else weights[rows])
            network.zero_grad(set_to_none=True)
            loss.backward()
            share = _share_of_rate(settings, next(steps), n_steps)
            for optimizer in optimizers:
                optimizer.step(share)
            loss_sum += loss.detach() * len(rows)
            score_sum += objective.score(outputs.detach(), target).sum()
        return float(loss_sum) / len(targets), float(score_sum) / len(targets)

    with few_threads_for(network, images, batch_size, targets.device):
        for number in range(1, settings.max_epochs + 1):
            start = time.perf_counter()
            loss, score = train_epoch()
            if not math.isfinite(loss):
                message = (
                    f"the training loss became {loss} in epoch {number}; try a lower "
                    f"learning_rate than {settings.learning_rate:g}"
                )
                raise DivergedError(message)
            held_out: tuple[float | None, float | None] = (None, None)
            if validation is not None:
                held_out = evaluate(network, *validation, objective, cast)
            n_open = network.gate.n_open() if isinstance(network, GatedNetwork) else None
            seconds = time.perf_counter() - start
            history.append(Epoch(number, loss, score, *held_out, n_open, seconds))
            if on_epoch is not None:
                on_epoch(history[-1])
            if settings.n_iter_no_change is not None and held_out[0] is not None:
                if held_out[0] < best_loss:
                    best_loss, best_epoch = held_out[0], number
                    best_weights = {k: v.clone() for k, v in network.state_dict().items()}
                elif number - best_epoch >= settings.n_iter_no_change:
                    break
            if reached := _is_on_target(history[-1], settings, validation):
                break
    if best_weights is not None and not reached:
        network.load_state_dict(best_weights)
    return history


@torch.no_grad()
def predict_logits(
    network: nn.Module,
    images: Any,
    batch_size: int | None = None,
    cast: Cast = nullcontext,
) -> torch.Tensor:
    """Compute the logits of images, in evaluation mode.

    Parameters
    ----------
    network : nn.Module
    images : tensor of shape (n, ...)
        On the network's device. Also an object with `len` and `shape` that slices to such tensors.
    batch_size : int, default=None
        Images at a time. Default: 256, or fewer of more than 2**18 pixels.
    cast : callable, default=contextlib.nullcontext
        Makes the context to run the network in, such as autocast.

    Returns
    -------
    float32 tensor of shape (n, n_classes)
    """
    network.eval()
    batch_size = batch_size or prediction_batch(images)
    outputs = []
    for i in range(0, len(images), batch_size):
        with cast():
            outputs.append(network(images[i : i + batch_size]).float())
    return torch.cat(outputs)


def evaluate(
    network: nn.Module,
    images: Any,
    targets: torch.Tensor,
    objective: Objective,
    cast: Cast = nullcontext,
    batch_size: int | None = None,
) -> tuple[float, float]:
    """The mean loss and the mean score on images (n, 1, h, w) and targets (n, ...)."""
    batch_size = batch_size or prediction_batch(images)
    loss = score = 0.0
    for i in range(0, len(targets), batch_size):
        outputs = predict_logits(network, images[i : i + batch_size], batch_size, cast)
        target = targets[i : i + batch_size]
        loss += float(objective.loss(outputs, target)) * len(target)
        score += float(objective.score(outputs, target).sum())
    return loss / len(targets), score / len(targets)


def prediction_batch(images: Any) -> int:
    """Number of images to predict at a time: 256, or fewer of more than 2**18 pixels."""
    return max(1, min(256, 2**26 // math.prod(images.shape[1:])))


def autocast(network: nn.Module, device: torch.device, precision: str) -> Cast:
    """Return a function that makes the context to run the network in."""
    if precision == "auto":
        prefers = any(getattr(part, "prefers_bfloat16", False) for part in network.modules())
        is_faster = prefers and device.type == "cpu" and has_bfloat16()
        precision = "bfloat16" if device.type == "cuda" or is_faster else "float32"
    if precision == "float32":
        return nullcontext
    return lambda: torch.autocast(device.type, torch.bfloat16)


def _optimizers(network: nn.Module, settings: TrainingSettings) -> list[Optimizer]:
    gate = network.gate if isinstance(network, GatedNetwork) else None
    weights = [p for p in network.parameters() if gate is None or p is not gate.weight]
    rates = settings.learning_rate, settings.weight_decay
    of_weights: Optimizer = (
        SGD(weights, *rates, settings.momentum)
        if settings.optimizer == "sgd"
        else AdamW(weights, *rates)
    )
    return [of_weights] if gate is None else [of_weights, ProximalSGD(gate)]


def _seed_dropout(network: nn.Module, device: torch.device, generator: torch.Generator) -> None:
    """Give dropout its own generator, seeded by the generator of the training."""
    seed = int(torch.randint(2**62, (), generator=generator))
    dropout_generator = torch.Generator(device).manual_seed(seed)
    for module in network.modules():
        if isinstance(module, Dropout):
            module.generator = dropout_generator


def _is_on_target(epoch: Epoch, settings: TrainingSettings, validation: Pairs | None) -> bool:
    if settings.target_loss is None or validation is None or epoch.validation_loss is None:
        return False
    is_on_target = epoch.validation_loss < settings.target_loss and epoch.validation_score == 1.0
    return is_on_target and len(validation[1]) >= FEWEST_TO_STOP


def _share_of_rate(settings: TrainingSettings, step: int, n_steps: int) -> float:
    """The share of the peak learning rate at a step, by the schedule."""
    if settings.schedule == "constant":
        return 1.0
    return one_cycle(step, n_steps, 0.2 if settings.schedule == "one_cycle" else 0.0)


def one_cycle(step: int, n_steps: int, warm_up: float = 0.2) -> float:
    """The share of the peak learning rate at a step: a linear rise, a cosine to zero.

    Examples
    --------
    >>> [round(one_cycle(step, 10), 2) for step in (0, 1, 6, 10)]
    [0.5, 1.0, 0.41, 0.0]
    """
    n_rise = max(1, round(warm_up * n_steps))
    if step < n_rise:
        return (step + 1) / n_rise
    progress = (step - n_rise + 1) / max(1, n_steps - n_rise + 1)
    return (1 + math.cos(math.pi * min(1.0, progress))) / 2


def _batches(n: int, batch_size: int, generator: torch.Generator) -> Iterator[torch.Tensor]:
    """A new random order of 0..n-1, in batches.

    BatchNorm cannot be trained on a single image, so a last batch of one image joins the one before
    it.
    """
    order = torch.randperm(n, generator=generator)
    parts = list(order.split(batch_size))
    if len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [torch.cat(parts[-2:])]
    return iter(parts)
