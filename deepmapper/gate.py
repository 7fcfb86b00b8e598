"""A gate a pixel: because a pixel is a feature, a network can close those that say nothing."""

import torch
from torch import nn


class PixelGate(nn.Module):
    """(n, 1, h, w) -> the same, each pixel multiplied by its weight; `weight` is (1, h, w), >= 0."""

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.clone())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.weight


class GatedNetwork(nn.Module):
    """A backbone behind a gate: (n, 1, h, w) -> logits (n, n_classes)."""

    def __init__(self, gate: PixelGate, backbone: nn.Module) -> None:
        super().__init__()
        self.gate = gate
        self.backbone = backbone

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.backbone(self.gate(x))
