"""An LSTM that reads the features as a sequence, a piece of neighbours at each step.

Hochreiter & Schmidhuber, Neural Computation 9 (1997), with PyTorch's `nn.LSTM` in both directions
(Schuster & Paliwal, IEEE Trans Signal Process 45, 1997). It measures the sentences of Ersavas et
al. 2024 on LSTMs. The states of all steps go to the output: with the last state alone, accuracy on
a development table (seed 101) was 0.52 instead of 0.87. Number of tokens, rate and epochs were
chosen there.
Limits: the order of columns has no meaning in most tables. At most 16 steps, each with 1/16 of the
features. 56,537 genes of 364 samples took 60 s of processor time.
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
    """Settings of the LSTM."""


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: scale, then train."""
    return build_with(_Build(params), params, device=device, seed=seed)


@dataclass(frozen=True)
class _Build:
    params: Params

    def __call__(self, shape: tuple[int, ...], n_classes: int) -> nn.Module:
        """Return the network (n, p) -> logits (n, n_classes)."""
        return LSTMNet(shape[0], n_classes, self.params)


class LSTMNet(nn.Module):
    """(n, p) -> logits (n, n_classes)."""

    def __init__(self, n_features: int, n_classes: int, params: Params) -> None:
        super().__init__()
        self.tokens = Tokens(n_features, params.tokens)
        self.lstm = nn.LSTM(
            self.tokens.token_length,
            params.width,
            params.layers,
            batch_first=True,
            dropout=params.dropout if params.layers > 1 else 0.0,
            bidirectional=True,
        )
        self.dropout = Dropout(params.dropout)
        self.head = nn.Linear(2 * params.width * self.tokens.n_tokens, n_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # cuDNN has no gradient through an LSTM in evaluation mode, which attribution needs.
        with torch.backends.cudnn.flags(enabled=self.training):
            states, _ = self.lstm(self.tokens(x))  # (n, tokens, 2 * width)
        return self.head(self.dropout(states.flatten(1)))
