"""Dropout that draws from a generator of its own, so that passes side by side stay repeatable."""

import torch
from torch import nn


class Dropout(nn.Dropout):
    """As `nn.Dropout`; draws from `generator` where one was given (on the input's device)."""

    generator: torch.Generator | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.generator is None or not self.training or self.p == 0.0:
            return super().forward(x)
        keep = torch.empty_like(x).bernoulli_(1 - self.p, generator=self.generator)
        return x * keep / (1 - self.p)
