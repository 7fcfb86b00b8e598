"""From a network and labelled images to one map a class."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from deepmapper.attribution._contrast import Contrast
from deepmapper.attribution._draws import captum_stream
from deepmapper.attribution._explainers import EXPLAINERS
from deepmapper.attribution._perturbations import check_cost
from deepmapper.attribution._question import Question
from deepmapper.attribution._refusals import why_not
from deepmapper.attribution._samples import choose
from deepmapper.attribution._settings import Settings
from deepmapper.attribution._state import evaluated
from deepmapper.errors import DeepMapperError


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

    For class c: true positives are the images of c taken for c, true negatives the images of other
    classes not taken for c; the result is the mean of the two groups' means (so that the many
    negatives of a table of many classes do not drown the positives), of absolute values unless
    `signed`. A class without either gets zeros. What is explained is class c's contrast: its logit
    less the mean of all. So a signed value says for either group what speaks for c (positive) or
    against it (negative); where a feature points to c when high and away from c when low, methods
    that multiply by the pixel give a positive value in true positives and a negative one in true
    negatives, which cancel: give one group at a time to see both.

    The network is left as it was: its mode, its gradients, its hooks.

    Args:
        images: (n, ...) on the network's device; or any object with `len`, `shape` and
            `images[rows]` -> tensor for a tensor of rows (then `baseline` must be given).
        labels: class codes (n,), on the network's device.
        method: a name in `EXPLAINERS`.
        max_samples: at most so many images a group, the first ones; the rest adds cost, not news.
        baseline: the training mean, (1, *images.shape[1:]) or without the 1, which stands for "no
            information"; None takes the mean of `images`. Never zero: on a table that is not
            centred zero is a value like any other.
        groups: names in `deepmapper.attribution.GROUPS`.
        classes: only these class codes, one map each in their order; None: all.
        seed: of the methods that draw (gradient_shap, kernel_shap); each class has its own stream.
        settings: what the methods can be told; None: the defaults of `Settings`.

    Raises:
        DeepMapperError: no attribution method has that name, the method cannot explain the network
            (`why_not` says why), or it would cost too much (the message says what would not).
    """
    settings = settings or Settings()
    shape = tuple(images.shape[1:])
    contrast = Contrast(network)
    reason = why_not(method, network, shape)
    if reason is not None:
        message = f"cannot attribute by {method}: {reason}"
        raise DeepMapperError(message)
    chosen_classes = _checked_classes(classes, n_classes)
    baseline = _checked_baseline(baseline, images, shape).to(labels.device)
    batch_size = _batch_size(shape, 128, 2**20)
    with evaluated(contrast):
        chosen = choose(
            network,
            images,
            labels,
            classes=chosen_classes,
            groups=groups,
            max_samples=max_samples,
            batch_size=_batch_size(shape, 256, 2**24),
        )
        check_cost(method, shape, settings, sum(map(len, chosen.values())))
        maps = torch.zeros((len(chosen_classes), *shape), device=labels.device)
        for i, c in enumerate(chosen_classes):

            def explain(
                rows: torch.Tensor, c: int = c, baseline: torch.Tensor = baseline
            ) -> torch.Tensor:
                asked = Question(contrast, images[rows], c, baseline, settings)
                values = EXPLAINERS[method](asked).detach()
                return values if signed else values.abs()

            present = [chosen[c, group] for group in groups if len(chosen[c, group])]
            with captum_stream(seed, "attribution", method, c):
                means = [_mean_over(rows.split(batch_size), explain) for rows in present]
            if means:
                maps[i] = torch.stack(means).mean(0)
    return maps


def _mean_over(
    parts: Sequence[torch.Tensor], explain: Callable[[torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    """The mean of what `explain` says of rows that come in parts; one part at a time in memory."""
    total = torch.stack([explain(rows).sum(0) for rows in parts]).sum(0)
    return total / sum(map(len, parts))


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
