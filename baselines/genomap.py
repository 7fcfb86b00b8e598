"""Genomap: gene interactions matched to distances from the centre of the image.

Islam & Xing, Nat Commun 14, 679 (2023). The layout is that of the authors' package `genomap` 1.3.6
with the settings of its manual: correlation distance, KL loss, no entropy term, 200 iterations,
images of at most 33 x 33 pixels. Of a larger table, the features with the largest variance are
kept, as in the package's `genoClassification`. The image goes to the CNN of `deepmapper`, with its
settings.

In the package, the distance of two pixels is the difference of their distances from the centre. Its
iterations need not converge: with 500 random features of rank 20, iteration 30 still moved 7 of 10
features.
Differences: the layout is learned from training rows, in the package from training and test rows
together. The coupling is rounded to one feature a pixel. The authors' CNN has one convolution.
They standardise features without a logarithm and without clipping, as their data are logarithms.
Limits: at least 4 features. The layout of 500 and 1,089 features of 200 samples took 17 and 114 CPU
seconds, and 0.2 GiB. Above 1,089 features the others are unseen. The package's license is CC
BY-NC-ND 2.0: no commercial use.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import Pipeline

from baselines import _tintolib
from baselines._cnn import image_model
from baselines._environments import genomap as script
from baselines._tintolib import PlacedConverter, Placement, refusal
from baselines._transport import place_by
from datasets.table import Table
from deepmapper.images.scaling import FeatureScaler

ENVIRONMENT = (
    "genomap==1.3.6",
    "pot==0.9.7.post1",
    "scikit-learn==1.9.1",
    "scipy==1.17.1",
    "numpy==2.4.6",
    "joblib==1.6.0",
    "cloudpickle==3.1.2",
    "threadpoolctl==3.8.0",
    "narwhals==2.29.0",
)


@dataclass(frozen=True)
class Params(_tintolib.Params):
    """Settings of the layout, those of the package's manual.

    Attributes
    ----------
    max_side : int
        Maximum height and width of the images. Features that do not fit are left out.
    n_iterations : int
        Maximum number of iterations of the transport.
    """

    max_side: int = 33
    n_iterations: int = 200


def supports(table: Table) -> str | None:
    """Refuse tables with too few features for a plane."""
    return refusal(table, max_features=table.n_features)


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: select, place in the other environment, fold, train."""
    model = image_model(params, device=device, seed=seed)
    return Pipeline([("convert", GenomapConverter(params)), ("model", model)])


class GenomapConverter(TransformerMixin, BaseEstimator):
    """Images of the most variable features, one a pixel.

    `kept_` are the indices of these features, `placed_` is their fitted `PlacedConverter`.
    """

    looks_at_labels = False

    def __init__(self, params: Params) -> None:
        self.params = params

    def fit(self, X: Any, y: object = None) -> Self:
        """Select features of X, (n_samples, n_features), learn their scaling and places."""
        self.n_features_in_ = X.shape[1]
        self.kept_ = most_variable(X, self.params.max_side**2)
        converter = PlacedConverter(partial(place, self.params), self.params.scaling)
        self.placed_ = converter.fit(X[:, self.kept_])
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return images, float32 (n_samples, 1, height, width)."""
        return self.placed_.transform(X[:, self.kept_])

    def to_features(self, pixels: np.ndarray) -> np.ndarray:
        """Map (..., h, w) to (..., n_features). Features that are left out get 0."""
        scores = np.zeros((*pixels.shape[:-2], self.n_features_in_), dtype=pixels.dtype)
        scores[..., self.kept_] = self.placed_.to_features(pixels)
        return scores


def most_variable(X: Any, n_features: int) -> np.ndarray:
    """Return the sorted indices of the features of X with the largest variance.

    Of counts it is the variance of their logarithms, as the authors' data are log-normalised.
    """
    if X.shape[1] <= n_features:
        return np.arange(X.shape[1])
    variances = FeatureScaler(scale="none").fit_transform(X).var(axis=0)
    return np.sort(np.argsort(-variances, kind="stable")[:n_features])


def place(params: Params, X: np.ndarray) -> Placement:
    """Return the pixels of the features of X, scaled rows (n_samples, n_features)."""
    return place_by(script.place, ENVIRONMENT, X, n_iterations=params.n_iterations)
