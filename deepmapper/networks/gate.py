"""A gate per pixel. A pixel is a feature: a closed gate leaves the feature out.

The input of the network is x * g. A screen (`networks.screen`) sets each gate before training. Then
g >= 0 is trained by plain gradient steps, each followed by a soft threshold (the proximal step of
an L1 penalty, Beck & Teboulle 2009). No threshold is set by hand:

- It is the noise of the gate's own gradient, the median over pixels of its root mean square. As the
  loss falls, gradients and threshold fall together, so that gates do not close only because the
  network has learnt its task.
- It is weighted by doubt, as in the adaptive lasso (Zou 2006): full for a pixel that the screen
  classified as noise, zero for a sure one. If the signal is dense (images, gene expression), no
  gate is closed.
"""

import torch
from torch import nn

__all__ = ["PixelGate"]


class PixelGate(nn.Module):
    """Multiply each pixel of images by its weight.

    Parameters
    ----------
    opening : tensor of shape (1, h, w)
        Initial weight of each pixel, 0 to 1.
    doubt : tensor of shape (1, h, w), default=None
        Each pixel's share of the threshold, 0 to 1. Default: 1 - opening.
    pixels : int tensor of shape (h * w,), default=None
        The pixels of larger images that are read, as flat indices. Default: all.

    Attributes
    ----------
    weight : parameter of shape (1, h, w)
        The trained weights, 0 or more.
    """

    doubt: torch.Tensor
    pixels: torch.Tensor | None

    def __init__(
        self,
        opening: torch.Tensor,
        doubt: torch.Tensor | None = None,
        pixels: torch.Tensor | None = None,
    ) -> None:
        super().__init__()
        doubt = 1 - opening if doubt is None else doubt
        self.weight = nn.Parameter(opening.clone())
        self.register_buffer("doubt", doubt.clamp(0, 1), persistent=False)
        self.register_buffer("pixels", pixels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Multiply images by the weights.

        Parameters
        ----------
        x : tensor of shape (n, 1, h, w), or larger images with `pixels`

        Returns
        -------
        tensor of shape (n, 1, h, w)
        """
        return self.select(x) * self.weight

    def select(self, x: torch.Tensor) -> torch.Tensor:
        """Make images of the pixels that are read.

        Parameters
        ----------
        x : tensor of shape (n, 1, height, width)

        Returns
        -------
        tensor of shape (n, 1, h, w)
        """
        if self.pixels is None:
            return x
        return x.flatten(1)[:, self.pixels].view(-1, *self.weight.shape)

    def after_selection(self) -> "PixelGate":
        """Make a gate with the same weights for images that `select` made.

        Returns
        -------
        PixelGate
            It shares the parameter.
        """
        gate = PixelGate(self.weight.detach(), self.doubt)
        gate.weight = self.weight
        return gate

    def n_open(self) -> int:
        """Count the open pixels.

        Returns
        -------
        int
            Number of weights above 0.
        """
        return int((self.weight > 0).sum())


class GatedNetwork(nn.Module):
    """A backbone behind a gate: (n, 1, h, w) -> logits (n, n_classes).

    Parameters
    ----------
    gate : PixelGate
    backbone : nn.Module
    """

    def __init__(self, gate: PixelGate, backbone: nn.Module) -> None:
        super().__init__()
        self.gate = gate
        self.backbone = backbone

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.backbone(self.gate(x))


class ProximalSGD:
    """Plain gradient steps on a gate, each followed by a soft threshold.

    Parameters
    ----------
    gate : PixelGate
    lr : float, default=0.5
        Step size. At 0.5 the gate of a useful pixel moves from 0 to 1 within an epoch.
    strictness : float, default=1.0
        Threshold of a pixel in full doubt, in medians over pixels of the gradient's root mean
        square. On development tables 0.5, 1 and 2 were equally good.
    memory : float, default=0.95
        Decay of the running mean square.
    """

    def __init__(
        self, gate: PixelGate, lr: float = 0.5, strictness: float = 1.0, memory: float = 0.95
    ) -> None:
        self.gate, self.lr, self.strictness, self.memory = gate, lr, strictness, memory
        self.n_steps = 0
        self.mean_square = torch.zeros_like(gate.weight)

    @torch.no_grad()
    def step(self, share: float = 1.0) -> None:
        weight, gradient = self.gate.weight, self.gate.weight.grad
        if gradient is None:
            return
        self.n_steps += 1
        self.mean_square.lerp_(gradient.square(), 1 - self.memory)
        active = self.mean_square[self.mean_square > 0]  # padding has no gradient
        if not len(active):
            return
        unbiased = 1 - self.memory**self.n_steps
        noise = (active.median() / unbiased).sqrt()
        weight.sub_(share * self.lr * (gradient + self.strictness * noise * self.gate.doubt))
        weight.clamp_(min=0.0)
