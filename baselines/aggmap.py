"""AggMap: features that are correlated become neighbours, one pixel each; `deepmapper`'s CNN.

Shen et al., "AggMapNet: enhanced and explainable low-sample omics deep learning with
feature-aggregated multi-channel networks", Nucleic Acids Res 50 (2022): correlation distance
between features, UMAP to the plane, linear assignment to the grid. One channel; features that do
not vary take the pixels left over. Two things are bounded, so that no p x p values are in memory:
the neighbours of a feature are found in blocks (all of them are compared, as in the paper), and
beyond 2,048 features median splits of the plane take the place of the linear assignment.
"""

import warnings
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import Pipeline

from baselines._cnn import Training, image_model
from datasets.table import Table
from deepmapper.images.converter import LAYOUT_VALUES, ImageConverter
from deepmapper.images.layouts import Array, Layout, square_side
from deepmapper.images.placement import assign, strongest_products
from deepmapper.images.scaling import FeatureScaler
from deepmapper.training.streams import stream, stream_seed

REQUIRES = {"umap": "umap-learn"}
MIN_FEATURES = 4  # UMAP starts from three eigenvectors of the graph, fewer than there are points


@dataclass(frozen=True)
class Params(Training):
    """UMAP's settings are the defaults of the authors' package. The CNN and its budget are those of
    the method `deepmapper`.
    """

    n_neighbours: int = 15
    min_dist: float = 0.1


def supports(table: Table) -> str | None:
    """A plane needs a few features."""
    if table.n_features < MIN_FEATURES:
        return f"UMAP needs at least {MIN_FEATURES} features, got {table.n_features}"
    return None


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Place the features, fold, then train."""
    converter = AggMapConverter(
        params.n_neighbours, params.min_dist, device=device, random_state=seed
    )
    return Pipeline(
        [("convert", converter), ("model", image_model(params, device=device, seed=seed))]
    )


class AggMapConverter(TransformerMixin, BaseEstimator):
    """Images in which features are placed by `aggmap_layout`, scaled as `deepmapper` scales.

    Attributes:
        images_: the fitted `ImageConverter`.
    """

    looks_at_labels = False

    def __init__(
        self,
        n_neighbours: int = 15,
        min_dist: float = 0.1,
        device: str = "cpu",
        random_state: int = 0,
    ) -> None:
        self.n_neighbours = n_neighbours
        self.min_dist = min_dist
        self.device = device
        self.random_state = random_state

    def fit(self, X: Any, y: object = None) -> Self:
        """Learn scaling and layout from X, (n_samples, n_features); of large tables, from some."""
        scaler = FeatureScaler(clip=None).fit(X)
        most = max(2, LAYOUT_VALUES // X.shape[1])
        rows = np.arange(X.shape[0])
        if len(rows) > most:
            drawn = stream(self.random_state, "layout", "rows").choice(rows, most, replace=False)
            rows = np.sort(drawn)
        layout = aggmap_layout(
            scaler.transform(X[rows]),
            self.random_state,
            n_neighbours=self.n_neighbours,
            min_dist=self.min_dist,
        )
        self.images_ = ImageConverter(layout, device=self.device).fit(X)
        return self

    def transform(self, X: Any) -> Any:
        """As `ImageConverter.transform`."""
        return self.images_.transform(X)

    def to_features(self, pixels: Array) -> Array:
        """As `ImageConverter.to_features`."""
        return self.images_.to_features(pixels)


def aggmap_layout(
    X: np.ndarray, seed: int, *, n_neighbours: int = 15, min_dist: float = 0.1
) -> Layout:
    """Correlated features side by side, in the smallest square that holds them.

    Args:
        X: rows, float32 (n_samples, n_features), finite.
    """
    p = X.shape[1]
    side = square_side(p)
    varies = np.flatnonzero(np.ptp(X, axis=0) > 0)
    pixels = np.full(p, -1, dtype=np.int64)
    if len(varies) >= MIN_FEATURES:
        plane = _plane(X[:, varies], min(n_neighbours, len(varies) - 1), min_dist, seed)
        low, high = plane.min(0), plane.max(0)  # the paper stretches either axis over the grid
        pixels[varies] = assign((plane - low) / np.maximum(high - low, 1e-12), (side, side))
    free = np.setdiff1d(np.arange(side * side), pixels)
    loose = np.flatnonzero(pixels < 0)
    pixels[loose] = free[: len(loose)]
    return Layout(pixels, (side, side), "aggmap")


def _plane(X: np.ndarray, n_neighbours: int, min_dist: float, seed: int) -> np.ndarray:
    """UMAP of the features of X, (n_features, 2), by 1 - correlation."""
    from umap import UMAP

    vectors = torch.from_numpy(X.T - X.mean(0)[:, None])
    vectors /= vectors.norm(dim=1, keepdim=True)
    others, correlation = strongest_products(vectors, n_neighbours - 1)
    itself = np.arange(len(vectors))[:, None]  # UMAP counts a point as its own first neighbour
    index = np.hstack([itself, others]).astype(np.int32)
    distance = np.hstack([np.zeros_like(itself), np.maximum(1 - correlation, 0)])
    umap = UMAP(
        n_neighbors=n_neighbours,
        min_dist=min_dist,
        precomputed_knn=(index, distance.astype(np.float32)),
        random_state=stream_seed(seed, "umap") % 2**32,
        n_jobs=1,  # what a fixed seed means anyway; said, UMAP does not warn
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*transforming new data")  # features are fixed
        return np.asarray(umap.fit_transform(vectors.numpy()), dtype=np.float64)
