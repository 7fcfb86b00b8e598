"""What every attribution method is asked."""

from dataclasses import dataclass

import torch
from torch import nn

from deepmapper.attribution._settings import Settings


@dataclass(frozen=True, eq=False)
class Question:
    """What in these images speaks for a class?

    Args:
        network: in evaluation mode; what a method leaves on it is removed.
        images: (n, ...), a batch.
        target: the class.
        baseline: (1, ...), the image that stands for "no information".
        settings: of the methods that have a choice.
    """

    network: nn.Module
    images: torch.Tensor
    target: int
    baseline: torch.Tensor
    settings: Settings

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one image."""
        return tuple(self.images.shape[1:])

    def images_with_gradients(self) -> torch.Tensor:
        """The images, ready for methods that need their gradient (Captum would warn of it)."""
        return self.images.requires_grad_()
