"""ResNet-18, written so that attribution can hook every step.

He et al., "Deep Residual Learning for Image Recognition", CVPR 2016; the same weights and shapes
as torchvision's `resnet18` (a test copies them over and compares outputs). torchvision reuses one
in-place ReLU a block and adds in place, which Captum's DeepLift, GuidedBackprop and LRP cannot
follow: here every call has its own module.
"""

from collections import OrderedDict

import torch
from torch import nn

from deepmapper.networks.backbones._addition import Addition


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a way around them: (n, c_in, h, w) -> (n, c_out, h/s, w/s)."""

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.add = Addition()
        self.relu2 = nn.ReLU()
        self.downsample: nn.Module | None = None
        if stride != 1 or c_in != c_out:
            self.downsample = nn.Sequential(
                nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        way_around = x if self.downsample is None else self.downsample(x)
        out = self.relu1(self.bn1(self.conv1(x)))
        return self.relu2(self.add(self.bn2(self.conv2(out)), way_around))


class ResNet18(nn.Module):
    """(n, 1, h, w) or (n, 3, h, w) -> logits (n, n_classes); grey is repeated on `channels`.

    Args:
        small_stem: the first layer of the paper's section 4.2, for images of about 32 pixels a
            side: 3x3, no stride, no pooling. Every later map has 16 times as many pixels.
    """

    def __init__(self, n_classes: int, channels: int, small_stem: bool = False) -> None:
        super().__init__()
        self.channels = channels
        kernel, stride = (3, 1) if small_stem else (7, 2)
        self.conv1 = nn.Conv2d(channels, 64, kernel, stride, kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.maxpool = nn.Identity() if small_stem else nn.MaxPool2d(3, 2, 1)
        self.layer1 = _stage(64, 64, 1)
        self.layer2 = _stage(64, 128, 2)
        self.layer3 = _stage(128, 256, 2)
        self.layer4 = _stage(256, 512, 2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(512, n_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.expand(-1, self.channels, -1, -1)
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))  # (n, 64, h/4, w/4); small: h, w
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))  # (n, 512, h/32, w/32); h/8, w/8
        return self.fc(self.avgpool(x).flatten(1))


def resnet18(n_classes: int, channels: int = 3, *, small_stem: bool = False) -> ResNet18:
    """A ResNet-18 from scratch."""
    return ResNet18(n_classes, channels, small_stem)


def _stage(c_in: int, c_out: int, stride: int) -> nn.Sequential:
    blocks = [BasicBlock(c_in, c_out, stride), BasicBlock(c_out, c_out, 1)]
    return nn.Sequential(OrderedDict((str(i), block) for i, block in enumerate(blocks)))
