"""DeepInsight's conversion through pyDeepInsight, the one file that imports it (GPL-3, optional).

Sharma et al., "DeepInsight: a methodology to transform a non-image data to an image for
convolution neural network architecture", Sci Rep 9 (2019); its selection of features, DeepFeature:
Sharma et al., "DeepFeature: feature selection in nonimage data using convolutional neural network",
Brief Bioinform 22 (2021).
"""

from dataclasses import dataclass, fields, replace
from typing import Any, Literal, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone
from sklearn.pipeline import Pipeline

from baselines._cnn import Training, image_model
from datasets.table import Table
from deepmapper.attribution import evaluated, forward_steps, spatial_step
from deepmapper.errors import DeepMapperError
from deepmapper.estimators.network_classifier import NetworkClassifier
from deepmapper.images.layouts import square_side
from deepmapper.images.scaling import FeatureScaler

BLOCK_ROWS = 512  # pyDeepInsight makes float64 images: keep few of them at a time
MOST_CAMS = 64  # images a class; pyDeepInsight keeps every map in float64
CAM_BATCH = 16


@dataclass(frozen=True)
class Params(Training):
    """The CNN and its budget are those of the method `deepmapper`.

    image_size: pixels a side; "equal" for as many pixels as DeepMapper has.
    scaling: "standard" scales features as `deepmapper` does, so that the two differ in the layout
        alone; "norm2" is the paper's own. Of the six tables where `python -m bench run settings`
        tries both, "standard" was better by far on expression, madelon and the needles of the
        paper, "norm2" on XOR and sums of two needles: the profile `compare` has both.
    recipe: "published" is DeepInsight's own in place of all that is said above: see `published`.
    recipe_epochs: of the recipe "published", for a run that cannot wait for all of them.
    attribution: one of DeepMapper's, or "deepfeature": see `DeepFeature`.
    cam_threshold: of "deepfeature", the activation from which a pixel counts.
    """

    image_size: int | Literal["equal"] = 224
    scaling: Literal["standard", "norm2"] = "standard"
    recipe: Literal["shared", "published"] = "shared"
    recipe_epochs: int = 100
    cam_threshold: float = 0.6


class Norm2(TransformerMixin, BaseEstimator):
    """pyDeepInsight's Norm2Scaler, kept from taking logarithms of negative numbers.

    It returns NaN where a new value lies more than 1 below the training minimum, although it means
    to cut such values to 0: they are cut to the minimum first, which gives that 0.
    """

    def fit(self, X: np.ndarray, y: object = None) -> Self:
        from pyDeepInsight.utils import Norm2Scaler  # type: ignore[attr-defined]

        X = _dense(X)
        self.lowest_ = -np.abs(X.min(axis=0))
        self.scaler_ = Norm2Scaler().fit(X)
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        return self.scaler_.transform(np.maximum(_dense(X), self.lowest_))


def _dense(X: Any) -> np.ndarray:
    return X.toarray() if hasattr(X, "toarray") else X


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


class DeepFeature(ClassifierMixin, BaseEstimator):
    """A classifier that attributes as DeepFeature does, through pyDeepInsight's CAMFeatureSelector.

    The Grad-CAM of each image for its own class, stretched to 0..1, is averaged over the images of
    the class (the region), and the elements of a class are the features on pixels at or above the
    threshold; elsewhere the attribution is 0. Where it differs from the paper: activations order
    the selected features, for our metrics rank; a class whose mean map stays below the threshold
    everywhere is stretched to 1 first, else it would select nothing; at most 64 training images a
    class; the mean over the networks of all passes; one selection, not a repeated one on ever fewer
    features.

    Args:
        model: what trains and predicts.
        cam_threshold: the activation, 0..1, from which a pixel counts.
    """

    def __init__(self, model: NetworkClassifier, cam_threshold: float = 0.6) -> None:
        self.model = model
        self.cam_threshold = cam_threshold

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Train on images (n, 1, h, w)."""
        self.model_ = clone(self.model).fit(X, y)
        self.classes_ = self.model_.classes_
        self.history_, self.n_parameters_ = self.model_.history_, self.model_.n_parameters_
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probabilities (n, n_classes)."""
        return self.model_.predict_proba(X)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Labels (n,)."""
        return self.model_.predict(X)

    def attribute(self, Z: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Activations, (n_classes, *Z.shape[1:]), 0 below the threshold; over the rows of Z."""
        maps = np.zeros((len(self.classes_), *Z.shape[1:]), dtype=np.float32)
        for c, label in enumerate(self.classes_):
            rows = np.flatnonzero(y == label)[:MOST_CAMS]
            if len(rows):
                images = torch.as_tensor(Z[rows]).to(self.model_.device_)
                cams = [class_cam(network, images, c) for network in self.model_.networks_]
                maps[c] = np.mean(cams, axis=0)
        highest = maps.max(axis=(1, 2, 3), keepdims=True)
        maps /= np.where((highest > 0) & (highest < self.cam_threshold), highest, 1)
        return np.where(maps >= self.cam_threshold, maps, 0)


def class_cam(network: torch.nn.Module, images: torch.Tensor, code: int) -> np.ndarray:
    """The mean class activation map (h, w) of images (n, 1, h, w) of one class.

    Raises:
        DeepMapperError: the network has no map of detectors with more than one cell.
    """
    from pyDeepInsight import CAMFeatureSelector, ImageTransformer  # type: ignore[attr-defined]

    labels = torch.full((len(images),), code, device=images.device)
    with evaluated(network):
        step = spatial_step(forward_steps(network, tuple(images.shape[1:])))
        if step is None:
            message = f"deepfeature needs a map of detectors; images are {tuple(images.shape[1:])}"
            raise DeepMapperError(message)
        # The transformer would only tell the places of features, which our converter knows.
        selector = CAMFeatureSelector(network, ImageTransformer(_NoExtractor()), step.module)
        images = images.detach().requires_grad_()  # the weights need none here
        return selector.calculate_class_activations(images, labels, CAM_BATCH)[code]


class _NoExtractor:
    def fit_transform(self, X: np.ndarray) -> np.ndarray:
        raise NotImplementedError


def supports(table: Table) -> str | None:
    """Why a table is refused: a plane needs a few features."""
    if table.n_features < 4:
        return f"DeepInsight needs at least 4 features for a plane, got {table.n_features}"
    return None


def published(params: Params) -> tuple[Params, dict[str, Any]]:
    """DeepInsight's own settings: those of the converter, and those of the classifier.

    224x224 pixels, norm-2 scaling, 100 epochs in batches of 200 at a learning rate of 1e-4, as in
    the notebooks of Ersavas et al. 2024 (who took 227x227) and pyDeepInsight's. Where it differs:
    ResNet-18 from scratch (pyDeepInsight: SqueezeNet, pretrained on photographs) and AdamW with
    their weight decay of 1e-5 (pyDeepInsight: SGD with momentum).

    Raises:
        DeepMapperError: `params` set what the recipe sets.
    """
    training = {
        "max_epochs": params.recipe_epochs,
        "batch_size": 200,
        "learning_rate": 1e-4,
        "weight_decay": 1e-5,
        "schedule": "constant",
        "target_loss": None,
        "precision": "float32",
    }
    model = {
        "backbone": "resnet18_rgb",
        "gate": False,
        "passes": 1,
        "class_weight": None,
        "training": training,
    }
    own = {"image_size": 224, "scaling": "norm2", "epochs": training["max_epochs"], **model}
    own |= training
    given = {f.name: getattr(params, f.name) for f in fields(params) if f.name in own}
    asked = [name for name, value in given.items() if value != getattr(type(params)(), name)]
    if asked:
        message = (
            f"recipe='published' sets {', '.join(asked)} itself: leave {asked[0]} out, or take "
            "recipe='shared'"
        )
        raise DeepMapperError(message)
    return replace(params, image_size=224, scaling="norm2"), model


def build_with(extractor: Any, params: Params, *, device: str, seed: int) -> Pipeline:
    """DeepInsight's images, read by the CNN of the method `deepmapper`, or by the published one."""
    settings: dict[str, Any] = {}
    if params.recipe == "published":
        params, settings = published(params)
    model = image_model(params, device=device, seed=seed).set_params(**settings)
    converter = DeepInsightConverter(extractor, params.image_size, params.scaling)
    if params.attribution == "deepfeature":
        return Pipeline(
            [("convert", converter), ("model", DeepFeature(model, params.cam_threshold))]
        )
    return Pipeline([("convert", converter), ("model", model)])
