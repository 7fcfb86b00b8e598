"""What a network is trained for: classes, with a loss and a score to watch."""

from typing import Protocol

import torch
from torch.nn import functional


class Objective(Protocol):
    """A loss to lower and a score to watch; `score_name` names the score in histories."""

    score_name: str

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The mean over the batch, a scalar."""
        ...

    def score(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """One figure a sample, shape (n,)."""
        ...


class Classification:
    """Cross-entropy of logits (n, n_classes) against class codes (n,); the score is being right.

    Args:
        weight: (n_classes,), how much a sample of each class counts; None counts all the same.
    """

    score_name = "accuracy"

    def __init__(self, weight: torch.Tensor | None = None) -> None:
        self.weight = weight

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(outputs.float(), targets, weight=self.weight)

    def score(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return (outputs.argmax(1) == targets).float()


def class_weights(labels: torch.Tensor, n_classes: int) -> torch.Tensor:
    """Weights (n_classes,) that make every class count the same; 1 on average over samples."""
    counts = torch.bincount(labels, minlength=n_classes).clamp(min=1)
    return len(labels) / (n_classes * counts.float())
