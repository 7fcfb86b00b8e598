"""What is explained: a class's logit less the mean of all, for softmax sees nothing else."""

import torch
from torch import nn


class Centring(nn.Module):
    """Logits (n, n_classes) less their mean over the classes; a module, so that LRP follows it."""

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        return logits - logits.mean(1, keepdim=True)


class Contrast(nn.Module):
    """A network's logits less their mean: softmax cannot see what all classes share."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.centring = Centring()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.centring(self.network(x))
