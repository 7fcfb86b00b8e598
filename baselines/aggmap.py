"""AggMap: correlated features become neighbours, one feature a pixel.

Correlation distance between features, UMAP to the plane, assignment to the grid, then the CNN of
`deepmapper`. Shen et al., "AggMapNet", Nucleic Acids Res 50 (2022). UMAP's settings are those of
the authors' package, the CNN's those of `deepmapper`, or with recipe="published" those of
AggMapNet. With several channels, features are clustered (complete linkage of the distances) and
each cluster has a map of its own. The maps stand one below another in the image, so that scores of
pixels come back to features. A network reads them as channels.

Differences: one channel by default instead of five. Above 2,048 features median splits of the plane
replace the linear assignment. Neighbours are found in blocks, so memory does not grow with pairs.
Above 12,000 features a random 12,000 are clustered, and the others join the cluster of the highest
mean correlation.
Limits: at least 4 features. 56,537 genes of 364 samples took 40 s on two cores. AggMapNet needs a
GPU for such images.
"""

import warnings
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import Pipeline
from torch import nn

from baselines._published_networks import AGGMAPNET, RecipeParams, SquareMaps, model_of
from datasets.table import Table
from deepmapper.errors import DeepMapperError
from deepmapper.images.converter import LAYOUT_VALUES, ImageConverter
from deepmapper.images.layouts import Array, Layout, square_side
from deepmapper.images.placement import assign, strongest_products
from deepmapper.images.scaling import FeatureScaler
from deepmapper.networks.backbones import build_backbone
from deepmapper.training.streams import stream, stream_seed

REQUIRES = {"umap": "umap-learn"}
MIN_FEATURES = 4  # UMAP starts from three eigenvectors of the graph and needs more points
MOST_CLUSTERED = 12_000  # features whose distances are kept: 1.2 GB
PUBLISHED_CHANNELS = 5  # the default of the authors' package


@dataclass(frozen=True)
class Params(RecipeParams):
    """Settings of UMAP and of the clusters.

    Attributes
    ----------
    n_neighbours : int
        UMAP's number of neighbours.
    min_dist : float
        UMAP's smallest distance of points.
    channels : int, optional
        Number of clusters of features, each with a map of its own. Default: 1, with
        recipe="published" the authors' 5. More than 1 needs a network that shares weights between
        pixels: recipe="published" or backbone="cnn_small".
    """

    n_neighbours: int = 15
    min_dist: float = 0.1
    channels: int | None = None


def supports(table: Table) -> str | None:
    """Refuse tables with too few features for a plane."""
    if table.n_features < MIN_FEATURES:
        return f"UMAP needs at least {MIN_FEATURES} features, got {table.n_features}"
    return None


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: place the features, fold, then train."""
    converter = AggMapConverter(params, device, seed)
    params, model = model_of(params, AGGMAPNET, device=device, seed=seed)
    if params.recipe == "shared" and n_channels(params) > 1:
        if params.backbone != "cnn_small":
            message = (
                f"channels={params.channels} needs backbone='cnn_small' or recipe='published', got "
                f"backbone={params.backbone!r}. The network 'patch' has other weights for each "
                "pixel, so channels would change nothing, and the rest read one channel"
            )
            raise DeepMapperError(message)
        model.set_params(backbone=cnn_small_of_maps)
    return Pipeline([("convert", converter), ("model", model)])


def warm_up(table: Table) -> None:
    """Let numba compile UMAP on a small table."""
    X = np.random.default_rng(0).normal(size=(20, 20)).astype(np.float32)
    AggMapConverter(Params()).fit(X)


def n_channels(params: Params) -> int:
    """Return the number of maps."""
    return params.channels or (PUBLISHED_CHANNELS if params.recipe == "published" else 1)


def cnn_small_of_maps(shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """Return the backbone `cnn_small` for square maps one below another, read as channels."""
    side = shape[-1]
    network: Any = build_backbone("cnn_small", (side, side), n_classes)
    first = network.stem[0]
    network.stem[0] = nn.Conv2d(
        shape[-2] // side,
        first.out_channels,
        first.kernel_size,
        first.stride,
        first.padding,
        bias=False,
    )
    return nn.Sequential(SquareMaps(), network)


class AggMapConverter(TransformerMixin, BaseEstimator):
    """Images with the layout of `aggmap_layout`, one map below another for each channel.

    Features are scaled as `deepmapper` does, with recipe="published" to 0..1 as the authors do.
    `images_` is the fitted `ImageConverter`.
    """

    looks_at_labels = False

    def __init__(self, params: Params, device: str = "cpu", random_state: int = 0) -> None:
        self.params = params
        self.device = device
        self.random_state = random_state

    def fit(self, X: Any, y: object = None) -> Self:
        """Learn scaling and layout from X, of a large one from a sample of rows."""
        scaler = FeatureScaler(clip=None).fit(X)
        max_rows = max(2, LAYOUT_VALUES // X.shape[1])
        rows = np.arange(X.shape[0])
        if len(rows) > max_rows:
            draw = stream(self.random_state, "layout", "rows")
            rows = np.sort(draw.choice(rows, max_rows, replace=False))
        scaled = scaler.transform(X[rows])
        layout = aggmap_layout(scaled, self.random_state, self.params)
        cluster = clusters(scaled, n_channels(self.params), self.random_state)
        layout = split_channels(layout, cluster, n_channels(self.params))
        scale = "minmax" if self.params.recipe == "published" else "standard"
        self.images_ = ImageConverter(layout, scale=scale, device=self.device).fit(X)
        return self

    def transform(self, X: Any) -> Any:
        """Convert as `ImageConverter.transform` does."""
        return self.images_.transform(X)

    def to_features(self, pixels: Array) -> Array:
        """Map back as `ImageConverter.to_features` does."""
        return self.images_.to_features(pixels)


def aggmap_layout(X: np.ndarray, seed: int, params: Params = Params()) -> Layout:
    """Put correlated features side by side in the smallest square that holds them.

    X is float32 (n_samples, n_features), finite. Constant features get the pixels that are left.
    """
    p = X.shape[1]
    side = square_side(p)
    varies = np.flatnonzero(np.ptp(X, axis=0) > 0)
    pixels = np.full(p, -1, dtype=np.int64)
    if len(varies) >= MIN_FEATURES:
        n_neighbours = min(params.n_neighbours, len(varies) - 1)
        plane = _plane(X[:, varies], n_neighbours, params.min_dist, seed)
        low, high = plane.min(0), plane.max(0)  # the paper scales each axis to the grid
        pixels[varies] = assign((plane - low) / np.maximum(high - low, 1e-12), (side, side))
    free = np.setdiff1d(np.arange(side * side), pixels)
    constant = np.flatnonzero(pixels < 0)
    pixels[constant] = free[: len(constant)]
    return Layout(pixels, (side, side), "aggmap")


def clusters(X: np.ndarray, n_clusters: int, seed: int) -> np.ndarray:
    """Return the cluster of each feature, int64 (n_features,), from 0.

    Complete linkage of 1 - correlation over X, (n_samples, n_features). There may be fewer
    clusters than `n_clusters`. Constant features are in cluster 0.
    """
    cluster = np.zeros(X.shape[1], dtype=np.int64)
    varies = np.flatnonzero(np.ptp(X, axis=0) > 0)
    if n_clusters == 1 or len(varies) < 2:
        return cluster
    vectors = _unit_vectors(X[:, varies]).numpy()
    chosen = np.arange(len(varies))
    if len(chosen) > MOST_CLUSTERED:
        draw = stream(seed, "layout", "clusters")
        chosen = draw.choice(len(varies), MOST_CLUSTERED, replace=False)
    distances = np.maximum(1 - vectors[chosen] @ vectors[chosen].T, 0)
    tree = linkage(squareform(distances, checks=False), "complete")
    of_chosen = fcluster(tree, n_clusters, "maxclust") - 1
    centres = np.stack([vectors[chosen[of_chosen == c]].mean(0) for c in np.unique(of_chosen)])
    cluster[varies] = (vectors @ centres.T).argmax(1)
    cluster[varies[chosen]] = of_chosen
    return cluster


def split_channels(layout: Layout, cluster: np.ndarray, n_channels: int) -> Layout:
    """Return a layout with a map for each cluster, one below another.

    A feature keeps its place within the map. `cluster` is int (n_features,).
    """
    height, width = layout.shape
    pixels = layout.pixel_of_feature + cluster * height * width
    return Layout(pixels, (n_channels * height, width), layout.name)


def _unit_vectors(X: np.ndarray) -> torch.Tensor:
    """Return centred features of length 1, (n_features, n_samples): products are correlations."""
    vectors = torch.from_numpy(X.T - X.mean(0)[:, None])
    return vectors / vectors.norm(dim=1, keepdim=True)


def _plane(X: np.ndarray, n_neighbours: int, min_dist: float, seed: int) -> np.ndarray:
    """Return the UMAP of the features of X, (n_features, 2), by 1 - correlation."""
    from umap import UMAP

    vectors = _unit_vectors(X)
    others, correlation = strongest_products(vectors, n_neighbours - 1)
    itself = np.arange(len(vectors))[:, None]  # UMAP counts a point as its own first neighbour
    index = np.hstack([itself, others]).astype(np.int32)
    distance = np.hstack([np.zeros_like(itself), np.maximum(1 - correlation, 0)])
    umap = UMAP(
        n_neighbors=n_neighbours,
        min_dist=min_dist,
        precomputed_knn=(index, distance.astype(np.float32)),
        random_state=stream_seed(seed, "umap") % 2**32,
        n_jobs=1,  # implied by a seed; set to avoid UMAP's warning
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*transforming new data")  # features are fixed
        return np.asarray(umap.fit_transform(vectors.numpy()), dtype=np.float64)
