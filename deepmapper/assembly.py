"""A network put together: gate, order of pixels, backbone."""

from collections.abc import Callable

import torch
from torch import nn

from deepmapper.backbones import build_backbone
from deepmapper.gate import GatedNetwork, PixelGate

# A registered name, or build(shape, n_classes) -> module for inputs of shape (n, *shape).
Backbone = str | Callable[[tuple[int, ...], int], nn.Module]


class Reorder(nn.Module):
    """(n, 1, h, w) -> the same pixels in another order.

    Args:
        order: (h * w,), the pixel that each place shows.
    """

    order: torch.Tensor

    def __init__(self, order: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("order", order.clone())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)[:, self.order].view(x.shape)


def build_network(
    backbone: Backbone,
    shape: tuple[int, ...],
    n_classes: int,
    *,
    gate: PixelGate | None = None,
    order: torch.Tensor | None = None,
) -> nn.Module:
    """A fresh network for images of shape (1, h, w); weights from torch's global generator.

    Args:
        gate: what pixels go through first; None for a network without a gate.
        order: see `Reorder`; None leaves pixels where they are.
    """
    if callable(backbone):
        network = backbone(shape, n_classes)
    else:
        network = build_backbone(backbone, (shape[-2], shape[-1]), n_classes)
    if getattr(network, "prefers_bfloat16", False):
        network = network.to(memory_format=torch.channels_last)
    if order is not None:
        network = nn.Sequential(Reorder(order), network)
    return network if gate is None else GatedNetwork(gate, network)
