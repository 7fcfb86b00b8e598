"""Objectives of training: a loss to lower and a score to watch."""

from typing import Protocol

import torch
from torch.nn import functional

__all__ = ["Classification", "Objective", "class_weights"]


class Objective(Protocol):
    """A loss to lower and a score to watch.

    Attributes
    ----------
    score_name : str
        Name of the score in histories.
    """

    score_name: str

    def loss(
        self, outputs: torch.Tensor, targets: torch.Tensor, weight: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The mean loss of a batch.

        Parameters
        ----------
        outputs, targets : tensor of shape (n, ...)
            Outputs of the network, and the values they should have.
        weight : tensor of shape (n,), default=None
            Weight of each sample. Default: 1.

        Returns
        -------
        scalar tensor
        """

    def score(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The score of each sample of a batch.

        Parameters
        ----------
        outputs, targets : tensor of shape (n, ...)

        Returns
        -------
        tensor of shape (n,)
        """


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
        """The weighted mean of the cross-entropy.

        Parameters
        ----------
        outputs : tensor of shape (n, n_classes)
            Logits.
        targets : tensor of shape (n,)
            Class codes.
        weight : tensor of shape (n,), default=None
            Weight of each sample. Default: 1.

        Returns
        -------
        scalar tensor
        """
        if weight is None:
            return functional.cross_entropy(outputs.float(), targets, weight=self.weight)
        losses = functional.cross_entropy(outputs.float(), targets, reduction="none")
        if self.weight is not None:
            weight = weight * self.weight[targets]
        return weighted_mean(losses, weight)

    def score(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """1 for a sample that is classified correctly, else 0.

        Parameters
        ----------
        outputs : tensor of shape (n, n_classes)
        targets : tensor of shape (n,)

        Returns
        -------
        tensor of shape (n,)
        """
        return (outputs.argmax(1) == targets).float()


def weighted_mean(values: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """The mean of values (n,) under weights (n,), or 0 if all weights are 0."""
    return (values * weight).sum() / weight.sum().clamp(min=torch.finfo(weight.dtype).tiny)


def class_weights(
    labels: torch.Tensor, n_classes: int, sample_weight: torch.Tensor | None = None
) -> torch.Tensor:
    """Weights that make every class count the same, 1 on average.

    Parameters
    ----------
    labels : tensor of shape (n,)
        Class codes.
    n_classes : int
    sample_weight : tensor of shape (n,), default=None
        Weight of each sample. Default: 1.

    Returns
    -------
    tensor of shape (n_classes,)
    """
    if sample_weight is None:
        counts = torch.bincount(labels, minlength=n_classes).clamp(min=1)
        return len(labels) / (n_classes * counts.float())
    totals = torch.bincount(labels, sample_weight, minlength=n_classes)
    return sample_weight.sum() / (n_classes * totals.clamp(min=1e-30))
