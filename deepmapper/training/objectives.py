"""Objectives of training: a loss to lower and a score to watch."""

from typing import Protocol

import torch
from torch.nn import functional

__all__ = ["Classification", "Objective", "class_weights"]


class Objective(Protocol):
    """A loss to lower and a score to watch, which histories call `score_name`."""

    score_name: str

    def loss(
        self, outputs: torch.Tensor, targets: torch.Tensor, weight: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The mean over the batch, a scalar. `weight` (n,) weighs its samples."""

    def score(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """One number per sample, shape (n,)."""


class Classification:
    """Cross-entropy of logits (n, n_classes) against class codes (n,), and accuracy.

    Parameters
    ----------
    weight : tensor of shape (n_classes,), default=None
        Weight of the samples of each class. Default: 1.
    """

    score_name = "accuracy"

    def __init__(self, weight: torch.Tensor | None = None) -> None:
        self.weight = weight

    def loss(
        self, outputs: torch.Tensor, targets: torch.Tensor, weight: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The weighted mean of the cross-entropy, a scalar."""
        if weight is None:
            return functional.cross_entropy(outputs.float(), targets, weight=self.weight)
        losses = functional.cross_entropy(outputs.float(), targets, reduction="none")
        if self.weight is not None:
            weight = weight * self.weight[targets]
        return weighted_mean(losses, weight)

    def score(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """1 for a sample that is classified correctly, else 0, (n,)."""
        return (outputs.argmax(1) == targets).float()


def weighted_mean(values: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """The mean of values (n,) under weights (n,), or 0 if all weights are 0."""
    return (values * weight).sum() / weight.sum().clamp(min=torch.finfo(weight.dtype).tiny)


def class_weights(
    labels: torch.Tensor, n_classes: int, sample_weight: torch.Tensor | None = None
) -> torch.Tensor:
    """Weights (n_classes,) that make every class count the same, 1 on average.

    `labels` are class codes (n,). `sample_weight` (n,) weighs the samples.
    """
    if sample_weight is None:
        counts = torch.bincount(labels, minlength=n_classes).clamp(min=1)
        return len(labels) / (n_classes * counts.float())
    totals = torch.bincount(labels, sample_weight, minlength=n_classes)
    return sample_weight.sum() / (n_classes * totals.clamp(min=1e-30))
