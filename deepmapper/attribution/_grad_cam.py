"""Grad-CAM (Selvaraju et al. 2017) without its last ReLU, so that evidence against a class shows.

It weighs the channels of a map of detectors by their mean gradient: it can name a cell of that map,
never a pixel, and it takes a channel to mean the same everywhere. In `patch` the map holds features
of position-specific weights too, so there it is a rough view.
"""

import math

import torch
from torch import nn
from torch.nn import functional
from torch.nn.modules import padding

from deepmapper.attribution._question import Question
from deepmapper.attribution._state import evaluated
from deepmapper.attribution._steps import Step, forward_steps, is_affine
from deepmapper.errors import DeepMapperError
from deepmapper.networks.backbones._patch import PatchEmbedding

# What makes maps; later modules of any kind may make tensors of four axes that are none.
MAPPING = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d, PatchEmbedding)


def spatial_step(steps: list[Step]) -> Step | None:
    """The last map of detectors: a module's output (1, channels, rows, columns) with cells.

    It is what comes of the last convolution (or pooling) that has more than one cell, followed
    through the modules that keep its shape. It comes after a nonlinearity: a linear cut of the
    image into patches (a vision transformer's first convolution) has channels, but none of them
    detects anything yet.
    """
    found, is_nonlinear = None, False
    shape: tuple[int, ...] = ()
    for step in steps:
        if step.module is None:
            continue
        is_nonlinear = is_nonlinear or not is_affine(step.module)
        if (
            isinstance(step.module, MAPPING)
            and len(step.shape) == 4
            and math.prod(step.shape[2:]) > 1
        ):
            shape = step.shape
        if shape and is_nonlinear and step.shape == shape:
            found = step
    return found


def grad_cam_cell(network: nn.Module, image_shape: tuple[int, ...]) -> tuple[int, int]:
    """Height and width in pixels of what Grad-CAM can tell apart, rounded up.

    Args:
        image_shape: (h, w) or (channels, h, w).

    Raises:
        DeepMapperError: Grad-CAM cannot explain the network.

    >>> from deepmapper.networks.backbones import build_backbone
    >>> grad_cam_cell(build_backbone("resnet18", (139, 139), 2), (139, 139))
    (28, 28)
    """
    shape = (1, *image_shape) if len(image_shape) == 2 else tuple(image_shape)
    with evaluated(network):
        steps = forward_steps(network, shape)
    step = _needed(steps, shape)
    height, width = _covered(steps, shape)
    return math.ceil(height / step.shape[2]), math.ceil(width / step.shape[3])


def grad_cam(asked: Question) -> torch.Tensor:
    """Maps (n, ..., h, w): each pixel has the value of its cell (nearest neighbour)."""
    from captum.attr import LayerGradCam

    shape = asked.shape
    steps = forward_steps(asked.network, shape)
    layer = _needed(steps, shape).module
    cells = LayerGradCam(asked.network, layer).attribute(
        asked.images_with_gradients(), asked.target
    )
    pixels = functional.interpolate(cells, _covered(steps, shape), mode="nearest-exact")
    return pixels[..., : shape[-2], : shape[-1]].expand(asked.images.shape)


def _covered(steps: list[Step], shape: tuple[int, ...]) -> tuple[int, int]:
    """Height and width that the map's cells cover: a padded image reaches past its border."""
    covered = (shape[-2], shape[-1])
    for step in steps:
        if isinstance(step.module, PatchEmbedding):  # it pads by itself
            return step.module.rows * step.module.patch, step.module.columns * step.module.patch
        if isinstance(step.module, padding._ConstantPadNd) and step.shape[1] == shape[0]:
            covered = (step.shape[-2], step.shape[-1])
        if isinstance(step.module, nn.Conv2d):
            break
    return covered


def _needed(steps: list[Step], shape: tuple[int, ...]) -> Step:
    step = spatial_step(steps)
    if step is None:
        message = f"grad_cam found no map of detectors with cells for images of shape {shape}"
        raise DeepMapperError(message)
    return step
