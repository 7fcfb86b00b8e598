"""Which pixels a network looks at, by Captum, over true positives and true negatives.

Paper: Methods 8c and Fig. 2 ("Attribution is applied to true positives and true negatives").
"""

from collections.abc import Callable

import torch
from torch import nn

from deepmapper.errors import DeepMapperError
from deepmapper.trainer import predict_logits

# Explains a batch: (network, images, class, baseline) -> attributions of the images' shape.
Explainer = Callable[[nn.Module, torch.Tensor, int, torch.Tensor], torch.Tensor]


def saliency(
    network: nn.Module, images: torch.Tensor, target: int, baseline: torch.Tensor
) -> torch.Tensor:
    """The gradient of the class's logit (Simonyan et al. 2013)."""
    from captum.attr import Saliency

    # Captum warns where it has to set requires_grad itself.
    return Saliency(network).attribute(images.requires_grad_(), target=target, abs=False)


def integrated_gradients(
    network: nn.Module, images: torch.Tensor, target: int, baseline: torch.Tensor
) -> torch.Tensor:
    """Gradients along the way from the mean training image (Sundararajan et al. 2017)."""
    from captum.attr import IntegratedGradients

    return IntegratedGradients(network).attribute(
        images, baseline, target=target, n_steps=16, internal_batch_size=256
    )


EXPLAINERS: dict[str, Explainer] = {
    "saliency": saliency,
    "integrated_gradients": integrated_gradients,
}


class Contrast(nn.Module):
    """Logits less their mean over the classes: softmax cannot see what all classes share."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits = self.network(x)
        return logits - logits.mean(1, keepdim=True)


def attribute(
    network: nn.Module,
    images: torch.Tensor,
    labels: torch.Tensor,
    *,
    method: str,
    n_classes: int,
    signed: bool = False,
    max_samples: int = 64,
) -> torch.Tensor:
    """The mean attribution of every class, shape (n_classes, *images.shape[1:]).

    For class c: true positives are the images of c taken for c, true negatives the images of other
    classes not taken for c; the result is the mean of the two groups' means (so that the many
    negatives of a table of many classes do not drown the positives), of absolute values unless
    `signed`. A class without either gets zeros.

    Args:
        images: (n, ...) on the network's device. Their mean is the baseline where one is used.
        labels: class codes (n,).
        method: a name in `EXPLAINERS`.
        max_samples: at most so many images a group, the first ones; the rest adds cost, not news.

    Raises:
        DeepMapperError: no attribution method has that name.
    """
    if method not in EXPLAINERS:
        message = f"unknown attribution {method!r}; known: {', '.join(sorted(EXPLAINERS))}"
        raise DeepMapperError(message)
    predicted = predict_logits(network, images).argmax(1)
    baseline = images.mean(0, keepdim=True)
    contrast = Contrast(network).eval()
    maps = images.new_zeros((n_classes, *images.shape[1:]))
    for c in range(n_classes):
        positives = (labels == c) & (predicted == c)
        negatives = (labels != c) & (predicted != c)
        groups = [group.nonzero()[:max_samples, 0] for group in (positives, negatives)]
        means = []
        for rows in groups:
            if len(rows):
                values = EXPLAINERS[method](contrast, images[rows], c, baseline).detach()
                means.append((values if signed else values.abs()).mean(0))
        if means:
            maps[c] = torch.stack(means).mean(0)
    return maps
