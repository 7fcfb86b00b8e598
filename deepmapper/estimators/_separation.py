"""Features that separate observations, without labels: those that others predict.

A feature that follows any structure of the table can be guessed from other features that follow it.
A noise feature cannot. So each feature is hidden and guessed by an autoencoder from the others, on
rows that it was not trained on. Its score is

    score = sum of guess * truth / the larger of (sum of truth ** 2, sum of guess ** 2),

over rows, both minus the training mean. For a calibrated guess it is the share of the feature's
variance that the other features explain through the bottleneck. It is at most 1. Noise scatters
around 0. Without hiding, a bottleneck of k numbers reproduces about k / p of the variance of p
noise features, also on held-out rows.
"""

from typing import Any

import numpy as np
import torch

from deepmapper.networks._autoencoder import Autoencoder


class Separation:
    """Sums per pixel over held-out rows, in double precision.

    Images are (h, w). Features are hidden one of `parts` parts at a time, `batch_size` images at a
    time.
    """

    def __init__(
        self, image_shape: tuple[int, int], parts: int = 10, batch_size: int = 256
    ) -> None:
        self.parts = parts
        self.batch_size = batch_size
        self.n_rows = 0
        self.sums = torch.zeros(6, *image_shape, dtype=torch.float64)

    def add(self, network: Autoencoder, images: Any, generator: torch.Generator) -> float:
        """Add a network and images not used to train it. Return its mean squared error.

        The generator draws the parts in which features are hidden.
        """
        hidden = hiding_order(network, self.parts, generator)
        squared_error = 0.0
        for start in range(0, len(images), self.batch_size):
            batch = images[start : start + self.batch_size]
            guess = guess_hidden(network, batch, hidden) - network.center
            truth = (batch - network.center) * network.pixels
            squared_error += float((guess - truth).square().sum(dtype=torch.float64))
            self._accumulate(guess[:, 0].double().cpu(), truth[:, 0].double().cpu())
        self.n_rows += len(images)
        return squared_error / (len(images) * int(network.pixels.sum()))

    def join(self, other: "Separation") -> None:
        """Add the rows of another object."""
        self.sums += other.sums
        self.n_rows += other.n_rows

    def scores(self) -> tuple[np.ndarray, np.ndarray]:
        """Score and standard error of each pixel, (h, w) each, 0 without variation."""
        product, square, guessed, product2, mixed, square2 = self.sums.numpy()
        varies = square > 0
        safe = np.where(varies, np.maximum(square, guessed), 1.0)
        score = np.where(varies, product / safe, 0.0)
        # The delta method for a ratio of means: the residuals are product - score * square.
        residual2 = product2 - 2 * score * mixed + score**2 * square2
        error = np.sqrt(np.clip(residual2, 0.0, None)) / safe
        return score, np.where(varies, error, 0.0)

    def _accumulate(self, guess: torch.Tensor, truth: torch.Tensor) -> None:
        product, square = guess * truth, truth.square()
        terms = (
            product,
            square,
            guess.square(),
            product.square(),
            product * square,
            square.square(),
        )
        for total, term in zip(self.sums, terms, strict=True):
            total += term.sum(0)


def hiding_order(network: Autoencoder, parts: int, generator: torch.Generator) -> torch.Tensor:
    """The part in which each pixel is hidden: int64 (1, 1, h, w), at random.

    The parts have equal sizes. A table of one feature has one part: its guess is the training mean.
    """
    n_pixels = network.pixels.numel()
    order = torch.randperm(n_pixels, generator=generator) % min(parts, n_pixels)
    return order.view(network.pixels.shape).to(network.pixels.device)


@torch.no_grad()
def guess_hidden(network: Autoencoder, images: torch.Tensor, part: torch.Tensor) -> torch.Tensor:
    """Images (n, 1, h, w) of guesses: each pixel is guessed while its part is hidden.

    `part`, of each pixel, comes from `hiding_order`.
    """
    network.eval()
    guesses = torch.empty_like(images)
    for number in range(int(part.max()) + 1):
        hidden = part == number
        # The other features weigh more, as in training.
        keep = (~hidden).to(images.dtype)
        keep /= keep.mean().clamp(min=torch.finfo(keep.dtype).tiny)
        guess = network.decode(network.encode(images, keep))
        guesses = torch.where(hidden, guess, guesses)
    return guesses
