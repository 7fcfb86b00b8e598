"""DeepInsight's conversion through pyDeepInsight, the one file that imports it (GPL-3, optional).

Sharma et al., "DeepInsight: a methodology to transform a non-image data to an image for
convolution neural network architecture", Sci Rep 9 (2019).
"""

from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import Pipeline

from baselines._cnn import Training, image_model
from deepmapper.layout import square_side
from deepmapper.scaling import FeatureScaler

BLOCK_ROWS = 512  # pyDeepInsight makes float64 images: keep few of them at a time


@dataclass(frozen=True)
class Params(Training):
    """The CNN and its budget are those of the method `deepmapper`.

    image_size: pixels a side; "equal" for as many pixels as DeepMapper has.
    scaling: "standard" scales features as `deepmapper` does, so that the two differ in the layout
        alone; "norm2" is the paper's own. One look at 7 development cases (one split each, seed
        101) gave no clear winner: "standard" was better in 3 (t-SNE on NIHS, 1.000 against 0.620),
        equal in 2, worse in 2 (PCA on an easy 90-feature table, 0.660 against 0.940; PCA on
        NIHS, 0.970 against 0.998). So neither may be called DeepInsight's best setting.
    """

    image_size: int | Literal["equal"] = 224
    scaling: Literal["standard", "norm2"] = "standard"


class Norm2(TransformerMixin, BaseEstimator):
    """pyDeepInsight's Norm2Scaler, kept from taking logarithms of negative numbers.

    It returns NaN where a new value lies more than 1 below the training minimum, although it means
    to cut such values to 0: they are cut to the minimum first, which gives that 0.
    """

    def fit(self, X: np.ndarray, y: object = None) -> Self:
        from pyDeepInsight.utils import Norm2Scaler  # type: ignore[attr-defined]

        self.lowest_ = -np.abs(X.min(axis=0))
        self.scaler_ = Norm2Scaler().fit(X)
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        return self.scaler_.transform(np.maximum(X, self.lowest_))


class DeepInsightConverter(TransformerMixin, BaseEstimator):
    """Features are placed by similarity; those that meet on a pixel are averaged.

    Args:
        extractor: reduces the features, shape (n_features, n_samples), to two dimensions.
        image_size: pixels a side, or "equal".
        scaling: "standard" or "norm2".
    """

    looks_at_labels = False

    def __init__(
        self, extractor: Any, image_size: int | str = 224, scaling: str = "standard"
    ) -> None:
        self.extractor = extractor
        self.image_size = image_size
        self.scaling = scaling

    def fit(self, X: np.ndarray, y: object = None) -> Self:
        """Learn the scaling and the place of each feature from X, (n_samples, n_features)."""
        from pyDeepInsight import ImageTransformer  # type: ignore[attr-defined]

        side = square_side(X.shape[1]) if self.image_size == "equal" else int(self.image_size)
        self.scaler_ = (Norm2() if self.scaling == "norm2" else FeatureScaler()).fit(X)
        self.transformer_ = ImageTransformer(self.extractor, pixels=side)
        self.transformer_.fit(self.scaler_.transform(X))
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Images, float32, (n_samples, 1, side, side), in blocks of rows."""
        images = np.empty((X.shape[0], 1, *self.transformer_.pixels), dtype=np.float32)
        for start in range(0, X.shape[0], BLOCK_ROWS):
            rows = slice(start, start + BLOCK_ROWS)
            scaled = self.scaler_.transform(X[rows])
            images[rows, 0] = self.transformer_.transform(scaled, img_format="scalar")
        return images

    def to_features(self, pixels: np.ndarray) -> np.ndarray:
        """(..., h, w) -> (..., n_features): features that share a pixel share its value."""
        rows, columns = self.transformer_._coords.T  # pyDeepInsight 0.2 has no public name for it
        return pixels[..., rows, columns]


def build_with(extractor: Any, params: Params, *, device: str, seed: int) -> Pipeline:
    """DeepInsight's images, read by the CNN of the method `deepmapper`."""
    converter = DeepInsightConverter(extractor, params.image_size, params.scaling)
    return Pipeline(
        [("convert", converter), ("model", image_model(params, device=device, seed=seed))]
    )
