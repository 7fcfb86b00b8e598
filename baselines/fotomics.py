"""Fotomics: features placed by the Fourier transform of the samples.

Zandavi et al., Artif Intell Rev 56 (2023). TINTOlib 1.3.1 computes the places: logarithms scaled to
0..1, the transform of each sample along its features, values outside 1.5 ranges between the
percentiles 10 and 90 set to zero. The mean real and imaginary parts over the samples are the
coordinates of a feature. The plane is turned to the smallest rectangle and cut into pixels. The
image goes to the CNN of `deepmapper`, with its settings.

The transform runs along the features. So the place of a feature depends on its column: it is the
frequency of that number in a mean sample, and correlated features are no neighbours. Features on
one pixel share their mean, as in TINTOlib.
Differences: grey images at full precision instead of three colours. Values are scaled as
`deepmapper` does, or to 0..1. 224 pixels a side are a guess.
Limits: 4 to 60,000 features. The places come from at most 2**25 values of random training rows.
56,537 genes of 364 samples took 44 s of processor time.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Self

import numpy as np
from sklearn.pipeline import Pipeline

from baselines import _tintolib
from baselines._cnn import image_model
from baselines._tintolib import PlacedConverter, Placement, refusal
from baselines.tinto import paint
from datasets.table import Table
from deepmapper.images.layouts import square_side
from deepmapper.images.scaling import FeatureScaler
from deepmapper.training.streams import stream

REQUIRES = {"TINTOlib": "TINTOlib"}
MAX_FEATURES = 60_000
PLACE_VALUES = 1 << 25  # the transform and its copies take 64 bytes a value


@dataclass(frozen=True)
class Params(_tintolib.Params):
    """Settings of the image.

    Attributes
    ----------
    image_size : int or "equal"
        Pixels a side. "equal": the number of pixels that DeepMapper has.
    """

    image_size: int | Literal["equal"] = 224


def supports(table: Table) -> str | None:
    """Refuse tables with too few or too many features."""
    return refusal(table, MAX_FEATURES)


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: place, take means, train."""
    converter = FotomicsConverter(partial(place, params, seed), params.scaling)
    model = image_model(params, device=device, seed=seed)
    return Pipeline([("convert", converter), ("model", model)])


class FotomicsConverter(PlacedConverter):
    """Converter whose places come from unscaled rows: standardised ones have a mean of zero."""

    def fit(self, X: Any, y: object = None) -> Self:
        """Learn scaling and places from X, (n_samples, n_features)."""
        self.scaler_ = FeatureScaler(scale=self.scaling).fit(X)
        self.placement_ = self.place(X)
        return self


def place(params: Params, seed: int, X: Any) -> Placement:
    """Return the pixels of the features of X, unscaled rows (n_samples, n_features)."""
    import pandas as pd
    from TINTOlib.fotomics import Fotomics
    from TINTOlib.utils.LogScaler import LogScaler

    rows = np.arange(X.shape[0])
    if len(rows) > (max_rows := max(2, PLACE_VALUES // X.shape[1])):
        draw = stream(seed, "layout", "rows")
        rows = np.sort(draw.choice(rows, max_rows, replace=False))
    values = X[rows].toarray() if hasattr(X, "toarray") else X[rows]
    side = square_side(X.shape[1]) if params.image_size == "equal" else params.image_size
    fotomics = Fotomics(side, "unsupervised", LogScaler())
    fotomics.fit(pd.DataFrame(values.astype(np.float64)))
    places = fotomics._features_positions.astype(np.int64)  # no public name in TINTOlib 1.3.1
    return Placement(places @ [side, 1], (side, side), paint(places, side, np.ones((1, 1))))
