"""`DeepMapperClassifier`: the whole pipeline of the paper as one scikit-learn estimator.

Paper: Methods 1-9 and Fig. 2.
"""

from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from deepmapper.classifier import NetworkClassifier
from deepmapper.consensus import Consensus
from deepmapper.converter import ImageConverter
from deepmapper.devices import resolve_device
from deepmapper.layout import Layout


class DeepMapperClassifier(ClassifierMixin, BaseEstimator):
    """Classify rows of a table as images, and say which features matter.

    Each feature becomes one pixel; networks are trained in passes, each on another split and from
    other weights; each accepted pass attributes its held-out images to pixels, hence to features;
    the passes are averaged.

    Args:
        layout: "natural", "random", a `Layout`, or the pixel index of each feature.
        backbone: a name in `deepmapper.backbones.BACKBONES`.
        passes: train-attribute rounds.
        epochs, batch_size, learning_rate, weight_decay, schedule, balanced: see
            `deepmapper.trainer.TrainingSettings`.
        log, scale: see `deepmapper.scaling.FeatureScaler`.
        attribution: "saliency", "integrated_gradients", or None to skip it.
        top: a feature counts as selected in a pass where it is among so many of a class.
        validation_fraction, min_accuracy: see `deepmapper.classifier.NetworkClassifier`.
        device: "auto", "cpu", "cuda" or "mps".
        random_state: seed of layout, splits, weights and batch order.

    Attributes:
        classes_: the labels.
        layout_: the `Layout` in use.
        attributions_: DataFrame (feature, class, mean, sd, selection_frequency, mean_rank), the
            best features of each class first.
        history_: list of dicts, one an epoch and pass.

    Raises:
        DeepMapperError: one class only, unknown names.
        ValueError: NaN or infinite values, wrong shapes (scikit-learn's messages).

    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(200, 30)).astype("float32")
    >>> y = np.where(X[:, 17] > 0, "high", "low")
    >>> model = DeepMapperClassifier(device="cpu").fit(X, y)
    >>> str(model.attributions_.feature[0])
    'x17'
    """

    def __init__(
        self,
        layout: str | Layout | np.ndarray = "natural",
        backbone: str = "patch",
        passes: int = 3,
        epochs: int = 10,
        batch_size: int | None = None,
        learning_rate: float = 5e-3,
        weight_decay: float = 1e-2,
        schedule: str = "one_cycle",
        balanced: bool = True,
        log: bool | str = "auto",
        scale: str = "standard",
        attribution: str | None = "saliency",
        top: int = 20,
        validation_fraction: float = 0.1,
        min_accuracy: float | None = None,
        device: str = "auto",
        random_state: int = 0,
    ) -> None:
        self.layout = layout
        self.backbone = backbone
        self.passes = passes
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.balanced = balanced
        self.log = log
        self.scale = scale
        self.attribution = attribution
        self.top = top
        self.validation_fraction = validation_fraction
        self.min_accuracy = min_accuracy
        self.device = device
        self.random_state = random_state

    @classmethod
    def published(cls, **changes: Any) -> "DeepMapperClassifier":
        """The paper's settings: natural order, log and min-max, ResNet-18 from scratch.

        AdamW 1e-3, weight decay 1e-5, batch 20, 15 epochs, 10 passes and the bar of 0.8 are those
        of the notebooks published with the paper.
        """
        settings: dict[str, Any] = {
            "backbone": "resnet18_rgb",
            "passes": 10,
            "epochs": 15,
            "batch_size": 20,
            "learning_rate": 1e-3,
            "weight_decay": 1e-5,
            "schedule": "constant",
            "balanced": False,
            "scale": "minmax",
            "validation_fraction": 0.25,
            "min_accuracy": 0.8,
        }
        return cls(**(settings | changes))

    def fit(self, X: Any, y: Any) -> Self:
        """Train on X, (n_samples, n_features), numpy, CSR or DataFrame, and labels y."""
        device = resolve_device(self.device)
        X, y = validate_data(self, X, y, accept_sparse="csr", dtype=np.float32)
        check_classification_targets(y)
        self.converter_ = ImageConverter(
            self.layout,
            log=self.log,
            scale=self.scale,
            device=str(device),
            random_state=self.random_state,
        ).fit(X)
        self.layout_ = self.converter_.layout_
        images = self.converter_.transform(X)
        self.classifier_ = self._classifier(str(device)).fit(images, y)
        self.classes_ = self.classifier_.classes_
        self.history_ = self.classifier_.history_
        if self.attribution is not None:
            self.attributions_ = self._consensus(images, y)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities (n_samples, n_classes), the mean over the accepted passes."""
        images = self.transform(X)
        return self.classifier_.predict_proba(images)

    def predict(self, X: Any) -> np.ndarray:
        """Labels (n_samples,)."""
        best = self.predict_proba(X).argmax(1)
        return self.classes_[best]

    def transform(self, X: Any) -> np.ndarray | torch.Tensor:
        """Images (n_samples, 1, height, width)."""
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype=np.float32, reset=False)
        return self.converter_.transform(X)

    def _classifier(self, device: str) -> NetworkClassifier:
        return NetworkClassifier(
            self.backbone,
            passes=self.passes,
            validation_fraction=self.validation_fraction,
            min_accuracy=self.min_accuracy,
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            schedule=self.schedule,
            balanced=self.balanced,
            attribution=self.attribution or "saliency",
            device=device,
            random_state=self.random_state,
        )

    def _consensus(self, images: Any, y: np.ndarray) -> pd.DataFrame:
        consensus = Consensus(self.top)
        for pixels in self.classifier_.attribute_held_out(images, y):
            consensus.add(self.converter_.to_features(pixels.mean(1)))
        return consensus.table(self._names(), self.classes_)

    def _names(self) -> np.ndarray:
        """The names of a DataFrame's columns, else x0, x1, ..."""
        if hasattr(self, "feature_names_in_"):
            return self.feature_names_in_
        return np.array([f"x{i}" for i in range(self.n_features_in_)], dtype=object)
