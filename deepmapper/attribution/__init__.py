"""Which pixels a network uses, by Captum, over true positives and true negatives.

Paper: Methods 8c and Fig. 2 ("Attribution is applied to true positives and true negatives").
One line in `EXPLAINERS` is one method; `why_not` says why a method cannot explain a network.
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
    """The mean attribution of every class, shape (n_classes, *images.shape[1:]).

    For class c: true positives are the images of c predicted as c, true negatives the images of
    other classes predicted as other classes. The result is the mean of the two groups' means (so
    that the many negatives of a table of many classes do not drown the positives), of absolute
    values unless `signed`. A class without either gets zeros. What is explained is class c's
    contrast: its logit less the mean of all. So a signed value is positive if a pixel speaks for c
    and negative if it speaks against c, in either group.

    The network's mode, gradients and hooks are restored.

    Args:
        images: (n, ...) on the network's device; or any object with `len`, `shape` and
            `images[rows]` -> tensor for a tensor of rows (then `baseline` must be given).
        labels: class codes (n,), on the network's device.
        method: a name in `EXPLAINERS`.
        max_samples: maximum number of images per group, the first ones; more cost more and change
            little.
        baseline: the image that stands for "no information", (1, *images.shape[1:]) or without the
            1; default: the mean of `images`. Never zero: in a table that is not centred zero is a
            value like any other.
        seed: of the methods that draw (gradient_shap, kernel_shap); each class has its own stream.
        settings: of the methods; default: `Settings()`.

    Raises:
        DeepMapperError: no attribution method has that name, the method cannot explain the network
            (`why_not` says why), or it would cost too much (the message says what would not).
    """
    settings = settings or Settings()
    shape = tuple(images.shape[1:])
    reason = why_not(method, network, shape)
    if reason is not None:
        message = f"cannot attribute by {method}: {reason}"
        raise DeepMapperError(message)
    baseline = _checked_baseline(baseline, images, shape).to(labels.device)
    batch_size = _batch_size(shape, 128, 2**20)
    with evaluated(explained := contrast(network)):
        samples = _samples(network, images, labels, n_classes, max_samples)
        check_cost(method, shape, settings, sum(len(rows) for groups in samples for rows in groups))
        maps = torch.zeros((n_classes, *shape), device=labels.device)
        for c, groups in enumerate(samples):
            means = []
            with _captum_stream(seed, "attribution", method, c):
                for rows in groups:
                    parts = []  # sums over batches: only one batch is in memory
                    for part in rows.split(batch_size) if len(rows) else ():
                        batch = Batch(explained, images[part], c, baseline, settings)
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
    """Why a method cannot explain a network; None if it can.

    Args:
        image_shape: of one input, (1, h, w). If it is given, a blank image is run and each step of
            the forward pass is checked; without it only the network's modules are.

    Raises:
        DeepMapperError: no attribution method has that name.
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
    """For each class its first `max_samples` true positives and true negatives, as rows.

    Images are predicted in order, and only until all groups are full.
    """
    codes = labels.cpu()
    batch_size = _batch_size(tuple(images.shape[1:]), 256, 2**24)
    samples = [2 * [torch.empty(0, dtype=torch.int64)] for _ in range(n_classes)]
    for rows in torch.arange(len(codes)).split(batch_size):
        batch = images[rows.to(labels.device)]
        predicted = predict_logits(network, batch, batch_size).argmax(1).cpu()
        for c, groups in enumerate(samples):
            belongs, taken = codes[rows] == c, predicted == c
            for i, members in enumerate((belongs & taken, ~belongs & ~taken)):
                groups[i] = torch.cat([groups[i], rows[members]])[:max_samples]
        if all(len(group) == max_samples for groups in samples for group in groups):
            break
    return [[group.to(labels.device) for group in groups] for groups in samples]


@contextmanager
def _captum_stream(seed: int, *names: str | int) -> Iterator[None]:
    """Inside, the global generators of torch and numpy are the stream's; then they are restored.

    KernelShap draws from torch's, GradientShap from both. They are global to the process: these
    methods are not repeatable in two threads at once.
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


def _checked_baseline(
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
