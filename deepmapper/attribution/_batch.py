"""What an attribution method gets: a network to explain, a batch of images, a class, settings."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from deepmapper.errors import DeepMapperError


@dataclass(frozen=True, eq=False)
class Settings:
    """Settings of the methods that have a choice; defaults suit 100 to 100,000 features.

    Args:
        n_steps: integrated_gradients: points on the path from the baseline (Gauss-Legendre).
        n_draws: gradient_shap: random points on that path per image.
        noise: gradient_shap: standard deviation of Gaussian noise added to the image.
        feature_groups: feature_ablation and kernel_shap: an integer per pixel, of the image's
            height and width. Pixels of one number are switched together and share their value.
            Default: each pixel alone for feature_ablation, `grid` for kernel_shap.
        window, stride: occlusion, in pixels. Default: see `occlusion_window`.
        n_coalitions: kernel_shap: forward passes per image. Default: 4 per group, at least 64.
        max_pixel_evaluations: feature_ablation, occlusion and kernel_shap refuse to send more
            pixels through the network. 2e9 are about 100,000 images of 139 x 139.

    Raises:
        DeepMapperError: a value out of range.
    """

    n_steps: int = 16
    n_draws: int = 16
    noise: float = 0.0
    feature_groups: np.ndarray | None = None
    window: tuple[int, ...] | None = None
    stride: tuple[int, ...] | None = None
    n_coalitions: int | None = None
    max_pixel_evaluations: float = 2e9

    def __post_init__(self) -> None:
        for name in ("n_steps", "n_draws", "n_coalitions"):
            value = getattr(self, name)
            if value is not None and value < 1:
                message = f"attribution needs {name} >= 1, got {value}"
                raise DeepMapperError(message)
        if self.noise < 0:
            message = f"attribution needs noise >= 0 (a standard deviation), got {self.noise}"
            raise DeepMapperError(message)


@dataclass(frozen=True, eq=False)
class Batch:
    """Images to explain for one class.

    Args:
        network: in evaluation mode; `evaluated` removes what a method leaves on it.
        images: (n, ...).
        target: the class code.
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
        """Shape of one image."""
        return tuple(self.images.shape[1:])

    def images_with_gradients(self) -> torch.Tensor:
        """Images that require a gradient (Captum warns if it has to set that itself)."""
        return self.images.requires_grad_()


class Centring(nn.Module):
    """Logits (n, n_classes) less their mean over the classes; a module, so that LRP follows it."""

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        return logits - logits.mean(1, keepdim=True)


def contrast(network: nn.Module) -> nn.Module:
    """The network with centred logits: softmax ignores what all classes have in common."""
    return nn.Sequential(network, Centring())


@contextmanager
def evaluated(network: nn.Module) -> Iterator[None]:
    """Inside: evaluation mode, weights without gradients, no operation in place.

    On exit all of that is restored, and what Captum left on the modules (LRP's `rule` and
    `activations`, DeepLift's `input`) is removed.
    """
    modules = list(network.modules())
    weights = [(weight, weight.requires_grad) for weight in network.parameters()]
    training = [module.training for module in modules]
    in_place = [module for module in modules if getattr(module, "inplace", False) is True]
    names = [set(vars(module)) for module in modules]
    network.eval()
    for weight, _ in weights:
        weight.requires_grad_(False)  # saves what their gradients would keep in memory
    for module in in_place:
        module.inplace = False  # type: ignore[assignment]
    try:
        with torch.enable_grad():
            yield
    finally:
        for module, was_training, known in zip(modules, training, names, strict=True):
            module.training = was_training
            for name in set(vars(module)) - known:
                delattr(module, name)
        for weight, needed in weights:
            weight.requires_grad_(needed)
        for module in in_place:
            module.inplace = True  # type: ignore[assignment]
