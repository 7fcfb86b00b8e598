"""The attribution methods. One line in `EXPLAINERS` is one method.

Captum is imported inside each method: it takes seconds, and training does not need it.
"""

import warnings
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional
from torch.nn.modules import padding

from deepmapper.attribution._batch import Batch
from deepmapper.attribution._perturbations import feature_ablation, kernel_shap, occlusion
from deepmapper.attribution._steps import (
    IDENTITIES,
    Step,
    forward_steps,
    is_affine,
    is_step,
    spatial_step,
)
from deepmapper.networks.backbones._layers import PatchEmbedding

# From a batch to attributions of the shape of its images.
Explainer = Callable[[Batch], torch.Tensor]


def saliency(batch: Batch) -> torch.Tensor:
    """The gradient (Simonyan et al. 2013)."""
    images = batch.images_with_gradients()
    logits = batch.network(images)[:, batch.target]
    return torch.autograd.grad(logits.sum(), images)[0]


def input_x_gradient(batch: Batch) -> torch.Tensor:
    """The pixel times its gradient, with baseline zero (Shrikumar et al. 2016)."""
    from captum.attr import InputXGradient

    return InputXGradient(batch.network).attribute(
        batch.images_with_gradients(), target=batch.target
    )


def integrated_gradients(batch: Batch) -> torch.Tensor:
    """Gradients along the straight path from the baseline (Sundararajan et al. 2017)."""
    from captum.attr import IntegratedGradients

    return IntegratedGradients(batch.network).attribute(
        batch.images,
        batch.baseline,
        target=batch.target,
        n_steps=batch.settings.n_steps,
        internal_batch_size=max(len(batch.images), 1),
    )


def gradient_shap(batch: Batch) -> torch.Tensor:
    """Gradients at random points of that path, with noise (Lundberg & Lee 2017)."""
    from captum.attr import GradientShap

    explain = GradientShap(batch.network).attribute
    n_draws = batch.settings.n_draws
    options = {"n_samples": n_draws, "stdevs": batch.settings.noise, "target": batch.target}
    # Captum holds all draws of its images in memory at once.
    parts = batch.images.split(max(1, len(batch.images) // n_draws))
    return torch.cat([explain(part, batch.baseline, **options) for part in parts])


def deep_lift(batch: Batch) -> torch.Tensor:
    """Differences from the baseline by the rescale rule (Shrikumar et al. 2017)."""
    from deepmapper.attribution._captum import RescaleDeepLift

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Setting forward, backward hooks")
        return RescaleDeepLift(batch.network).attribute(
            batch.images_with_gradients(),
            batch.baseline.expand_as(batch.images),
            target=batch.target,
        )


def guided_backprop(batch: Batch) -> torch.Tensor:
    """The gradient, of which each ReLU keeps the positive part (Springenberg 2014)."""
    from captum.attr import GuidedBackprop

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Setting backward hooks on ReLU")
        return GuidedBackprop(batch.network).attribute(
            batch.images_with_gradients(), target=batch.target
        )


def lrp(batch: Batch) -> torch.Tensor:
    """Layer-wise relevance propagation (Bach et al. 2015) by the epsilon rule.

    A layer shares the relevance of its outputs among its inputs in proportion to their
    contributions. The bias absorbs the relevance of its own contribution. If the only
    nonlinearities are ReLU and max pooling and epsilon is tiny, this equals input_x_gradient
    (Ancona et al. 2018, Proposition 1).
    """
    from captum.attr import LRP
    from captum.attr._utils.lrp_rules import EpsilonRule

    from deepmapper.attribution._captum import PassThrough

    # Captum has rules for exact classes only. It has none for our modules or, for example, Flatten.
    # With autograd the epsilon rule is right for every affine map.
    for module in batch.network.modules():
        if is_step(module) and is_affine(module):
            module.rule = PassThrough() if isinstance(module, IDENTITIES) else EpsilonRule()
    return LRP(batch.network).attribute(batch.images_with_gradients(), target=batch.target)


def grad_cam(batch: Batch) -> torch.Tensor:
    """Grad-CAM (Selvaraju et al. 2017) without its last ReLU.

    So evidence against a class stays. Each pixel has the value of its cell (nearest neighbour).
    Channels are weighted by their mean gradient, as if a channel meant the same everywhere. In
    `patch` the weights depend on the position, so there the result is only a rough view.
    """
    from captum.attr import LayerGradCam

    shape = batch.shape
    steps = forward_steps(batch.network, shape)
    step = spatial_step(steps)
    assert step is not None  # `why_not` refuses a network without cells
    cells = LayerGradCam(batch.network, step.module).attribute(
        batch.images_with_gradients(), batch.target
    )
    pixels = functional.interpolate(cells, _map_extent(steps, shape), mode="nearest-exact")
    return pixels[..., : shape[-2], : shape[-1]].expand(batch.images.shape)


def _map_extent(steps: list[Step], shape: tuple[int, ...]) -> tuple[int, int]:
    """Height and width that the cells cover, the image's padding included."""
    extent = (shape[-2], shape[-1])
    for step in steps:
        if isinstance(step.module, PatchEmbedding):  # it pads by itself
            return step.module.rows * step.module.patch, step.module.columns * step.module.patch
        if isinstance(step.module, padding._ConstantPadNd) and step.shape[1] == shape[0]:
            extent = (step.shape[-2], step.shape[-1])
        if isinstance(step.module, nn.Conv2d):
            break
    return extent


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
