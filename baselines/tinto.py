"""TINTO: features placed by two principal components, as points or with a brush.

Castillo-Cano et al., SoftwareX 22 (2023). TINTOlib computes the places, and the image goes to the
CNN of `deepmapper`. Image size and brush were chosen on four development tables, see `Params`.

TINTOlib rounds the half-width of the plane up to a whole number, so places crowd in its middle.
Without the brush it keeps one of the features that share a pixel. Here a pixel is their mean.
Limits: 4 to 60,000 features. 56,537 genes of 364 samples took 8 s on two cores.
"""

from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from scipy import sparse
from sklearn.pipeline import Pipeline

from baselines import _tintolib
from baselines._tintolib import Placement, build_with, refusal
from datasets.table import Table
from deepmapper.images.layouts import square_side

REQUIRES = {"TINTOlib": "TINTOlib"}
MAX_FEATURES = 60_000
SIDE = 20  # TINTO's default, in pixels


@dataclass(frozen=True)
class Params(_tintolib.Params):
    """Settings chosen on one split of four small tables (seed 101).

    Attributes
    ----------
    image_size : int, "auto" or "equal"
        Pixels a side. "equal": the number of pixels that DeepMapper has. "auto": the same, but at
        least TINTO's own 20, which was as good as "equal" or better on all four.
    algorithm : {"PCA", "t-SNE"}
        "t-SNE" runs on 16 copies of every feature, as in TINTOlib.
    blur : bool
        Paint every feature on the pixels around it too, with means where they overlap. Worse on
        three of the four tables (expression: accuracy 0.60 against 0.99). Not TINTOlib's default.
    """

    image_size: int | Literal["auto", "equal"] = "auto"
    algorithm: Literal["PCA", "t-SNE"] = "PCA"
    blur: bool = False


def supports(table: Table) -> str | None:
    """Refuse tables with too few or too many features."""
    return refusal(table, MAX_FEATURES)


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: place, paint, train."""
    return build_with(partial(place, params, seed), params, device=device, seed=seed)


def place(params: Params, seed: int, X: np.ndarray) -> Placement:
    """Return the pixels of the features of X, scaled rows (n_samples, n_features)."""
    import pandas as pd
    from TINTOlib.tinto import TINTO

    side = square_side(X.shape[1])
    if params.image_size != "equal":
        side = max(SIDE, side) if params.image_size == "auto" else params.image_size
    settings = {"algorithm": params.algorithm, "random_seed": seed}
    tinto = TINTO("unsupervised", None, pixels=side, **settings)
    tinto.fit(pd.DataFrame(X))
    places = tinto.pos_pixel_caract.astype(np.int64)
    weights = brush() if params.blur else np.ones((1, 1))
    return Placement(places @ [side, 1], (side, side), paint(places, side, weights))


def brush() -> np.ndarray:
    """Return weights (17, 17) around a feature: TINTO's four rings, 1 in the middle.

    A ring has a width of 2 pixels and, at radius r, a weight of 1 / r^2 (TINTO's defaults).
    """
    away = np.hypot(*np.mgrid[-8:9, -8:9])
    radius = 2 * np.maximum(1, np.ceil(away / 2))
    weights = np.where(away <= 8, 1 / radius**2, 0)
    weights[8, 8] = 1
    return weights


def paint(places: np.ndarray, side: int, brush: np.ndarray) -> sparse.csr_matrix:
    """Return CSR (p, side * side): weights of the features, means where they overlap."""
    offsets = np.argwhere(brush > 0) - len(brush) // 2
    touched = places[:, None] + offsets  # (p, pixels of the brush, 2)
    inside = ((touched >= 0) & (touched < side)).all(2)
    features = np.broadcast_to(np.arange(len(places))[:, None], inside.shape)[inside]
    pixels = touched[inside] @ [side, 1]
    weights = np.broadcast_to(brush[brush > 0], inside.shape)[inside]
    shared = np.bincount(pixels, minlength=side * side)[pixels]
    values = (weights / shared).astype(np.float32)
    return sparse.csr_matrix((values, (features, pixels)), (len(places), side * side))
