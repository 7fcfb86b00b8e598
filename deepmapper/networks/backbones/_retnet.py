"""A retentive network over the patches of an image, in rows from the top left.

Sun et al., "Retentive Network: A Successor to Transformer for Large Language Models", 2023
(arXiv 2307.08621): retention (section 2.1) is attention without softmax. Several decays, group norm
and swish gate as in 2.2, blocks as in 2.3. Values and the feed-forward network are twice as wide as
tokens (section 3.1).
"""

import math

import torch
from torch import nn

from deepmapper.networks.backbones._layers import Addition, Dropout, pad_to, round_up

MOST_PATCHES_A_SIDE = 10


class PatchTokens(nn.Module):
    """(n, 1, h, w) -> (n, tokens, width): a linear map of patches, plus position.

    The position is learned. The image is padded with zeros to whole square patches, at most 10 a
    side.
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
    """(n, tokens, width) -> the same: retention and two dense layers, with shortcuts."""

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

    The head reads every token with separate weights. With a mean over tokens, only the added
    positions would show where a pixel is. The last token alone has half forgotten the first.
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


class MultiScaleRetention(nn.Module):
    """(n, tokens, width) -> the same. A token sees itself and the tokens before it.

    `width`, of a token, is a multiple of 2 x heads. Each head forgets at its own rate, 1 - 2^-5 a
    token and slower. `value_width`, of all heads together, is a multiple of heads.

    Of the three divisions in section 2.2 "Retention score normalization", only 1 / sqrt(key width)
    is used. The others multiply the output of a head for a token by one number, which the group
    norm divides out again. They protect the half precision of sequences far longer than these.
    """

    decay: torch.Tensor  # (heads,), gamma of equation 8
    angle: torch.Tensor  # (key width / 2,), theta of equation 3, radians a token

    def __init__(self, width: int, heads: int, value_width: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, value_width, bias=False)
        self.gate = nn.Linear(width, value_width, bias=False)
        self.swish = nn.SiLU()
        self.norm = nn.GroupNorm(heads, value_width, affine=False)
        self.output = nn.Linear(value_width, width, bias=False)
        self.scale = 1 / math.sqrt(width // heads)
        n_pairs = width // heads // 2
        decay = 1 - 2.0 ** (-5 - torch.arange(heads, dtype=torch.float32))
        angle = 10_000.0 ** (-torch.arange(n_pairs, dtype=torch.float32) / n_pairs)
        self.register_buffer("decay", decay, persistent=False)
        self.register_buffer("angle", angle, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, tokens, width) -> the same, all tokens at once: equation 5."""
        positions = torch.arange(x.shape[1], device=x.device)
        query, key, value = self._project(x, positions)
        distance = positions[:, None] - positions  # (tokens, tokens): how long ago
        decay = self.decay[:, None, None] ** distance.clamp(min=0) * (distance >= 0)
        scores = query @ key.transpose(-1, -2) * decay  # (n, heads, tokens, tokens)
        return self._mix_heads(x, scores @ value)

    def _project(
        self, x: torch.Tensor, positions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Queries, keys and values, each (n, heads, tokens, its width / heads)."""
        query, key, value = (
            project(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for project in (self.query, self.key, self.value)
        )
        turn = positions[:, None] * self.angle  # (tokens, key width / 2)
        return rotate(query * self.scale, turn), rotate(key, turn), value

    def _mix_heads(self, x: torch.Tensor, retained: torch.Tensor) -> torch.Tensor:
        """Normalise each head, gate, and mix the heads: equation 8."""
        retained = retained.transpose(1, 2).flatten(2)  # (n, tokens, value width)
        normed = self.norm(retained.flatten(0, 1)).view_as(retained)
        return self.output(self.swish(self.gate(x)) * normed)


def rotate(x: torch.Tensor, turn: torch.Tensor) -> torch.Tensor:
    """Turn each pair of x, (..., tokens, 2 pairs), by an angle in radians.

    The angles are (tokens, pairs). The product of a query and a key turned by their positions
    depends only on the distance between the positions (equation 3, in real numbers).
    """
    first, second = x[..., 0::2], x[..., 1::2]
    cos, sin = turn.cos(), turn.sin()
    rotation = (first * cos - second * sin, first * sin + second * cos)
    return torch.stack(rotation, dim=-1).flatten(-2)
