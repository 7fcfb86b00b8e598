"""Random movements of images whose neighbouring pixels belong together."""

import math

import torch
from torch.nn import functional

LARGEST_TURN = math.radians(15)
LARGEST_SHIFT = 0.08  # of the side: two pixels of MNIST
LARGEST_STRETCH = 0.15  # of each axis, and shear


def move(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Turn, stretch, shear and shift each image at random.

    Parameters
    ----------
    images : tensor of shape (n, 1, height, width)
        All pixels have the same unit. Pixels from outside are those of the nearest border.
    generator : torch.Generator
        Of the CPU, so that the movements are the same on every device.

    Returns
    -------
    tensor of shape (n, 1, height, width)
    """
    turn, shear, *others = torch.rand(6, len(images), generator=generator).mul_(2).sub_(1)
    stretch, shift = 1 + LARGEST_STRETCH * torch.stack(others[:2]), 2 * LARGEST_SHIFT
    sine, cosine = (LARGEST_TURN * turn).sin(), (LARGEST_TURN * turn).cos()
    shear = LARGEST_STRETCH * shear
    aspect = images.shape[-2] / images.shape[-1]  # both sides of `places` run from -1 to 1
    rows = (
        (stretch[0] * cosine, aspect * (shear - sine), shift * others[2]),
        (sine / aspect, stretch[1] * cosine, shift * others[3]),
    )
    maps = torch.stack([torch.stack(row, 1) for row in rows], 1).to(images.device, images.dtype)
    places = functional.affine_grid(maps, list(images.shape), align_corners=False)
    return functional.grid_sample(images, places, padding_mode="border", align_corners=False)
