"""A transformer whose tokens are pieces of neighbouring features.

Vaswani et al., NeurIPS (2017), with PyTorch's `nn.TransformerEncoder`: a linear embedding of each
token, learned positions, normalisation before attention. It measures the sentences of Ersavas et
al. 2024 on transformers. The outputs of all tokens go to the classes: with their mean, accuracy on
a development table (seed 101) was 0.49 instead of 0.94. Number of tokens, rate, dropout and epochs
were chosen there.
Limits: the order of columns has no meaning in most tables. At most 16 tokens, each with 1/16 of the
features. 56,537 genes of 364 samples took 17 s of processor time.
"""

from dataclasses import dataclass

import torch
from sklearn.pipeline import Pipeline
from torch import nn

from baselines import _tokens
from baselines._tokens import Tokens, build_with
from deepmapper.networks.backbones import Dropout


@dataclass(frozen=True)
class Params(_tokens.Params):
    """Settings of the transformer.

    Attributes
    ----------
    heads : int
        Number of heads of the attention. It divides `width`.
    """

    heads: int = 4
    layers: int = 2
    learning_rate: float = 1e-3


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: scale, then train."""
    return build_with(_Build(params), params, device=device, seed=seed)


@dataclass(frozen=True)
class _Build:
    params: Params

    def __call__(self, shape: tuple[int, ...], n_classes: int) -> nn.Module:
        """Return the network (n, p) -> logits (n, n_classes)."""
        return TransformerNet(shape[0], n_classes, self.params)


class TransformerNet(nn.Module):
    """(n, p) -> logits (n, n_classes)."""

    def __init__(self, n_features: int, n_classes: int, params: Params) -> None:
        super().__init__()
        self.tokens = Tokens(n_features, params.tokens)
        self.embedding = nn.Linear(self.tokens.token_length, params.width)
        self.positions = nn.Parameter(0.02 * torch.randn(self.tokens.n_tokens, params.width))
        layer = nn.TransformerEncoderLayer(
            params.width,
            params.heads,
            dim_feedforward=2 * params.width,
            dropout=params.dropout,
            batch_first=True,
            norm_first=True,
        )
        norm = nn.LayerNorm(params.width)
        self.encoder = nn.TransformerEncoder(layer, params.layers, norm, enable_nested_tensor=False)
        self.dropout = Dropout(params.dropout)
        self.head = nn.Linear(params.width * self.tokens.n_tokens, n_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.encoder(self.embedding(self.tokens(x)) + self.positions)  # (n, tokens, width)
        return self.head(self.dropout(x.flatten(1)))
