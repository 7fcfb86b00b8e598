"""Networks made of a gate and a backbone."""

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
    seed: int = 0,
) -> PixelGate | None:
    """Make a gate whose openings come from a screen of these images.

    The openings add up to `most_open` at most. The result is None if the screen is sure of nearly
    every pixel and the images are enough for all: a gate would only add noise (shuffled MNIST at
    full size, three seeds: 0.49% errors with it, 0.44% without). `images` is a tensor (n, 1, h, w)
    or an object that returns one for rows. `labels` are class codes (n,) on the images' device. See
    `networks.screen.screen` for the other parameters.
    """
    result = screen(
        images, labels, n_classes, interactions=interactions, candidates=candidates, seed=seed
    )
    openings = result.opening(most_open(len(labels))), result.opening()
    if result.is_dense and np.array_equal(*openings):
        return None
    opening, sureness = (torch.from_numpy(o).float().view(images.shape[1:]) for o in openings)
    return PixelGate(opening, doubt=1 - sureness)


def build_network(
    backbone: Backbone,
    shape: tuple[int, ...],
    n_classes: int,
    *,
    gate: PixelGate | None = None,
) -> nn.Module:
    """Make a network for images of shape (1, h, w), behind a gate if given.

    The weights are drawn from torch's global generator.
    """
    if callable(backbone):
        network = backbone(shape, n_classes)
    else:
        network = build_backbone(backbone, (shape[-2], shape[-1]), n_classes)
    if getattr(network, "prefers_bfloat16", False):
        network = network.to(memory_format=torch.channels_last)
    return network if gate is None else GatedNetwork(gate, network)
