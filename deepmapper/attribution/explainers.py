"""The methods: each explains a batch of images. One line in `EXPLAINERS` is one method."""

import warnings
from collections.abc import Callable

import torch
from torch import nn

from deepmapper.attribution.grad_cam import grad_cam
from deepmapper.attribution.perturbations import feature_ablation, kernel_shap, occlusion
from deepmapper.attribution.relevance import lrp
from deepmapper.attribution.settings import Settings

# Explains a batch: (network, images (n, ...), class, baseline (1, ...), settings) -> attributions
# of the images' shape. The network is in evaluation mode; what a method leaves on it is removed.
# Captum is imported by who needs it: it takes seconds, and training has no use for it.
Explainer = Callable[[nn.Module, torch.Tensor, int, torch.Tensor, Settings], torch.Tensor]


def saliency(
    network: nn.Module,
    images: torch.Tensor,
    target: int,
    baseline: torch.Tensor,
    settings: Settings,
) -> torch.Tensor:
    """The gradient (Simonyan et al. 2013)."""
    from captum.attr import Saliency

    # Captum warns where it has to set requires_grad itself.
    return Saliency(network).attribute(images.requires_grad_(), target=target, abs=False)


def input_x_gradient(
    network: nn.Module,
    images: torch.Tensor,
    target: int,
    baseline: torch.Tensor,
    settings: Settings,
) -> torch.Tensor:
    """The pixel times its gradient (Shrikumar et al. 2016). It has no baseline but zero."""
    from captum.attr import InputXGradient

    return InputXGradient(network).attribute(images.requires_grad_(), target=target)


def integrated_gradients(
    network: nn.Module,
    images: torch.Tensor,
    target: int,
    baseline: torch.Tensor,
    settings: Settings,
) -> torch.Tensor:
    """Gradients along the straight way from the baseline (Sundararajan et al. 2017)."""
    from captum.attr import IntegratedGradients

    return IntegratedGradients(network).attribute(
        images,
        baseline,
        target=target,
        n_steps=settings.n_steps,
        internal_batch_size=max(len(images), 1),
    )


def gradient_shap(
    network: nn.Module,
    images: torch.Tensor,
    target: int,
    baseline: torch.Tensor,
    settings: Settings,
) -> torch.Tensor:
    """Gradients at random points of that way, with noise (Lundberg & Lee 2017; Captum's form)."""
    from captum.attr import GradientShap

    explain = GradientShap(network).attribute
    # Captum holds all draws of its images at once.
    parts = [
        explain(part, baseline, n_samples=settings.n_draws, stdevs=settings.noise, target=target)
        for part in images.split(max(1, len(images) // settings.n_draws))
    ]
    return torch.cat(parts)


def deep_lift(
    network: nn.Module,
    images: torch.Tensor,
    target: int,
    baseline: torch.Tensor,
    settings: Settings,
) -> torch.Tensor:
    """Differences from the baseline, handed back by layers (Shrikumar et al. 2017, rescale)."""
    from deepmapper.attribution.rescale import RescaleDeepLift

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Setting forward, backward hooks")
        return RescaleDeepLift(network).attribute(
            images.requires_grad_(), baseline.expand_as(images), target=target
        )


def guided_backprop(
    network: nn.Module,
    images: torch.Tensor,
    target: int,
    baseline: torch.Tensor,
    settings: Settings,
) -> torch.Tensor:
    """The gradient where each ReLU lets only positive gradients back (Springenberg et al. 2014)."""
    from captum.attr import GuidedBackprop

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Setting backward hooks on ReLU")
        return GuidedBackprop(network).attribute(images.requires_grad_(), target=target)


EXPLAINERS: dict[str, Explainer] = {
    "saliency": saliency,
    "input_x_gradient": input_x_gradient,
    "integrated_gradients": integrated_gradients,
    "gradient_shap": gradient_shap,
    "deep_lift": deep_lift,
    "guided_backprop": guided_backprop,
    "lrp": lrp,
    "grad_cam": grad_cam,
    "feature_ablation": feature_ablation,
    "occlusion": occlusion,
    "kernel_shap": kernel_shap,
}
