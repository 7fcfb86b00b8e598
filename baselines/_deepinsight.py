"""DeepInsight's images through pyDeepInsight (GPL-3, optional, only here).

Sharma et al., "DeepInsight: a methodology to transform a non-image data to an image for convolution
neural network architecture", Sci Rep 9 (2019). Its selection of features: Sharma et al.,
"DeepFeature: feature selection in nonimage data using convolutional neural network", Brief
Bioinform 22 (2021).
"""

from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline

from baselines._published_networks import DEEPINSIGHT, RecipeParams, model_of
from datasets.table import Table
from deepmapper.attribution import evaluated, forward_steps, spatial_step
from deepmapper.errors import DeepMapperError
from deepmapper.estimators.network_classifier import NetworkClassifier
from deepmapper.images.layouts import square_side
from deepmapper.images.scaling import FeatureScaler

BLOCK_ROWS = 512  # pyDeepInsight makes float64 images: few at a time
MAX_CAMS = 64  # images a class; pyDeepInsight keeps every map in float64
CAM_BATCH = 16


@dataclass(frozen=True)
class Params(RecipeParams):
    """Settings of DeepInsight. The CNN and its training are those of `deepmapper` or its own.

    In the topic `settings`, "standard" was better on most tables. "norm2" failed on expression, but
    was better on XOR needles under t-SNE.

    Attributes
    ----------
    image_size : int or "equal"
        Pixels a side. "equal": the number of pixels that DeepMapper has.
    scaling : {"standard", "norm2"}
        "standard" scales features as `deepmapper` does. "norm2" is the paper's.
    attribution : str
        A method of DeepMapper, or "deepfeature", see `DeepFeature`.
    """

    image_size: int | Literal["equal"] = 224
    scaling: Literal["standard", "norm2"] = "standard"


class Norm2(TransformerMixin, BaseEstimator):
    """pyDeepInsight's Norm2Scaler without its NaN.

    The library returns NaN instead of 0 for a new value more than 1 below the training minimum.
    Values below the minimum are raised to it first, which gives 0.
    """

    def fit(self, X: Any, y: object = None) -> Self:
        """Learn the scale of each feature from X, (n_samples, n_features)."""
        from pyDeepInsight.utils import Norm2Scaler  # type: ignore[attr-defined]

        X = _dense(X)
        self.lowest_ = -np.abs(X.min(axis=0))
        self.scaler_ = Norm2Scaler().fit(X)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return values in 0..1, of the shape of X."""
        return self.scaler_.transform(np.maximum(_dense(X), self.lowest_))


def _dense(X: Any) -> np.ndarray:
    return X.toarray() if hasattr(X, "toarray") else X


class DeepInsightConverter(TransformerMixin, BaseEstimator):
    """Place features by similarity, and average those on the same pixel.

    `extractor` reduces the features, shape (n_features, n_samples), to two dimensions.
    """

    looks_at_labels = False

    def __init__(
        self, extractor: Any, image_size: int | str = 224, scaling: str = "standard"
    ) -> None:
        self.extractor = extractor
        self.image_size = image_size
        self.scaling = scaling

    def fit(self, X: Any, y: object = None) -> Self:
        """Learn the scaling and the place of each feature from X."""
        from pyDeepInsight import ImageTransformer  # type: ignore[attr-defined]

        side = square_side(X.shape[1]) if self.image_size == "equal" else int(self.image_size)
        self.scaler_ = (Norm2() if self.scaling == "norm2" else FeatureScaler()).fit(X)
        self.transformer_ = ImageTransformer(self.extractor, pixels=side)
        self.transformer_.fit(self.scaler_.transform(X))
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return images, float32 (n_samples, 1, side, side), made in blocks of rows."""
        images = np.empty((X.shape[0], 1, *self.transformer_.pixels), dtype=np.float32)
        for start in range(0, X.shape[0], BLOCK_ROWS):
            rows = slice(start, start + BLOCK_ROWS)
            scaled = self.scaler_.transform(X[rows])
            images[rows, 0] = self.transformer_.transform(scaled, img_format="scalar")
        return images

    def to_features(self, pixels: np.ndarray) -> np.ndarray:
        """Map (..., h, w) to (..., n_features). Features on one pixel share its value."""
        rows, columns = self.transformer_._coords.T  # no public name in pyDeepInsight 0.2
        return pixels[..., rows, columns]


class DeepFeature(NetworkClassifier):
    """Classifier that attributes as DeepFeature does, by CAMFeatureSelector.

    The Grad-CAM of each image for its own class, scaled to 0..1, is averaged over the class. The
    class selects the features on pixels at or above `cam_threshold`. Other features have
    attribution 0.

    Differences from the paper: activations order the selected features, because our metrics rank. A
    mean map below the threshold everywhere is scaled to 1 first, else it would select nothing. At
    most 64 training images a class, the mean over all passes, and one selection instead of several.
    """

    cam_threshold = 0.6

    def attribute(self, Z: Any, y: np.ndarray) -> np.ndarray:
        """Return activations, (n_classes, *Z.shape[1:]), 0 below the threshold."""
        maps = np.zeros((len(self.classes_), *Z.shape[1:]), dtype=np.float32)
        for c, label in enumerate(self.classes_):
            rows = np.flatnonzero(y == label)[:MAX_CAMS]
            if len(rows):
                images = torch.as_tensor(Z[rows]).to(self.device_)
                cams = [class_cam(network, images, c) for network in self.networks_]
                maps[c] = np.mean(cams, axis=0)
        highest = maps.max(axis=(1, 2, 3), keepdims=True)
        maps /= np.where((highest > 0) & (highest < self.cam_threshold), highest, 1)
        return np.where(maps >= self.cam_threshold, maps, 0)


def class_cam(network: torch.nn.Module, images: torch.Tensor, code: int) -> np.ndarray:
    """Return the mean activation map (h, w) of images (n, 1, h, w) of one class.

    Raises a DeepMapperError if the network has no feature map with more than one cell.
    """
    from pyDeepInsight import CAMFeatureSelector, ImageTransformer  # type: ignore[attr-defined]

    labels = torch.full((len(images),), code, device=images.device)
    with evaluated(network):
        step = spatial_step(forward_steps(network, tuple(images.shape[1:])))
        if step is None:
            message = f"deepfeature needs a map of detectors; images are {tuple(images.shape[1:])}"
            raise DeepMapperError(message)
        # The selector requires a transformer, which only its own selection of features uses.
        selector = CAMFeatureSelector(network, ImageTransformer(PCA(2)), step.module)
        images = images.detach().requires_grad_()  # the weights need none here
        return selector.calculate_class_activations(images, labels, CAM_BATCH)[code]


def supports(table: Table) -> str | None:
    """Refuse tables with too few features for a plane."""
    if table.n_features < 4:
        return f"DeepInsight needs at least 4 features for a plane, got {table.n_features}"
    return None


def build_with(extractor: Any, params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: DeepInsight's images, then one of the two CNNs."""
    classifier = None
    if params.attribution == "deepfeature":
        classifier, params = DeepFeature, replace(params, attribution="saliency")
    params, model = model_of(params, DEEPINSIGHT, classifier, device=device, seed=seed)
    converter = DeepInsightConverter(extractor, params.image_size, params.scaling)
    return Pipeline([("convert", converter), ("model", model)])
