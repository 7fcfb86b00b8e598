"""The input of an attribution method, and its settings."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from deepmapper.errors import DeepMapperError


@dataclass(frozen=True, eq=False)
class Settings:
    """Settings of the methods. The defaults suit 100 to 100,000 features.

    Parameters
    ----------
    n_steps : int, default=16
        integrated_gradients: points on the path from the baseline (Gauss-Legendre).
    n_draws : int, default=16
        gradient_shap: random points on that path per image.
    noise : float, default=0.0
        gradient_shap: standard deviation of the Gaussian noise added to the image.
    feature_groups : int array of shape (height, width), default=None
        feature_ablation and kernel_shap: the group of each pixel. Pixels of one group are switched
        together and share their value. Default: one group a pixel for feature_ablation, `grid` for
        kernel_shap.
    window, stride : tuple of int, default=None
        occlusion: in pixels. Default: see `occlusion_window`.
    n_coalitions : int, default=None
        kernel_shap: forward passes per image. Default: 4 per group, at least 64.
    max_pixel_evaluations : float, default=2e9
        Maximum number of pixels that feature_ablation, occlusion and kernel_shap send through the
        network. 2e9 pixels are about 100,000 images of 139 x 139.

    Raises
    ------
    DeepMapperError
        A value is out of range.
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
    """Images (n, ...) to explain for one class, the code `target`.

    `network` is in evaluation mode. `evaluated` removes what a method leaves on it. `baseline`, of
    shape (1, ...), is the image that stands for "no information".
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
    """Logits (n, n_classes) minus their mean over the classes, as a module for LRP."""

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        return logits - logits.mean(1, keepdim=True)


def contrast(network: nn.Module) -> nn.Module:
    """The network with centred logits (softmax ignores a shift of all logits)."""
    return nn.Sequential(network, Centring())


@contextmanager
def evaluated(network: nn.Module) -> Iterator[None]:
    """Hold a network in evaluation mode, weights fixed, no in-place operations.

    On exit this is undone, and the attributes that Captum left on the modules (LRP's `rule` and
    `activations`, DeepLift's `input`) are removed.

    Parameters
    ----------
    network : nn.Module
        Changed in place.
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
        for module, was_training, old_names in zip(modules, training, names, strict=True):
            module.training = was_training
            for name in set(vars(module)) - old_names:
                delattr(module, name)
        for weight, required_gradient in weights:
            weight.requires_grad_(required_gradient)
        for module in in_place:
            module.inplace = True  # type: ignore[assignment]
