"""DeepMapper: one feature a pixel, and a CNN that has the place of each pixel.

Ersavas, Smith, Mattick, Sci Rep 14 (2024), with another CNN than the paper's, a gate in front of
it, and a screen of means, variances and pairs of features. It is `DeepMapperClassifier` with its
defaults. If the features are related as those of a signal or an image, related features become
neighbours, and a CNN without a gate reads them. Predictions are those of the networks mixed with
plain models (discriminant analysis of the strongest features, ridge regression of ranks within
rows, a forest, products of features), weighted by their losses on training rows held out
(`deepmapper.estimators.mixture`). Features are ranked by the evidence for them in the training
rows: a ridge regression, variances, pairs and triples (`deepmapper.estimators.evidence`). Saliency
breaks ties.
Limits: pairs are not searched above some 27,000 features (100,000 with at least 1,000 samples),
triples not above some 2,000.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from sklearn.pipeline import Pipeline

from baselines._cnn import Training
from deepmapper import DeepMapperClassifier
from deepmapper.estimators.network_classifier import NetworkClassifier
from deepmapper.images.converter import ImageConverter
from deepmapper.training.streams import seed_of
from deepmapper.training.trainer import PLAIN, TrainingSettings

NAMED = 0.1  # q-value


@dataclass(frozen=True)
class Params(Training):
    """Settings of the layout and the training. Each part can be left out.

    Attributes
    ----------
    layout : str
        "auto", "natural", "random", "learned" or another layout of `ImageConverter`.
    backbone, gate
        See `DeepMapperClassifier`, "auto" too.
    keep_epochs : bool
        Keep the network of each epoch for the curve on test rows, see `NetworkClassifier`.
    ranking : {"evidence", "attribution"}
        What ranks the features. "attribution": only the attribution of the network.
    plain : tuple of {"discriminant", "ranks", "products", "forest"}
        The plain models that are mixed with the networks.
    networks : bool
        False leaves the networks out of the mixture.
    """

    passes: int = 5
    layout: str = "auto"
    backbone: str = "auto"
    gate: bool | Literal["auto"] = "auto"  # type: ignore[assignment]
    keep_epochs: bool = False
    ranking: Literal["evidence", "attribution"] = "evidence"
    plain: tuple[str, ...] = PLAIN
    networks: bool = True


class TableImages:
    """Images (n, 1, h, w) with their rows of the table, X (n, n_features)."""

    ndim = 4

    def __init__(self, X: Any, images: Any, converter: ImageConverter) -> None:
        self.X, self.images, self.converter = X, images, converter
        self.shape = images.shape

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: Any) -> Any:
        return self.images[rows]


class TableConverter(ImageConverter):
    """An `ImageConverter` that keeps the rows beside the images."""

    def transform(self, X: Any) -> TableImages:
        """Make images from rows, without a copy of the rows.

        Parameters
        ----------
        X : array or CSR of shape (n_samples, n_features)

        Returns
        -------
        TableImages
        """
        return TableImages(X, super().transform(X), self)

    def fit_transform(self, X: Any, y: object = None, **fit_params: Any) -> TableImages:
        """Do `fit`, then `transform`.

        Parameters
        ----------
        X : array or CSR of shape (n_samples, n_features)
        y : ignored
        **fit_params : ignored

        Returns
        -------
        TableImages
        """
        return self.fit(X).transform(X)


class ImageModel(DeepMapperClassifier):
    """A `DeepMapperClassifier` whose images are made before, on another clock."""

    keep_epochs = False
    ranking = "evidence"

    def fit(self, Z: TableImages, y: np.ndarray) -> "ImageModel":  # type: ignore[override]
        """Train on images.

        Parameters
        ----------
        Z : TableImages of shape (n_samples, 1, h, w)
        y : array of shape (n_samples,)

        Returns
        -------
        self : ImageModel
        """
        self.converter_ = Z.converter
        self.n_features_in_ = Z.X.shape[1]
        return self._fit_images(Z.X, Z.images, y, seed=seed_of(self.random_state))

    def predict_proba(self, Z: TableImages) -> np.ndarray:
        """Probabilities of images.

        Parameters
        ----------
        Z : TableImages of shape (n_samples, 1, h, w)

        Returns
        -------
        array of shape (n_samples, n_classes)
        """
        return self._predict_images(Z.X, Z.images)

    def staged_predict_proba(self, Z: TableImages) -> Iterator[np.ndarray]:
        """Probabilities of the first network after each epoch.

        Parameters
        ----------
        Z : TableImages of shape (n_samples, 1, h, w)

        Yields
        ------
        array of shape (n_samples, n_classes)
        """
        return self.classifier_.staged_predict_proba(Z.images)

    def attribute(self, Z: TableImages, y: np.ndarray) -> np.ndarray:
        """Return -log p of each class and feature, plus its share of the networks' attribution.

        Parameters
        ----------
        Z : TableImages of shape (n_samples, 1, h, w)
        y : array of shape (n_samples,)
            Labels.

        Returns
        -------
        array of shape (n_classes, 1, h, w)
        """
        shares = self.classifier_.attribute(Z.images, y)
        if self.ranking == "attribution":
            return shares
        strength = self.converter_.layout_.fold(self.evidence_.strength.astype(np.float32))
        return (strength + shares).astype(np.float32)

    @property
    def selected_(self) -> np.ndarray | None:
        """The features whose q-value is at most 0.1, bool (n_features,), if evidence ranks them."""
        if self.ranking == "attribution" or not hasattr(self, "evidence_"):
            return None
        return np.asarray(self.evidence_.q_value_of_any <= NAMED)

    @property
    def n_parameters_(self) -> int:
        """The number of weights of a network."""
        return self.classifier_.n_parameters_

    def _classifier(self, settings: TrainingSettings, seed: int) -> NetworkClassifier:
        return super()._classifier(settings, seed).set_params(keep_epochs=self.keep_epochs)


def build(
    params: Params, kind: type[ImageModel] = ImageModel, *, device: str, seed: int
) -> Pipeline:
    """Return the pipeline: fold, then train, both on the device."""
    training = {
        "max_epochs": params.epochs,
        "learning_rate": params.learning_rate,
        "plain": params.plain,
        "networks": params.networks,
    }
    model = kind(
        backbone=params.backbone,
        gate=params.gate,
        passes=params.passes,
        attribution=params.attribution,
        training=training,
        device=device,
        random_state=seed,
    )
    model.keep_epochs, model.ranking = params.keep_epochs, params.ranking
    converter = TableConverter(params.layout, device=device, random_state=seed)
    return Pipeline([("convert", converter), ("model", model)])
