"""Layers that several networks share."""

import math

import torch
from torch import nn
from torch.nn import functional

MOST_POSITIONS_A_SIDE = 37  # 7x7 patches at 259 pixels a side


class Addition(nn.Module):
    """x + y of one shape, as a module to which attribution rules can be attached."""

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return x + y


class Dropout(nn.Dropout):
    """`nn.Dropout` that draws from its own `generator` on the input's device.

    A random byte per value decides, so the share dropped is p rounded to a 256th. On a CPU, drawing
    eight bytes at a time is several times faster than drawing a number for each value.

    Parameters
    ----------
    p : float, default=0.5
        Probability to drop a value.
    inplace : bool, default=False
        Used only if there is no generator.

    Attributes
    ----------
    generator : torch.Generator, default=None
        None draws from torch's global generator.
    """

    generator: torch.Generator | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Drop values in training mode, and divide the others by the share kept.

        Parameters
        ----------
        x : tensor of any shape

        Returns
        -------
        tensor of the same shape
        """
        if self.generator is None or not self.training or self.p == 0.0:
            return super().forward(x)
        n_dropped = min(round(256 * self.p), 255)
        return x * self.kept(x, n_dropped).to(x.dtype).mul_(256 / (256 - n_dropped))

    def kept(self, x: torch.Tensor, n_dropped: int) -> torch.Tensor:
        """Draw the values to keep.

        Parameters
        ----------
        x : tensor of any shape
        n_dropped : int
            A value is dropped with probability n_dropped / 256.

        Returns
        -------
        bool tensor of the same shape
        """
        words = torch.empty((x.numel() + 7) // 8, dtype=torch.int64, device=x.device)
        words.random_(-(2**63), None, generator=self.generator)  # all 64 bits
        return words.view(torch.uint8)[: x.numel()].view(x.shape) >= n_dropped


class PatchEmbedding(nn.Module):
    """(n, 1, h, w) -> (n, width, rows, columns): a linear map of its own per patch."""

    def __init__(self, image_shape: tuple[int, int], patch: int, width: int) -> None:
        super().__init__()
        height, breadth = image_shape
        self.patch = patch
        self.rows, self.columns = math.ceil(height / patch), math.ceil(breadth / patch)
        self.padding = (0, self.columns * patch - breadth, 0, self.rows * patch - height)
        bound = 1 / patch  # as nn.Linear over patch**2 inputs
        self.weight = nn.Parameter(
            torch.empty(self.rows * self.columns, patch * patch, width).uniform_(-bound, bound)
        )
        self.bias = nn.Parameter(torch.zeros(self.rows * self.columns, 1, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, s = x.shape[0], self.patch
        x = functional.pad(x, self.padding)[:, 0]
        x = x.reshape(n, self.rows, s, self.columns, s).permute(1, 3, 0, 2, 4)
        x = x.reshape(self.rows * self.columns, n, s * s)  # (patches, n, pixels)
        x = torch.baddbmm(self.bias, x, self.weight)  # (patches, n, width)
        return x.permute(1, 2, 0).reshape(n, -1, self.rows, self.columns)


def patch_side(image_shape: tuple[int, int]) -> int:
    """Pixels a side of a patch, so that there are at most about 37x37 positions.

    The dense layer has 2,048 weights per position, a patch 16 per pixel. With 7x7 patches for all
    images, 1,000,000 pixels would need 58 M weights instead of 19 M.

    >>> [patch_side((side, side)) for side in (28, 64, 256, 1000)]
    [4, 7, 7, 28]
    """
    longest = max(image_shape)
    return 4 if longest < 64 else max(7, math.ceil(longest / MOST_POSITIONS_A_SIDE))


def round_up(length: int, multiple: int) -> int:
    """The smallest multiple that is not below length.

    >>> round_up(139, 32), round_up(32, 32)
    (160, 32)
    """
    return math.ceil(length / multiple) * multiple


def pad_to(image_shape: tuple[int, int], padded_shape: tuple[int, int]) -> nn.ZeroPad2d:
    """(n, c, *image_shape) -> (n, c, *padded_shape): zeros below and to the right."""
    below = padded_shape[0] - image_shape[0]
    right = padded_shape[1] - image_shape[1]
    return nn.ZeroPad2d((0, right, 0, below))
