"""torchvision's Vision Transformer for one grey channel and any side.

Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021. Positions are learned, so the
position of a pixel is not lost.
"""

import torch
from torch import nn
from torchvision.models.vision_transformer import VisionTransformer

from deepmapper.networks.backbones._layers import pad_to, round_up

# Every token looks at every other: the cost grows with the square of their number.
MOST_PATCHES_A_SIDE = 10
N_LAYERS, N_HEADS, WIDTH = 4, 4, 96


class ViT(nn.Module):
    """(n, 1, h, w) -> logits (n, n_classes).

    torchvision's network is square: the image is padded with zeros, below and to the right, to a
    square of at most 10x10 patches. There is no dropout: torchvision's draws from the global
    generator.
    """

    def __init__(self, image_shape: tuple[int, int], n_classes: int) -> None:
        super().__init__()
        longest = max(image_shape)
        patch = round_up(longest, MOST_PATCHES_A_SIDE) // MOST_PATCHES_A_SIDE
        side = round_up(longest, patch)
        self.pad = pad_to(image_shape, (side, side))
        self.transformer = VisionTransformer(
            side, patch, N_LAYERS, N_HEADS, WIDTH, mlp_dim=2 * WIDTH, num_classes=n_classes
        )
        # torchvision reads three colours, and its head starts at zero, where no gradient passes.
        self.transformer.conv_proj = nn.Conv2d(1, WIDTH, patch, patch)
        self.transformer.heads = nn.Sequential(nn.Linear(WIDTH, n_classes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.transformer(self.pad(x))
