"""A dense network on all pixels, without a convolution.

The layout cannot matter to it: it reads an image as a vector. Beside the other backbones it shows
the share of an accuracy that needs an image. The layers are those of Rumelhart, Hinton & Williams
(Nature 323, 1986), with batch normalisation and dropout as in `PatchNet`.
"""

import math

import torch
from torch import nn

from deepmapper.networks.backbones._layers import Dropout


class FlatNet(nn.Module):
    """(n, 1, h, w) -> logits (n, n_classes).

    `width` and `hidden` are the numbers of units of the two hidden layers. The first has `width`
    weights a pixel. `PatchNet` has the same second layer, head and dropout.
    """

    def __init__(
        self,
        image_shape: tuple[int, int],
        n_classes: int,
        width: int = 256,
        hidden: int = 128,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        self.embedding = nn.Linear(math.prod(image_shape), width, bias=False)
        self.norm1 = nn.BatchNorm1d(width)
        self.relu1 = nn.ReLU()
        self.dropout1 = Dropout(dropout)
        self.dense = nn.Linear(width, hidden, bias=False)
        self.norm2 = nn.BatchNorm1d(hidden)
        self.relu2 = nn.ReLU()
        self.dropout2 = Dropout(dropout)
        self.head = nn.Linear(hidden, n_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.dropout1(self.relu1(self.norm1(self.embedding(x.flatten(1)))))  # (n, width)
        return self.head(self.dropout2(self.relu2(self.norm2(self.dense(x)))))
