"""TINTO: features placed by two principal components, painted as points or with a soft brush.

Castillo-Cano et al., "TINTO: Converting Tidy Data into image for classification with 2-Dimensional
Convolutional Neural Networks", SoftwareX 22 (2023), through TINTOlib, which gives the places.

TINTOlib rounds the plane's half-width up to a whole number, so places crowd in its middle, and
without the brush keeps one of the features that share a pixel. We take means, of values that may be
negative. It stops at 60,000 features; `python -m bench run growth` measures what it takes.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import sparse
from sklearn.pipeline import Pipeline

from baselines import _tintolib
from baselines._tintolib import Placement, build_with, refusal
from datasets.table import Table
from deepmapper.images.layouts import square_side

REQUIRES = {"TINTOlib": "TINTOlib"}
MOST_FEATURES = 60_000
SIDE = 20  # TINTO's own


@dataclass(frozen=True)
class Params(_tintolib.Params):
    """Chosen on four development tables (seed 101) of up to 500 features, one split each.

    image_size: pixels a side; "equal" for as many as DeepMapper has; "auto" the same, but not
        fewer than TINTO's own 20, which were as good as "equal" or better on all four.
    algorithm: "t-SNE" runs on 16 copies of every feature, as TINTOlib does.
    blur: paint every feature on the pixels around it too, TINTO's mark; means where they overlap.
        Not TINTOlib's default, and worse on three of the four tables (expression: accuracy 0.60
        against 0.99), equal on NIHS.
    """

    image_size: int | Literal["auto", "equal"] = "auto"
    algorithm: Literal["PCA", "t-SNE"] = "PCA"
    blur: bool = False


def supports(table: Table) -> str | None:
    """The brush takes memory for each feature; see above."""
    return refusal(table, MOST_FEATURES)


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Place, paint, train."""
    place = _TINTO(params.image_size, params.algorithm, params.blur, seed)
    return build_with(place, params, device=device, seed=seed)


@dataclass(frozen=True)
class _TINTO:
    image_size: int | str
    algorithm: str
    blur: bool
    seed: int

    def __call__(self, X: np.ndarray) -> Placement:
        import pandas as pd
        from TINTOlib.tinto import TINTO

        side = square_side(X.shape[1])
        if self.image_size != "equal":
            side = max(SIDE, side) if self.image_size == "auto" else int(self.image_size)
        settings = {"algorithm": self.algorithm, "random_seed": self.seed}
        tinto = TINTO("unsupervised", None, pixels=side, **settings)
        tinto.fit(pd.DataFrame(X))
        places = tinto.pos_pixel_caract.astype(np.int64)
        return Placement(places @ [side, 1], (side, side), paint(places, side, brush(self.blur)))


def brush(
    blur: bool, amplification: float = np.pi, distance: int = 2, steps: int = 4
) -> np.ndarray:
    """Weights of the pixels around a feature, odd and square: rings that fade, 1 in the middle.

    A ring of radius r weighs amplification / (pi r^2), 1 at most; the defaults are TINTO's.
    """
    if not blur:
        return np.ones((1, 1))
    reach = distance * steps
    away = np.hypot(*np.mgrid[-reach : reach + 1, -reach : reach + 1])
    radius = np.maximum(1, np.ceil(away / distance)) * distance
    weights = np.minimum(1, amplification / (np.pi * radius**2)) * (away <= reach)
    weights[reach, reach] = 1
    return weights


def paint(places: np.ndarray, side: int, brush: np.ndarray) -> sparse.csr_matrix:
    """CSR (p, side * side): what features at places (p, 2) add to pixels, means where they meet."""
    offsets = np.argwhere(brush > 0) - len(brush) // 2
    touched = places[:, None] + offsets  # (p, pixels of the brush, 2)
    inside = ((touched >= 0) & (touched < side)).all(2)
    features = np.broadcast_to(np.arange(len(places))[:, None], inside.shape)[inside]
    pixels = touched[inside] @ [side, 1]
    weights = np.broadcast_to(brush[brush > 0], inside.shape)[inside]
    shared = np.bincount(pixels, minlength=side * side)[pixels]
    values = (weights / shared).astype(np.float32)
    return sparse.csr_matrix((values, (features, pixels)), (len(places), side * side))
