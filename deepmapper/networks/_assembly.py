"""Networks made of a gate and a backbone."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from deepmapper.networks.backbones import build_backbone
from deepmapper.networks.gate import GatedNetwork, PixelGate
from deepmapper.networks.screen import most_open, screen

# A registered name, or build(shape, n_classes) -> module for inputs of shape (n, *shape).
Backbone = str | Callable[[tuple[int, ...], int], nn.Module]


def screened_gate(
    images: Any,
    labels: torch.Tensor,
    n_classes: int,
    *,
    interactions: bool | str = "auto",
    candidates: np.ndarray | None = None,
    most_pixels: int | None = None,
    seed: int = 0,
) -> PixelGate | None:
    """Make a gate whose openings come from a screen of these images.

    The openings add up to `most_open` at most. The result is None if the screen is sure of nearly
    every pixel and the images are enough for all: a gate would only add noise (shuffled MNIST at
    full size, three seeds: 0.49% errors with it, 0.44% without). `images` is a tensor (n, 1, h, w)
    or an object that returns one for rows. `labels` are class codes (n,) on the images' device. See
    `networks.screen.screen` for the other parameters.

    If the images have more than twice `most_pixels` pixels, a square number, only that many are
    read: those with the largest openings, in their order.
    """
    result = screen(
        images, labels, n_classes, interactions=interactions, candidates=candidates, seed=seed
    )
    openings = result.opening(most_open(len(labels))), result.opening()
    if result.is_dense and np.array_equal(*openings):
        return None
    opening, sureness = (torch.from_numpy(o).float() for o in openings)
    if most_pixels is None or len(opening) <= 2 * most_pixels:
        return PixelGate(opening.view(images.shape[1:]), doubt=1 - sureness.view(images.shape[1:]))
    strongest = np.lexsort((-result.strength, -openings[0]))[:most_pixels]
    pixels = torch.from_numpy(np.sort(strongest))
    shape = 1, math.isqrt(most_pixels), math.isqrt(most_pixels)
    return PixelGate(opening[pixels].view(shape), 1 - sureness[pixels].view(shape), pixels)


def build_network(
    backbone: Backbone,
    shape: tuple[int, ...],
    n_classes: int,
    *,
    gate: PixelGate | None = None,
) -> nn.Module:
    """Make a network for images of shape (1, h, w), behind a gate if given.

    A gate that reads a part of the pixels decides the shape of the images behind it.

    The weights are drawn from torch's global generator.
    """
    if gate is not None:
        shape = tuple(gate.weight.shape)
    if callable(backbone):
        network = backbone(shape, n_classes)
    else:
        network = build_backbone(backbone, (shape[-2], shape[-1]), n_classes)
    if getattr(network, "prefers_bfloat16", False):
        network = network.to(memory_format=torch.channels_last)
    return network if gate is None else GatedNetwork(gate, network)
