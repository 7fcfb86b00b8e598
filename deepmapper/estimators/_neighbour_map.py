"""A map that moves rows towards their neighbours, trained by contrast without labels.

The neighbours of a row are the nearest rows in the latent space of the autoencoder, where noise has
no place. The map is trained to tell a neighbour of a row from other rows, with the heavy-tailed
similarity 1 / (1 + squared distance) of t-SNE and the loss InfoNCE (van den Oord et al. 2018), as
t-SimCNE does for images (Böhm, Berens & Kobak, ICLR 2023). Clusters of rows become compact and move
apart. Unlike t-SNE and UMAP it is a function of the values, so new rows are mapped without a fit.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from sklearn.neighbors import NearestNeighbors
from torch import nn
from torch.nn import functional

from deepmapper.training._optimizers import AdamW
from deepmapper.training.streams import stream_seed, torch_stream
from deepmapper.training.trainer import one_cycle

MOST_ROWS = 20_000  # of the search of neighbours. More rows are drawn from.
N_EPOCHS, FEWEST_STEPS, MOST_STEPS = 300, 500, 3000
BATCH_SIZE, WIDTH = 256, 128
LEARNING_RATE, WEIGHT_DECAY = 5e-3, 1e-2


@dataclass(frozen=True)
class NeighbourMap:
    """A linear map beside a network of two hidden layers.

    Parameters
    ----------
    scale : float
        The standard deviation of the latents, by which they are divided.
    axes : tensor of shape (n_components, n_latent)
        The linear map, at the start the first latents.
    weights, biases : list of tensors
        Of the three layers.
    """

    scale: float
    axes: torch.Tensor
    weights: list[torch.Tensor]
    biases: list[torch.Tensor]

    def __call__(self, latents: torch.Tensor) -> torch.Tensor:
        """Map latents (n, n_latent) to (n, n_components)."""
        z = latents.to(self.axes.device) / self.scale
        units = z
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            units = functional.relu(functional.linear(units, weight, bias))
        return functional.linear(z, self.axes) + functional.linear(
            units, self.weights[-1], self.biases[-1]
        )


def fit_neighbour_map(
    latents: torch.Tensor, n_components: int, n_neighbors: int, seed: int
) -> NeighbourMap:
    """Train a map of latents (n, n_latent), n >= 2, with the `n_neighbors` nearest of each row."""
    rng = np.random.default_rng(stream_seed(seed, "neighbours"))
    rows = np.sort(rng.permutation(len(latents))[:MOST_ROWS])
    latents = latents[torch.from_numpy(rows).to(latents.device)]
    n, n_latent = latents.shape
    search = NearestNeighbors(n_neighbors=min(n_neighbors, n - 1)).fit(latents.cpu().numpy())
    neighbours = torch.from_numpy(search.kneighbors(return_distance=False))
    sizes = (n_latent, WIDTH, WIDTH, n_components)
    with torch_stream(seed, "neighbours"):
        layers = [nn.Linear(a, b) for a, b in pairwise(sizes)]
    nn.init.zeros_(layers[-1].weight)
    nn.init.zeros_(layers[-1].bias)
    layers = [layer.to(latents.device) for layer in layers]
    axes = nn.Parameter(torch.eye(n_components, n_latent, device=latents.device))
    mapping = NeighbourMap(
        scale=max(float(latents.std()), torch.finfo(torch.float32).tiny),
        axes=axes,
        weights=[layer.weight for layer in layers],
        biases=[layer.bias for layer in layers],
    )
    parameters = [axes, *(weight for layer in layers for weight in layer.parameters())]
    optimizer = AdamW(parameters, LEARNING_RATE, WEIGHT_DECAY)
    n_steps = min(max(FEWEST_STEPS, N_EPOCHS * n // BATCH_SIZE), MOST_STEPS)
    for step in range(n_steps):
        chosen = rng.permutation(n)[:BATCH_SIZE]
        partner = neighbours[chosen, rng.integers(neighbours.shape[1], size=len(chosen))]
        for parameter in parameters:
            parameter.grad = None
        _contrast(mapping(latents[chosen]), mapping(latents[partner])).backward()
        optimizer.step(one_cycle(step, n_steps))
    weights, biases = (
        [value.detach() for value in values] for values in (mapping.weights, mapping.biases)
    )
    return NeighbourMap(mapping.scale, axes.detach(), weights, biases)


def _contrast(rows: torch.Tensor, neighbours: torch.Tensor) -> torch.Tensor:
    """Mean -log of the share of a row's similarity that its neighbour has, among all rows."""
    similarity = -torch.log1p(torch.cdist(rows, rows).square())
    similarity = similarity.masked_fill(torch.eye(len(rows), device=rows.device) > 0, -torch.inf)
    to_neighbour = -torch.log1p((rows - neighbours).square().sum(1))
    everything = torch.cat([to_neighbour[:, None], similarity], dim=1)
    return (everything.logsumexp(1) - to_neighbour).mean()
