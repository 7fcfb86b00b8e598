"""An autoencoder on folded tables that learns to guess hidden features.

Paper: Methods, self-supervised mode ("the input is the target", "a bottleneck layer").

Each of three decisions avoids a failure of the plain autoencoder on tables of many features:

- **Features are hidden in training, and only these are reconstructed** (Vincent et al. 2008, Batson
  & Royer 2019, "Noise2Self"). A bottleneck of k numbers can copy k noise features. A hidden noise
  feature cannot be guessed, so noise gets no place in the latent space.
- **A linear path runs beside the network.** It is tied (the decoder is the encoder's transpose) and
  starts at the principal components, so training begins at PCA. Tied weights also fix the scale of
  the latent space for any number of features: in the linear path, a distance is the root mean
  square difference of the reconstructions over features.
- **The nonlinear path uses positions**: locally connected patches (`PatchEmbedding`), since in a
  folded table the position of a pixel is its meaning.
"""

import torch
from torch import nn
from torch.nn import functional

from deepmapper.networks.backbones._layers import Addition, Dropout, PatchEmbedding, patch_side
from deepmapper.training.objectives import weighted_mean


class Reconstruction:
    """Mean squared error over pixels with a feature, and explained variance.

    Outputs and targets are images (n, 1, h, w). `pixels`, bool (h, w) on the images' device, is
    True for a pixel with a feature. `variance` is the mean squared deviation of such a pixel from
    its training mean. The score of an image is 1 - its mean squared error / variance. Its mean over
    images is the share of variance explained.
    """

    score_name = "explained_variance"

    def __init__(self, pixels: torch.Tensor, variance: float) -> None:
        self.pixels = pixels
        self.n_pixels = int(pixels.sum())
        self.variance = max(variance, torch.finfo(torch.float32).tiny)

    def loss(
        self, outputs: torch.Tensor, targets: torch.Tensor, weight: torch.Tensor | None = None
    ) -> torch.Tensor:
        errors = self.errors(outputs, targets)
        return errors.mean() if weight is None else weighted_mean(errors, weight)

    def score(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return 1 - self.errors(outputs, targets) / self.variance

    def errors(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The mean squared error of each image, (n,)."""
        difference = (outputs.float() - targets) * self.pixels
        return difference.square().flatten(1).sum(1) / self.n_pixels


class HidePixels(Dropout):
    """A factor per pixel: in training 0 (hidden) or 1 / (1 - share), otherwise None.

    It is a `Dropout`, so that the trainer gives it a generator of its own.
    """

    @property
    def share(self) -> float:
        """The share hidden: `p` rounded to a 256th, at least one and at most 255 of them."""
        return min(max(round(256 * self.p), 1), 255) / 256

    def forward(self, x: torch.Tensor) -> torch.Tensor | None:  # type: ignore[override]
        if not self.training or self.p == 0.0:
            return None
        return self.kept(x, round(256 * self.share)).to(x.dtype) / (1 - self.share)


class PatchExpansion(nn.Module):
    """(n, width, rows, columns) -> (n, 1, h, w): the mirror of `PatchEmbedding`.

    One linear map per patch, each with its own weights. Pixels beyond the border are cut off. The
    weights start at zero, so that a decoder starts at the linear path.
    """

    def __init__(self, image_shape: tuple[int, int], patch: int, width: int) -> None:
        super().__init__()
        self.image_shape = image_shape
        self.patch = patch
        self.rows, self.columns = (-(-side // patch) for side in image_shape)
        n_patches = self.rows * self.columns
        self.weight = nn.Parameter(torch.zeros(n_patches, width, patch * patch))
        self.bias = nn.Parameter(torch.zeros(n_patches, 1, patch * patch))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, s = x.shape[0], self.patch
        height, breadth = self.image_shape
        x = x.flatten(2).permute(2, 0, 1)  # (patches, n, width)
        x = torch.baddbmm(self.bias, x, self.weight)  # (patches, n, pixels)
        x = x.reshape(self.rows, self.columns, n, s, s).permute(2, 0, 3, 1, 4)
        x = x.reshape(n, 1, self.rows * s, self.columns * s)
        return x[..., :height, :breadth]


class Autoencoder(nn.Module):
    """Images (n, 1, h, w) -> reconstructions, through `n_components` numbers each.

    In training mode each pixel is hidden with probability `hidden`. The output differs from the
    image only in hidden pixels, which hold the guess. In evaluation mode no pixel is hidden and all
    are reconstructed. The latent space is the output of the module `bottleneck`.

    The sides of `image_shape` (h, w) are 1 or more. `pixels`, bool (h, w), is True for a pixel with
    a feature (default: all). Padding has the value of the center. `patch` is the side of a patch
    (default: as in `PatchNet`). `width` is the number of channels of a patch and `dense` the number
    of units between patches and bottleneck: 8 and 64 if a side has 64 pixels or more, else 16 and
    128.
    """

    center: torch.Tensor  # (1, 1, h, w), the training mean: the value of a hidden pixel
    pixels: torch.Tensor  # bool (1, 1, h, w)

    def __init__(
        self,
        image_shape: tuple[int, int],
        n_components: int,
        pixels: torch.Tensor | None = None,
        patch: int | None = None,
        width: int | None = None,
        dense: int | None = None,
        hidden: float = 0.5,
    ) -> None:
        super().__init__()
        height, breadth = image_shape
        # On large images every weight costs time at each step, and the linear path does most.
        large = max(image_shape) >= 64
        patch = patch or patch_side(image_shape)
        width = width or (8 if large else 16)
        dense = dense or (64 if large else 128)
        if pixels is None:
            pixels = torch.ones(height, breadth, dtype=torch.bool)
        self.register_buffer("pixels", pixels.reshape(1, 1, height, breadth).clone())
        self.register_buffer("center", torch.zeros(1, 1, height, breadth))
        self.n_pixels = int(pixels.sum())
        self.hide = HidePixels(hidden)
        self.axes = nn.Linear(height * breadth, n_components, bias=False)
        self.embedding = PatchEmbedding(image_shape, patch, width)
        n_units = width * self.embedding.rows * self.embedding.columns
        self.relu1 = nn.ReLU()
        self.dense1 = nn.Linear(n_units, dense)
        self.relu2 = nn.ReLU()
        self.code = nn.Linear(dense, n_components)
        self.bottleneck = Addition()
        self.dense2 = nn.Linear(n_components, dense)
        self.relu3 = nn.ReLU()
        self.dense3 = nn.Linear(dense, n_units)
        self.relu4 = nn.ReLU()
        self.expansion = PatchExpansion(image_shape, patch, width)
        nn.init.zeros_(self.code.weight)
        nn.init.zeros_(self.code.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        keep = self.hide(x)
        guess = self.decode(self.encode(x, keep))
        if keep is None:
            return guess
        # Visible pixels are returned unchanged, so only hidden pixels have a loss. With the root,
        # the mean square over all pixels equals, on average, that over the hidden pixels.
        return torch.where(keep == 0, x + (guess - x) / self.hide.share**0.5, x)

    def encode(self, x: torch.Tensor, keep: torch.Tensor | None = None) -> torch.Tensor:
        """Latents (n, n_components) of images. `keep` weighs the pixels, 0 if hidden."""
        x = (x - self.center) * self.pixels
        if keep is not None:
            x = x * keep
        nonlinear = self.relu2(self.dense1(self.relu1(self.embedding(x)).flatten(1)))
        # Axes have the length sqrt(n_pixels), so that their entries, and latents, are about 1. With
        # unit axes, one learning rate was right for 64 features and wrong for 56,537.
        linear = self.axes(x.flatten(1)) / self.n_pixels
        return self.bottleneck(linear, self.code(nonlinear))

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """Images (n, 1, h, w) of latents (n, n_components)."""
        linear = functional.linear(z, self.axes.weight.T)
        units = self.relu4(self.dense3(self.relu3(self.dense2(z))))
        patches = units.reshape(len(z), -1, self.embedding.rows, self.embedding.columns)
        guess = linear.view(len(z), *self.center.shape[1:]) + self.expansion(patches)
        return guess * self.pixels + self.center

    @torch.no_grad()
    def start_at_principal_components(self, images: torch.Tensor) -> None:
        """Set the center to the mean of images, and the axes by probabilistic PCA.

        The images are (n, 1, h, w). Draws from torch's global generator.

        Each principal axis is shrunk by sqrt(1 - noise / variance). The noise is the mean variance
        of the components left out (Tipping & Bishop 1999). With the tied decoder, a reconstruction
        is then the posterior mean. Axes beyond the span of the n images stay zero.
        """
        self.center.copy_(images.mean(0, keepdim=True))
        flat = ((images - self.center) * self.pixels).flatten(1)
        n_axes = min(self.axes.out_features, *flat.shape)
        _, spread, axes = torch.svd_lowrank(flat, q=min(n_axes + 10, *flat.shape), niter=4)
        variance = spread[:n_axes].square()
        n_left = min(len(flat) - 1, int(self.pixels.sum())) - n_axes
        noise = (flat.square().sum() - variance.sum()).clamp(min=0) / max(n_left, 1)
        shrink = (1 - noise / variance.clamp(min=1e-12)).clamp(min=0).sqrt()
        self.axes.weight.zero_()
        self.axes.weight[:n_axes] = axes.T[:n_axes] * shrink[:, None] * self.n_pixels**0.5
