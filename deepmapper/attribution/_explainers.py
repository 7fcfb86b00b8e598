"""The methods: each explains a batch of images. One line in `EXPLAINERS` is one method."""

import warnings
from collections.abc import Callable

import torch

from deepmapper.attribution._grad_cam import grad_cam
from deepmapper.attribution._perturbations import feature_ablation, kernel_shap, occlusion
from deepmapper.attribution._question import Question
from deepmapper.attribution._relevance import lrp

# Attributions of the shape of the images asked about.
# Captum is imported by who needs it: it takes seconds, and training has no use for it.
Explainer = Callable[[Question], torch.Tensor]


def saliency(asked: Question) -> torch.Tensor:
    """The gradient (Simonyan et al. 2013)."""
    from captum.attr import Saliency

    # Captum warns where it has to set requires_grad itself.
    return Saliency(asked.network).attribute(
        asked.images_with_gradients(), target=asked.target, abs=False
    )


def input_x_gradient(asked: Question) -> torch.Tensor:
    """The pixel times its gradient (Shrikumar et al. 2016). It has no baseline but zero."""
    from captum.attr import InputXGradient

    return InputXGradient(asked.network).attribute(
        asked.images_with_gradients(), target=asked.target
    )


def integrated_gradients(asked: Question) -> torch.Tensor:
    """Gradients along the straight way from the baseline (Sundararajan et al. 2017)."""
    from captum.attr import IntegratedGradients

    return IntegratedGradients(asked.network).attribute(
        asked.images,
        asked.baseline,
        target=asked.target,
        n_steps=asked.settings.n_steps,
        internal_batch_size=max(len(asked.images), 1),
    )


def gradient_shap(asked: Question) -> torch.Tensor:
    """Gradients at random points of that way, with noise (Lundberg & Lee 2017; Captum's form)."""
    from captum.attr import GradientShap

    explain = GradientShap(asked.network).attribute
    # Captum holds all draws of its images at once.
    parts = [
        explain(
            part,
            asked.baseline,
            n_samples=asked.settings.n_draws,
            stdevs=asked.settings.noise,
            target=asked.target,
        )
        for part in asked.images.split(max(1, len(asked.images) // asked.settings.n_draws))
    ]
    return torch.cat(parts)


def deep_lift(asked: Question) -> torch.Tensor:
    """Differences from the baseline, handed back by layers (Shrikumar et al. 2017, rescale)."""
    from deepmapper.attribution._rescale import RescaleDeepLift

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Setting forward, backward hooks")
        return RescaleDeepLift(asked.network).attribute(
            asked.images_with_gradients(),
            asked.baseline.expand_as(asked.images),
            target=asked.target,
        )


def guided_backprop(asked: Question) -> torch.Tensor:
    """The gradient where each ReLU lets only positive gradients back (Springenberg et al. 2014)."""
    from captum.attr import GuidedBackprop

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Setting backward hooks on ReLU")
        return GuidedBackprop(asked.network).attribute(
            asked.images_with_gradients(), target=asked.target
        )


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
