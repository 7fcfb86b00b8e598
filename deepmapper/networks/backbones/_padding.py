"""Zero padding to the sides that a network demands: one feature stays one pixel."""

import math

from torch import nn


def round_up(length: int, multiple: int) -> int:
    """The smallest multiple that is not below length.

    >>> round_up(139, 32), round_up(32, 32)
    (160, 32)
    """
    return math.ceil(length / multiple) * multiple


def pad_to(image_shape: tuple[int, int], padded_shape: tuple[int, int]) -> nn.ZeroPad2d:
    """A module: (n, c, *image_shape) -> (n, c, *padded_shape), zeros below and to the right."""
    below = padded_shape[0] - image_shape[0]
    right = padded_shape[1] - image_shape[1]
    return nn.ZeroPad2d((0, right, 0, below))
