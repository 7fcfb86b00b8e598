"""The only batch loop: train a network on images that lie on its device."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from deepmapper.errors import DeepMapperError, Diverged
from deepmapper.networks.backbones._dropout import Dropout
from deepmapper.networks.gate import GatedNetwork, ProximalSGD
from deepmapper.training.devices import has_bfloat16
from deepmapper.training.objectives import Objective

SCHEDULES = ("one_cycle", "cosine", "constant")
PRECISIONS = ("auto", "float32", "bfloat16")
OPTIMISERS = ("adamw", "sgd")
FEWEST_TO_STOP = 200  # held-out images: fewer can all be right by chance


@dataclass(frozen=True)
class TrainingSettings:
    """How a network is trained.

    Args:
        epochs: the most passes over the training images.
        batch_size: images a step; None chooses 16 to 128, so that an epoch has about 64 steps.
        learning_rate: the peak of the schedule.
        weight_decay: of the optimiser.
        schedule: "one_cycle" (Smith & Topin 2018: a short warm-up, then cosine to zero), "cosine"
            (no warm-up) or "constant".
        target_loss: stop once the loss on 200 held-out images or more is below it and none of them
            is wrong; None never stops for that.
        patience: stop after so many epochs without a lower held-out loss and go back to the best
            weights; None trains to the end of the schedule.
        precision: "float32"; "bfloat16" (autocast); "auto" is bfloat16 on a GPU, and on a CPU with
            bfloat16 instructions for backbones that say it pays (`prefers_bfloat16`).
        optimiser: "adamw" (Loshchilov & Hutter 2019) or "sgd", with `momentum`.
    """

    epochs: int = 10
    batch_size: int | None = None
    learning_rate: float = 5e-3
    weight_decay: float = 1e-2
    schedule: str = "one_cycle"
    target_loss: float | None = None
    patience: int | None = None
    precision: str = "auto"
    optimiser: str = "adamw"
    momentum: float = 0.0

    def __post_init__(self) -> None:
        for name, known in (
            ("schedule", SCHEDULES),
            ("precision", PRECISIONS),
            ("optimiser", OPTIMISERS),
        ):
            if getattr(self, name) not in known:
                message = f"{name} is one of {', '.join(known)}; got {getattr(self, name)!r}"
                raise DeepMapperError(message)
        if self.epochs < 1 or (self.batch_size is not None and self.batch_size < 2):
            message = (
                f"training needs epochs >= 1 and batch_size >= 2, got {self.epochs} and "
                f"{self.batch_size}"
            )
            raise DeepMapperError(message)

    def batch_size_for(self, n_samples: int) -> int:
        if self.batch_size is not None:
            return min(self.batch_size, n_samples)
        return min(max(16, 2 ** round(math.log2(max(n_samples, 2) / 64))), 128, n_samples)


@dataclass(frozen=True)
class Epoch:
    """What one epoch gave.

    validation_*: None where nothing was held out. open_pixels: None without a gate.
    """

    epoch: int
    train_loss: float
    train_score: float
    validation_loss: float | None
    validation_score: float | None
    open_pixels: int | None
    seconds: float

    def row(self, score_name: str) -> dict[str, Any]:
        """As a row of a history, with the score under its own name."""
        return {
            "epoch": self.epoch,
            "train_loss": self.train_loss,
            f"train_{score_name}": self.train_score,
            "validation_loss": self.validation_loss,
            f"validation_{score_name}": self.validation_score,
            "open_pixels": self.open_pixels,
            "seconds": self.seconds,
        }


# Images may be any object with a length that gives a tensor for a tensor of rows.
Pairs = tuple[Any, torch.Tensor]


def train(
    network: nn.Module,
    training: Pairs,
    settings: TrainingSettings,
    *,
    objective: Objective,
    generator: torch.Generator,
    validation: Pairs | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> list[Epoch]:
    """Train in place; one `Epoch` a pass over the images.

    Args:
        training: images (n, 1, h, w) and targets (n, ...), on the network's device.
        generator: draws the order of the batches and the seed of dropout (a CPU generator: the
            same order on every device).
        validation: images and targets to measure after each epoch; never trained on.

    Raises:
        Diverged: the loss became NaN or infinite.
    """
    images, targets = training
    device = targets.device
    batch_size = settings.batch_size_for(len(targets))
    n_steps = math.ceil(len(targets) / batch_size) * settings.epochs
    optimisers = _optimisers(network, settings)
    schedulers = [_schedule(optimiser, settings, n_steps) for optimiser in optimisers]
    _seed_dropout(network, device, generator)
    cast = autocast(network, device, settings.precision)
    best: tuple[float, dict[str, torch.Tensor]] | None = None
    history: list[Epoch] = []
    reached = False
    for epoch in range(1, settings.epochs + 1):
        start = time.perf_counter()
        network.train()
        loss_sum = torch.zeros((), device=device)
        score_sum = torch.zeros((), device=device)
        for rows in _batches(len(targets), batch_size, generator):
            rows = rows.to(device)
            target = targets[rows]
            with cast():
                outputs = network(images[rows])
            loss = objective.loss(outputs, target)
            for optimiser in optimisers:
                optimiser.zero_grad(set_to_none=True)
            loss.backward()
            for optimiser, scheduler in zip(optimisers, schedulers, strict=True):
                optimiser.step()
                scheduler.step()
            loss_sum += loss.detach() * len(rows)
            score_sum += objective.score(outputs.detach(), target).sum()
        mean_loss = float(loss_sum) / len(targets)
        if not math.isfinite(mean_loss):
            message = (
                f"the training loss became {mean_loss} in epoch {epoch}; try a lower "
                f"learning_rate than {settings.learning_rate:g}"
            )
            raise Diverged(message)
        held_out: tuple[float | None, float | None] = (None, None)
        if validation is not None:
            held_out = evaluate(network, *validation, objective, cast)
        history.append(
            Epoch(
                epoch=epoch,
                train_loss=mean_loss,
                train_score=float(score_sum) / len(targets),
                validation_loss=held_out[0],
                validation_score=held_out[1],
                open_pixels=network.gate.n_open() if isinstance(network, GatedNetwork) else None,
                seconds=time.perf_counter() - start,
            )
        )
        if on_epoch is not None:
            on_epoch(history[-1])
        if settings.patience is not None and held_out[0] is not None:
            if best is None or held_out[0] < best[0]:
                best = (held_out[0], {k: v.clone() for k, v in network.state_dict().items()})
            elif epoch - _best_epoch(history) >= settings.patience:
                break
        if reached := _reached(history[-1], settings.target_loss, validation):
            break
    if best is not None and not reached:
        network.load_state_dict(best[1])
    return history


@torch.no_grad()
def predict_logits(
    network: nn.Module,
    images: Any,
    batch_size: int | None = None,
    cast: Callable[[], AbstractContextManager[Any]] = nullcontext,
) -> torch.Tensor:
    """Logits (n, n_classes) of images (n, 1, h, w), in evaluation mode, float32."""
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
    cast: Callable[[], AbstractContextManager[Any]] = nullcontext,
    batch_size: int | None = None,
) -> tuple[float, float]:
    """The mean loss and score on images and their targets."""
    batch_size = batch_size or prediction_batch(images)
    loss = score = 0.0
    for i in range(0, len(targets), batch_size):
        outputs = predict_logits(network, images[i : i + batch_size], batch_size, cast)
        target = targets[i : i + batch_size]
        loss += float(objective.loss(outputs, target)) * len(target)
        score += float(objective.score(outputs, target).sum())
    return loss / len(targets), score / len(targets)


def prediction_batch(images: Any) -> int:
    """How many images to predict at a time: 256, fewer of images of more than 2**18 pixels."""
    return max(1, min(256, 2**26 // math.prod(images.shape[1:])))


def autocast(
    network: nn.Module, device: torch.device, precision: str
) -> Callable[[], AbstractContextManager[Any]]:
    """What to run the network under: a maker of contexts."""
    inner = network.backbone if isinstance(network, GatedNetwork) else network
    if precision == "auto":
        pays = device.type == "cpu" and getattr(inner, "prefers_bfloat16", False)
        precision = "bfloat16" if device.type == "cuda" or (pays and has_bfloat16()) else "float32"
    if precision == "float32":
        return nullcontext
    return lambda: torch.autocast(device.type, torch.bfloat16)


def _optimisers(network: nn.Module, settings: TrainingSettings) -> list[torch.optim.Optimizer]:
    gate = network.gate if isinstance(network, GatedNetwork) else None
    weights = [p for p in network.parameters() if gate is None or p is not gate.weight]
    rates: dict[str, Any] = {
        "lr": settings.learning_rate,
        "weight_decay": settings.weight_decay,
        "fused": True,  # one sweep over the weights a step instead of ten
    }
    optimisers: list[torch.optim.Optimizer] = [
        torch.optim.SGD(weights, momentum=settings.momentum, **rates)
        if settings.optimiser == "sgd"
        else torch.optim.AdamW(weights, **rates)
    ]
    return optimisers if gate is None else [*optimisers, ProximalSGD(gate)]


def _seed_dropout(network: nn.Module, device: torch.device, generator: torch.Generator) -> None:
    """Give dropout a generator of this training: passes side by side cannot disturb each other."""
    seed = int(torch.randint(2**62, (), generator=generator))
    own = torch.Generator(device).manual_seed(seed)
    for module in network.modules():
        if isinstance(module, Dropout):
            module.generator = own


def _reached(epoch: Epoch, target_loss: float | None, validation: Pairs | None) -> bool:
    return (
        target_loss is not None
        and validation is not None
        and len(validation[1]) >= FEWEST_TO_STOP
        and epoch.validation_loss is not None
        and epoch.validation_loss < target_loss
        and epoch.validation_score == 1.0
    )


def _best_epoch(history: list[Epoch]) -> int:
    return min(history, key=lambda epoch: epoch.validation_loss or 0.0).epoch


def _schedule(
    optimiser: torch.optim.Optimizer, settings: TrainingSettings, n_steps: int
) -> torch.optim.lr_scheduler.LambdaLR:
    if settings.schedule == "constant":
        return torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1.0)
    warm_up = 0.2 if settings.schedule == "one_cycle" else 0.0
    return torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: one_cycle(step, n_steps, warm_up)
    )


def one_cycle(step: int, n_steps: int, warm_up: float = 0.2) -> float:
    """The share of the peak learning rate at a step: a straight rise, then a cosine to zero.

    >>> [round(one_cycle(step, 10), 2) for step in (0, 1, 6, 10)]
    [0.5, 1.0, 0.41, 0.0]
    """
    n_rise = max(1, round(warm_up * n_steps))
    if step < n_rise:
        return (step + 1) / n_rise
    progress = (step - n_rise + 1) / max(1, n_steps - n_rise + 1)
    return (1 + math.cos(math.pi * min(1.0, progress))) / 2


def _batches(n: int, batch_size: int, generator: torch.Generator) -> Iterator[torch.Tensor]:
    """A new random order of 0..n-1 in batches; a last batch of one joins the one before it.

    (BatchNorm cannot be trained on a single image.)
    """
    order = torch.randperm(n, generator=generator)
    parts = list(order.split(batch_size))
    if len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [torch.cat(parts[-2:])]
    return iter(parts)
