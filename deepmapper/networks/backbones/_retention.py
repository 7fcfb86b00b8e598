"""Multi-scale retention: attention without softmax, all tokens in parallel.

Sun et al., "Retentive Network: A Successor to Transformer for Large Language Models", 2023
(arXiv 2307.08621), section 2.1 (retention) and 2.2 (several decays, group norm, swish gate).
"""

import math

import torch
from torch import nn


class MultiScaleRetention(nn.Module):
    """(n, tokens, width) -> the same; a token sees itself and the tokens before it.

    Left out: the three divisions of section 2.2 "Retention score normalization" but for
    1 / sqrt(key width). They scale all that a head says of a token by one number, which the group
    norm divides out again; they guard the half precision of sequences far longer than ours.

    Args:
        width: of a token, a multiple of 2 x heads.
        heads: each forgets at its own rate, 1 - 2^-5 a token and slower.
        value_width: of all heads together, a multiple of heads.
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
        return self._leave(x, scores @ value)

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

    def _leave(self, x: torch.Tensor, retained: torch.Tensor) -> torch.Tensor:
        """Normalise each head, gate, and mix the heads: equation 8."""
        retained = retained.transpose(1, 2).flatten(2)  # (n, tokens, value width)
        normed = self.norm(retained.flatten(0, 1)).view_as(retained)
        return self.output(self.swish(self.gate(x)) * normed)


def rotate(x: torch.Tensor, turn: torch.Tensor) -> torch.Tensor:
    """Turn each pair of x (..., tokens, 2 pairs) by the angles (tokens, pairs), in radians.

    The product of a query and a key that were turned by their positions depends on the distance
    between the positions alone (equation 3, in real numbers).
    """
    first, second = x[..., 0::2], x[..., 1::2]
    cos, sin = turn.cos(), turn.sin()
    turned = (first * cos - second * sin, first * sin + second * cos)
    return torch.stack(turned, dim=-1).flatten(-2)
