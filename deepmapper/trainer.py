"""The only batch loop: train a network on images that lie on its device."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from deepmapper.errors import DeepMapperError, Diverged


@dataclass(frozen=True)
class TrainingSettings:
    """How a network is trained.

    Args:
        epochs: passes over the training images.
        batch_size: images a step; None chooses 16 to 128, so that an epoch has about 64 steps.
        learning_rate: the peak of the schedule.
        weight_decay: of AdamW.
        schedule: "one_cycle" (Smith & Topin 2018: a short warm-up, then cosine to zero) or
            "constant".
        balanced: weigh classes by the inverse of their share.
    """

    epochs: int = 10
    batch_size: int | None = None
    learning_rate: float = 5e-3
    weight_decay: float = 1e-2
    schedule: str = "one_cycle"
    balanced: bool = True

    def __post_init__(self) -> None:
        if self.schedule not in ("one_cycle", "constant"):
            message = f"schedule is 'one_cycle' or 'constant', got {self.schedule!r}"
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
    """What one epoch gave; validation figures are None where nothing was held out."""

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None


Labelled = tuple[torch.Tensor, torch.Tensor]


def train(
    network: nn.Module,
    training: Labelled,
    settings: TrainingSettings,
    *,
    n_classes: int,
    generator: torch.Generator,
    validation: Labelled | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> list[Epoch]:
    """Train in place; one `Epoch` a pass over the images.

    Args:
        training: images (n, 1, h, w) and class codes (n,), on the network's device.
        generator: draws the order of the batches (a CPU generator: the same on every device).
        validation: images and codes to measure after each epoch; never trained on.

    Raises:
        Diverged: the loss became NaN or infinite.
    """
    images, labels = training
    batch_size = settings.batch_size_for(len(labels))
    n_steps = math.ceil(len(labels) / batch_size) * settings.epochs
    optimiser = torch.optim.AdamW(
        network.parameters(),
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        fused=True,  # one sweep over the weights a step instead of ten
    )
    scheduler = _schedule(optimiser, settings, n_steps)
    weight = class_weights(labels, n_classes) if settings.balanced else None
    history = []
    for epoch in range(1, settings.epochs + 1):
        network.train()
        loss_sum = torch.zeros((), device=images.device)
        n_correct = torch.zeros((), device=images.device)
        for rows in _batches(len(labels), batch_size, generator):
            rows = rows.to(images.device)
            target = labels[rows]
            logits = network(images[rows])
            loss = functional.cross_entropy(logits, target, weight=weight)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            scheduler.step()
            loss_sum += loss.detach() * len(rows)
            n_correct += (logits.detach().argmax(1) == target).sum()
        mean_loss = float(loss_sum) / len(labels)
        if not math.isfinite(mean_loss):
            message = (
                f"the training loss became {mean_loss} in epoch {epoch}; try a lower "
                f"learning_rate than {settings.learning_rate:g}"
            )
            raise Diverged(message)
        held_out = evaluate(network, *validation, weight) if validation else (None, None)
        history.append(Epoch(epoch, mean_loss, float(n_correct) / len(labels), *held_out))
        if on_epoch is not None:
            on_epoch(history[-1])
    return history


@torch.no_grad()
def predict_logits(network: nn.Module, images: torch.Tensor, batch_size: int = 256) -> torch.Tensor:
    """Logits (n, n_classes) of images (n, 1, h, w), in evaluation mode."""
    network.eval()
    return torch.cat(
        [network(images[i : i + batch_size]) for i in range(0, len(images), batch_size)]
    )


def evaluate(
    network: nn.Module, images: torch.Tensor, labels: torch.Tensor, weight: torch.Tensor | None
) -> tuple[float, float]:
    """Cross-entropy and accuracy on images and their class codes."""
    logits = predict_logits(network, images)
    loss = functional.cross_entropy(logits, labels, weight=weight)
    return float(loss), float((logits.argmax(1) == labels).float().mean())


def class_weights(labels: torch.Tensor, n_classes: int) -> torch.Tensor:
    """Weights (n_classes,) that make every class count the same; 1 on average over samples."""
    counts = torch.bincount(labels, minlength=n_classes).clamp(min=1)
    return len(labels) / (n_classes * counts.float())


def _schedule(
    optimiser: torch.optim.Optimizer, settings: TrainingSettings, n_steps: int
) -> torch.optim.lr_scheduler.LambdaLR:
    if settings.schedule == "constant":
        return torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1.0)
    return torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: one_cycle(step, n_steps))


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
