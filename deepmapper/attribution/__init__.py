"""Which pixels a network uses, by Captum, over true positives and true negatives.

Paper: Methods 8c and Fig. 2 ("Attribution is applied to true positives and true negatives").
One line in `EXPLAINERS` is one method; `why_not` says why a method cannot explain a network.
"""

import math
from collections.abc import Callable, Iterator, Sequence
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
    "GROUPS",
    "Settings",
    "attribute",
    "evaluated",
    "forward_steps",
    "grid",
    "occlusion_window",
    "spatial_step",
    "why_not",
]

# (is of the class, is predicted as the class) -> whether an image is in the group
GROUPS: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "true_positives": lambda belongs, taken: belongs & taken,
    "true_negatives": lambda belongs, taken: ~belongs & ~taken,
    "false_positives": lambda belongs, taken: ~belongs & taken,
    "false_negatives": lambda belongs, taken: belongs & ~taken,
}


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
    groups: Sequence[str] = ("true_positives", "true_negatives"),
    classes: Sequence[int] | None = None,
    seed: int = 0,
    settings: Settings | None = None,
) -> torch.Tensor:
    """The mean attribution of every class, shape (n_classes, *images.shape[1:]).

    For class c: true positives are the images of c predicted as c, true negatives the images of
    other classes predicted as other classes. The result is the mean of the two groups' means (so
    that the many negatives of a table of many classes do not drown the positives), of absolute
    values unless `signed`. A class without either gets zeros. What is explained is class c's
    contrast: its logit less the mean of all. So a signed value is positive if a pixel speaks for c
    and negative if it speaks against c, in either group. If a feature points to c when high and
    away from c when low, methods that multiply by the pixel give a positive value in true positives
    and a negative one in true negatives, which cancel: choose one group at a time to see both.

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
        groups: names in `deepmapper.attribution.GROUPS`.
        classes: class codes to explain, one map each in their order; default: all.
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
    chosen_classes = _checked_classes(classes, n_classes)
    baseline = _checked_baseline(baseline, images, shape).to(labels.device)
    batch_size = _batch_size(shape, 128, 2**20)
    with evaluated(explained := contrast(network)):
        samples = _samples(network, images, labels, chosen_classes, groups, max_samples)
        check_cost(method, shape, settings, sum(map(len, samples.values())))
        maps = torch.zeros((len(chosen_classes), *shape), device=labels.device)
        for i, c in enumerate(chosen_classes):
            means = []
            with _captum_stream(seed, "attribution", method, c):
                for rows in (samples[c, group] for group in groups):
                    parts = []  # sums over batches: only one batch is in memory
                    for part in rows.split(batch_size) if len(rows) else ():
                        batch = Batch(explained, images[part], c, baseline, settings)
                        values = EXPLAINERS[method](batch).detach()
                        parts.append((values if signed else values.abs()).sum(0))
                    if parts:
                        means.append(torch.stack(parts).sum(0) / len(rows))
            if means:
                maps[i] = torch.stack(means).mean(0)
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
    network: nn.Module,
    images: Any,
    labels: torch.Tensor,
    classes: Sequence[int],
    groups: Sequence[str],
    max_samples: int,
) -> dict[tuple[int, str], torch.Tensor]:
    """(class, group) -> the first `max_samples` rows of the group, on the labels' device.

    Images are predicted in order, and only until all groups are full.
    """
    unknown = sorted(set(groups) - set(GROUPS))
    if unknown or not groups:
        message = f"unknown groups {unknown}; known: {', '.join(GROUPS)}; at least one is needed"
        raise DeepMapperError(message)
    codes = labels.cpu()
    batch_size = _batch_size(tuple(images.shape[1:]), 256, 2**24)
    samples = {(c, group): torch.empty(0, dtype=torch.int64) for c in classes for group in groups}
    for rows in torch.arange(len(codes)).split(batch_size):
        batch = images[rows.to(labels.device)]
        predicted = predict_logits(network, batch, batch_size).argmax(1).cpu()
        for c, group in samples:
            members = GROUPS[group](codes[rows] == c, predicted == c)
            samples[c, group] = torch.cat([samples[c, group], rows[members]])[:max_samples]
        if all(len(chosen) == max_samples for chosen in samples.values()):
            break
    return {key: chosen.to(labels.device) for key, chosen in samples.items()}


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


def _checked_classes(classes: Sequence[int] | None, n_classes: int) -> list[int]:
    chosen = list(range(n_classes) if classes is None else classes)
    if any(not 0 <= c < n_classes for c in chosen):
        message = f"classes are codes from 0 to {n_classes - 1}, got {chosen}"
        raise DeepMapperError(message)
    return chosen


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
