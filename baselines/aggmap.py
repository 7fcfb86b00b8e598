"""AggMap: correlated features become neighbours, one feature a pixel.

Correlation distance between features, UMAP to the plane, assignment to the grid, then the CNN of
`deepmapper`. Shen et al., "AggMapNet", Nucleic Acids Res 50 (2022). UMAP's settings are those of
the authors' package, the CNN's those of `deepmapper`.

Differences: one channel instead of several. Above 2,048 features median splits of the plane replace
the linear assignment. Neighbours are found in blocks, so memory does not grow with pairs.
Limits: at least 4 features. 56,537 genes of 364 samples took 40 s on two cores.
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
MIN_FEATURES = 4  # UMAP starts from three eigenvectors of the graph and needs more points


@dataclass(frozen=True)
class Params(Training):
    """UMAP's settings. The CNN and its training are those of `deepmapper`.

    Attributes
    ----------
    n_neighbours : int
        UMAP's number of neighbours.
    min_dist : float
        UMAP's smallest distance of points.
    """

    n_neighbours: int = 15
    min_dist: float = 0.1


def supports(table: Table) -> str | None:
    """Refuse tables with too few features for a plane."""
    if table.n_features < MIN_FEATURES:
        return f"UMAP needs at least {MIN_FEATURES} features, got {table.n_features}"
    return None


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: place the features, fold, then train."""
    converter = AggMapConverter(params, device, seed)
    model = image_model(params, device=device, seed=seed)
    return Pipeline([("convert", converter), ("model", model)])


def warm_up(table: Table) -> None:
    """Let numba compile UMAP on a small table."""
    X = np.random.default_rng(0).normal(size=(20, 20)).astype(np.float32)
    AggMapConverter(Params()).fit(X)


class AggMapConverter(TransformerMixin, BaseEstimator):
    """Images with the layout of `aggmap_layout` and the scaling of `deepmapper`.

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
        layout = aggmap_layout(scaler.transform(X[rows]), self.random_state, self.params)
        self.images_ = ImageConverter(layout, device=self.device).fit(X)
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


def _plane(X: np.ndarray, n_neighbours: int, min_dist: float, seed: int) -> np.ndarray:
    """Return the UMAP of the features of X, (n_features, 2), by 1 - correlation."""
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
        n_jobs=1,  # implied by a seed; set to avoid UMAP's warning
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*transforming new data")  # features are fixed
        return np.asarray(umap.fit_transform(vectors.numpy()), dtype=np.float64)
