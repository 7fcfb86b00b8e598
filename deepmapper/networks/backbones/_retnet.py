"""A retentive network over the patches of an image, in rows from the top left.

Sun et al. 2023 (arXiv 2307.08621), section 2.3; the widths of values (2 x) and of the feed-forward
network (2 x) as in section 3.1. Retention lives in `deepmapper.networks.backbones._retention`.
"""

import math

import torch
from torch import nn

from deepmapper.networks.backbones._addition import Addition
from deepmapper.networks.backbones._dropout import Dropout
from deepmapper.networks.backbones._padding import pad_to, round_up
from deepmapper.networks.backbones._retention import MultiScaleRetention

MOST_PATCHES_A_SIDE = 10


class PatchTokens(nn.Module):
    """(n, 1, h, w) -> (n, tokens, width): one linear map for all patches, and a learned position.

    The image is padded with zeros to whole patches; they are square, at most 10 a side.
    """

    def __init__(self, image_shape: tuple[int, int], width: int) -> None:
        super().__init__()
        self.patch = math.ceil(max(image_shape) / MOST_PATCHES_A_SIDE)
        height, breadth = (round_up(side, self.patch) for side in image_shape)
        self.rows, self.columns = height // self.patch, breadth // self.patch
        self.pad = pad_to(image_shape, (height, breadth))
        self.project = nn.Linear(self.patch**2, width)
        self.position = nn.Parameter(0.02 * torch.randn(self.rows * self.columns, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, s = x.shape[0], self.patch
        x = self.pad(x).reshape(n, self.rows, s, self.columns, s).transpose(2, 3)
        return self.project(x.reshape(n, -1, s * s)) + self.position


class RetentionBlock(nn.Module):
    """(n, tokens, width) -> the same: retention, then two dense layers, each with a way around."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.retention = MultiScaleRetention(width, heads, value_width=2 * width)
        self.add1 = Addition()
        self.norm2 = nn.LayerNorm(width)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.add2 = Addition()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.add1(x, self.retention(self.norm1(x)))
        return self.add2(x, self.feed_forward(self.norm2(x)))


class RetNet(nn.Module):
    """(n, 1, h, w) -> logits (n, n_classes).

    The head reads every token with weights of its own. A mean over tokens would leave a pixel's
    place to the added positions alone, and the last token alone has half forgotten the first.
    """

    def __init__(
        self,
        image_shape: tuple[int, int],
        n_classes: int,
        width: int = 64,
        heads: int = 4,
        n_blocks: int = 3,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.tokens = PatchTokens(image_shape, width)
        self.blocks = nn.Sequential(*(RetentionBlock(width, heads) for _ in range(n_blocks)))
        self.norm = nn.LayerNorm(width)
        self.dropout = Dropout(dropout)
        self.head = nn.Linear(self.tokens.rows * self.tokens.columns * width, n_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.blocks(self.tokens(x)))  # (n, tokens, width)
        return self.head(self.dropout(x.flatten(1)))
