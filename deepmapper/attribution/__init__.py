"""Attribution: which pixels a network uses, by Captum.

Paper: Methods 8c and Fig. 2 ("Attribution is applied to true positives and true negatives"). One
line in `EXPLAINERS` is one method. `why_not` gives the reason why a method cannot explain a
network.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from deepmapper.attribution._batch import Batch, Settings, contrast, evaluated
from deepmapper.attribution._methods import EXPLAINERS
from deepmapper.attribution._perturbations import check_cost, grid, occlusion_window
from deepmapper.attribution._steps import (
    RULES,
    forward_steps,
    module_without_rule,
    spatial_step,
    step_without_rule,
)
from deepmapper.errors import DeepMapperError
from deepmapper.networks.gate import PixelGate
from deepmapper.training.streams import stream_seed, torch_stream
from deepmapper.training.trainer import predict_logits

__all__ = [
    "EXPLAINERS",
    "Settings",
    "attribute",
    "evaluated",
    "forward_steps",
    "grid",
    "occlusion_window",
    "spatial_step",
    "why_not",
]


def attribute(
    network: nn.Module,
    images: Any,
    labels: torch.Tensor,
    *,
    method: str,
    n_classes: int,
    signed: bool = False,
    max_samples: int = 64,
    baseline: torch.Tensor | None = None,
    seed: int = 0,
    settings: Settings | None = None,
) -> torch.Tensor:
    """Compute the mean attribution of every class.

    For class c, true positives are the images of c predicted as c. True negatives are the images of
    other classes predicted as other classes. The map of c is the mean of the two groups' means, so
    that the many negatives of a table with many classes do not outweigh the positives.

    The explained quantity is the contrast of class c: its logit minus the mean of all logits. A
    signed value is positive if a pixel raises this contrast and negative if it lowers it, in both
    groups.

    The network's mode, gradients and hooks are restored.

    Parameters
    ----------
    network : nn.Module, images (n, ...) -> logits (n, n_classes)
    images : tensor of shape (n, ...)
        On the network's device. Also any object with `len`, `shape` and `images[rows]` -> tensor
        for a tensor of rows. Such an object needs `baseline`.
    labels : tensor of shape (n,)
        Class codes, on the network's device.
    method : str
        A name in `EXPLAINERS`.
    n_classes : int
    signed : bool, default=False
        Average the values. By default, their absolute values are averaged.
    max_samples : int, default=64
        Maximum number of images per group. The first ones are used. More images cost more and
        change little.
    baseline : tensor of shape (1, *images.shape[1:]) or images.shape[1:], default=None
        The image that stands for "no information". Default: the mean of `images`. Zero is no
        default: in a table that is not centred, zero is a value like any other.
    seed : int, default=0
        Seed of gradient_shap and kernel_shap, which draw. Each class has its own stream.
    settings : Settings, default=None
        Settings of the methods. Default: `Settings()`.

    Returns
    -------
    tensor of shape (n_classes, *images.shape[1:])
        A class without true positives and true negatives gets zeros.

    Raises
    ------
    DeepMapperError
        No method has that name, the method cannot explain the network, or it would cost too much.
    """
    settings = settings or Settings()
    shape = tuple(images.shape[1:])
    reason = why_not(method, network, shape)
    if reason is not None:
        message = f"cannot attribute by {method}: {reason}"
        raise DeepMapperError(message)
    baseline = _resolve_baseline(baseline, images, shape).to(labels.device)
    batch_size = _batch_size(shape, 128, 2**20)
    with evaluated(contrast_network := contrast(network)):
        samples = _samples(network, images, labels, n_classes, max_samples)
        check_cost(method, shape, settings, sum(len(rows) for groups in samples for rows in groups))
        maps = torch.zeros((n_classes, *shape), device=labels.device)
        for c, groups in enumerate(samples):
            means = []
            with _captum_stream(seed, "attribution", method, c):
                for rows in groups:
                    parts = []  # sums over batches, so that only one batch is in memory
                    for part in rows.split(batch_size) if len(rows) else ():
                        batch = Batch(contrast_network, images[part], c, baseline, settings)
                        values = EXPLAINERS[method](batch).detach()
                        parts.append((values if signed else values.abs()).sum(0))
                    if parts:
                        means.append(torch.stack(parts).sum(0) / len(rows))
            if means:
                maps[c] = torch.stack(means).mean(0)
    return maps


def why_not(
    method: str, network: nn.Module, image_shape: tuple[int, ...] | None = None
) -> str | None:
    """Give the reason why a method cannot explain a network.

    Parameters
    ----------
    method : str
        A name in `EXPLAINERS`.
    network : nn.Module
    image_shape : tuple of int, default=None
        Shape of one input, (1, h, w). If given, a blank image is run and each step of the forward
        pass is checked. By default, only the network's modules are checked.

    Returns
    -------
    str or None
        None if the method can explain the network.

    Raises
    ------
    DeepMapperError
        No method has that name.
    """
    if method not in EXPLAINERS:
        message = f"unknown attribution {method!r}; known: {', '.join(sorted(EXPLAINERS))}"
        raise DeepMapperError(message)
    reason = module_without_rule(method, network) if method in RULES else None
    if reason or image_shape is None or (method not in RULES and method != "grad_cam"):
        return reason
    with evaluated(network):
        steps = forward_steps(network, image_shape)
    if method in RULES:
        return step_without_rule(method, steps)
    if any(isinstance(part, PixelGate) and part.pixels is not None for part in network.modules()):
        return (
            "grad_cam needs the place of each pixel, and the network reads a part of the pixels "
            "only; set attribution to grad_cam before training"
        )
    if spatial_step(steps) is None:
        return (
            "grad_cam needs a map of detectors: (channels, rows, columns) of more than one cell, "
            f"computed by at least one nonlinearity; {type(network).__name__} has none for images "
            f"of shape {tuple(image_shape)}"
        )
    return None


def _samples(
    network: nn.Module, images: Any, labels: torch.Tensor, n_classes: int, max_samples: int
) -> list[list[torch.Tensor]]:
    """Select true positives and true negatives of each class, as rows.

    There are at most `max_samples` of each, the first ones. Images are predicted in order until all
    groups are full.
    """
    codes = labels.cpu()
    batch_size = _batch_size(tuple(images.shape[1:]), 256, 2**24)
    samples = [2 * [torch.empty(0, dtype=torch.int64)] for _ in range(n_classes)]
    for rows in torch.arange(len(codes)).split(batch_size):
        batch = images[rows.to(labels.device)]
        predicted = predict_logits(network, batch, batch_size).argmax(1).cpu()
        for c, groups in enumerate(samples):
            is_class, is_predicted = codes[rows] == c, predicted == c
            for i, members in enumerate((is_class & is_predicted, ~is_class & ~is_predicted)):
                groups[i] = torch.cat([groups[i], rows[members]])[:max_samples]
        if all(len(group) == max_samples for groups in samples for group in groups):
            break
    return [[group.to(labels.device) for group in groups] for groups in samples]


@contextmanager
def _captum_stream(seed: int, *names: str | int) -> Iterator[None]:
    """Seed the global generators of torch and numpy. Restore them at the end.

    KernelShap draws from torch's generator, GradientShap from both. They are global to the process,
    so these methods are not repeatable in two threads at once.
    """
    state = np.random.get_state()  # noqa: NPY002 (Captum draws from numpy's global generator)
    np.random.seed(stream_seed(seed, *names, "numpy") % 2**32)  # noqa: NPY002
    try:
        with torch_stream(seed, *names):
            yield
    finally:
        np.random.set_state(state)  # noqa: NPY002


def _batch_size(shape: tuple[int, ...], most_images: int, most_pixels: int) -> int:
    return max(1, min(most_images, most_pixels // math.prod(shape)))


def _resolve_baseline(
    baseline: torch.Tensor | None, images: Any, shape: tuple[int, ...]
) -> torch.Tensor:
    if baseline is None:
        if not isinstance(images, torch.Tensor):
            message = (
                f"images come as {type(images).__name__}, whose mean is not known: give the "
                "training mean as `baseline`"
            )
            raise DeepMapperError(message)
        return images.mean(0, keepdim=True)
    if tuple(baseline.shape) not in (shape, (1, *shape)):
        message = f"baseline has shape {tuple(baseline.shape)}, expected {(1, *shape)}"
        raise DeepMapperError(message)
    return baseline.reshape(1, *shape)
