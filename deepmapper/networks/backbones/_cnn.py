"""Convolutional networks.

`SmallCNN` is for images with meaningful neighbourhoods (MNIST, learned layouts): 3x3 convolutions
(Simonyan & Zisserman, ICLR 2015) with batch normalisation (Ioffe & Szegedy, ICML 2015) combine
neighbouring pixels. `PatchNet` is for any layout: its first layer reads patches with separate
weights at every position (a locally connected layer). Both end in a dense layer that reads every
position with separate weights. In a folded table the position of a pixel is its meaning, and an
average over positions would lose it.

`ResNet` is He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, with the weights
and shapes of torchvision's `resnet18` and `resnet34` (a test compares outputs). torchvision reuses
one in-place ReLU per block and adds in place, which Captum's DeepLift, GuidedBackprop and LRP
cannot follow. So every call has its own module here.
"""

import math

import torch
from torch import nn

from deepmapper.networks.backbones._layers import Addition, Dropout, PatchEmbedding, patch_side

MOST_AT_THE_STEM = 28  # pixels a side after the stem: a larger image costs little more than MNIST
MOST_AT_THE_END = 7  # pixels a side under the dense layer, which has most of the weights


class SmallCNN(nn.Module):
    """(n, 1, h, w) -> logits (n, n_classes).

    The widths were chosen on MNIST's training images: 15,000 to train, 10,000 held out (one seed).
    Two layers of 16 channels before the first pooling made 75 errors. One layer of 24 channels and
    wider later stages made 79 in 1.27 times the CPU time. Two layers of 24 made 69 in 1.7 times.

    The stem strides a side above 28 pixels to at most 28. `width` is the number of channels before
    the first pooling, doubled after each pooling. `hidden` is the number of units of the dense
    layer. `dropout` acts before and after it.
    """

    prefers_bfloat16 = True  # 1.5 times the images/s on a CPU that multiplies it in hardware

    def __init__(
        self,
        image_shape: tuple[int, int],
        n_classes: int,
        width: int = 16,
        hidden: int = 128,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        height, breadth = image_shape
        stride = (math.ceil(height / MOST_AT_THE_STEM), math.ceil(breadth / MOST_AT_THE_STEM))
        shape = (math.ceil(height / stride[0]), math.ceil(breadth / stride[1]))
        self.stem = _convolution(1, width, stride)
        self.conv1 = _convolution(width, width)
        self.pool1, shape = _pool(shape)
        self.conv2 = _convolution(width, 2 * width)
        self.conv3 = _convolution(2 * width, 2 * width)
        self.pool2, shape = _pool(shape)
        self.conv4 = _convolution(2 * width, 4 * width)
        self.dropout1 = Dropout(dropout)
        self.dense = nn.Linear(4 * width * shape[0] * shape[1], hidden, bias=False)
        self.norm = nn.BatchNorm1d(hidden)
        self.relu = nn.ReLU()
        self.dropout2 = Dropout(dropout)
        self.head = nn.Linear(hidden, n_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool1(self.conv1(self.stem(x)))  # (n, width, <= 14, <= 14)
        x = self.pool2(self.conv3(self.conv2(x)))  # (n, 2 width, <= 7, <= 7)
        x = self.dropout1(self.conv4(x).flatten(1))  # (n, 4 width x positions)
        return self.head(self.dropout2(self.relu(self.norm(self.dense(x)))))


class PatchNet(nn.Module):
    """(n, 1, h, w) -> logits (n, n_classes)."""

    def __init__(
        self,
        image_shape: tuple[int, int],
        n_classes: int,
        patch: int | None = None,
        width: int = 16,
        hidden: int = 128,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        self.embedding = PatchEmbedding(image_shape, patch or patch_side(image_shape), width)
        self.relu1 = nn.ReLU()
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.relu2 = nn.ReLU()
        self.dropout1 = Dropout(dropout)
        n_positions = self.embedding.rows * self.embedding.columns
        self.add = Addition()
        self.dense = nn.Linear(width * n_positions, hidden)
        self.norm = nn.BatchNorm1d(hidden)
        self.relu3 = nn.ReLU()
        self.dropout2 = Dropout(dropout)
        self.head = nn.Linear(hidden, n_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu1(self.embedding(x))  # (n, width, rows, columns)
        # In an arbitrary layout neighbours mean nothing. Without a shortcut past the convolution,
        # balanced accuracy on small expression tables fell from 0.91 to 0.72 (development seed).
        x = self.add(x, self.relu2(self.conv(x)))
        x = self.relu3(self.norm(self.dense(self.dropout1(x.flatten(1)))))
        return self.head(self.dropout2(x))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut: (n, c_in, h, w) -> (n, c_out, h/s, w/s)."""

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
        shortcut = x if self.downsample is None else self.downsample(x)
        out = self.relu1(self.bn1(self.conv1(x)))
        return self.relu2(self.add(self.bn2(self.conv2(out)), shortcut))


class ResNet(nn.Module):
    """(n, 1, h, w) or (n, 3, h, w) -> logits (n, n_classes).

    Parameters
    ----------
    n_classes : int
    channels : int, default=3
        Channels of the first layer. Grey images are repeated on all of them.
    small_stem : bool, default=False
        The first layer of the paper's section 4.2, for images of about 32 pixels a side: 3x3, no
        stride, no pooling. Every later map then has 16 times the pixels.
    depths : tuple of 4 int, default=(2, 2, 2, 2)
        Blocks of each stage: (2, 2, 2, 2) is ResNet-18, (3, 4, 6, 3) is ResNet-34.
    """

    def __init__(
        self,
        n_classes: int,
        channels: int = 3,
        *,
        small_stem: bool = False,
        depths: tuple[int, int, int, int] = (2, 2, 2, 2),
    ) -> None:
        super().__init__()
        self.channels = channels
        kernel, stride = (3, 1) if small_stem else (7, 2)
        self.conv1 = nn.Conv2d(channels, 64, kernel, stride, kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.maxpool = nn.Identity() if small_stem else nn.MaxPool2d(3, 2, 1)
        self.layer1 = _stage(64, 64, 1, depths[0])
        self.layer2 = _stage(64, 128, 2, depths[1])
        self.layer3 = _stage(128, 256, 2, depths[2])
        self.layer4 = _stage(256, 512, 2, depths[3])
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(512, n_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Compute the logits.

        Parameters
        ----------
        x : tensor of shape (n, 1 or channels, h, w)

        Returns
        -------
        tensor of shape (n, n_classes)
        """
        x = x.expand(-1, self.channels, -1, -1)
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))  # (n, 64, h/4, w/4); small: h, w
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))  # (n, 512, h/32, w/32); h/8, w/8
        return self.fc(self.avgpool(x).flatten(1))


def _stage(c_in: int, c_out: int, stride: int, depth: int) -> nn.Sequential:
    rest = (BasicBlock(c_out, c_out, 1) for _ in range(depth - 1))
    return nn.Sequential(BasicBlock(c_in, c_out, stride), *rest)


def _convolution(c_in: int, c_out: int, stride: tuple[int, int] = (1, 1)) -> nn.Sequential:
    """(n, c_in, h, w) -> (n, c_out, h / stride, w / stride), rounded up.

    The windows overlap.
    """
    kernel = (2 * stride[0] + 1, 2 * stride[1] + 1)
    return nn.Sequential(
        # No bias: the normalisation would subtract it again.
        nn.Conv2d(c_in, c_out, kernel, stride, padding=stride, bias=False),
        nn.BatchNorm2d(c_out),
        nn.ReLU(),
    )


def _pool(shape: tuple[int, int]) -> tuple[nn.MaxPool2d, tuple[int, int]]:
    """A pooling that halves sides above `MOST_AT_THE_END`, and the new shape."""
    steps = (1 + (shape[0] > MOST_AT_THE_END), 1 + (shape[1] > MOST_AT_THE_END))
    pooled = (math.ceil(shape[0] / steps[0]), math.ceil(shape[1] / steps[1]))
    return nn.MaxPool2d(steps, ceil_mode=True), pooled
