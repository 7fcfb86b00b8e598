"""`DeepMapperClassifier`: the whole pipeline of the paper as one scikit-learn estimator.

Paper: Methods 1-9 and Fig. 2.
"""

from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from deepmapper.estimators._latents import latent
from deepmapper.estimators._run_log import OnEpoch, RunLog
from deepmapper.estimators.consensus import Consensus
from deepmapper.estimators.network_classifier import NetworkClassifier
from deepmapper.images._rows import checked, feature_names, is_on_disk
from deepmapper.images.converter import ImageConverter
from deepmapper.images.layouts import Layout
from deepmapper.training.devices import resolve_device
from deepmapper.training.objectives import Classification
from deepmapper.training.streams import seed_of
from deepmapper.training.trainer import Epoch


class DeepMapperClassifier(ClassifierMixin, TransformerMixin, BaseEstimator):
    """Classify rows of a table as images, and say which features matter.

    Each feature becomes one pixel behind a gate; networks are trained in passes, each on another
    split and from other weights; each accepted pass attributes its held-out images to pixels, hence
    to features; passes are repeated until what they say agrees.

    Args:
        layout: "natural", "random", "learned", a `Layout`, or the pixel of each feature; see
            `images.layouts`.
        backbone: a name in `deepmapper.networks.backbones.BACKBONES`.
        gate, interactions: see `deepmapper.estimators.network_classifier.NetworkClassifier`.
        passes: at most so many train-attribute rounds.
        agreement: stop once the top features of two halves of the passes agree this far (0..1, see
            `Consensus.agreement`); None makes all passes.
        top: a feature counts as selected in a pass where it is among so many of a class.
        attribution: a name in `deepmapper.attribution.EXPLAINERS`, or None to leave it out.
        epochs, batch_size, learning_rate, weight_decay, schedule, target_loss, patience,
            precision: see `deepmapper.training.trainer.TrainingSettings`.
        balanced, validation_fraction, min_accuracy: see `NetworkClassifier`.
        log, scale: see `deepmapper.images.scaling.FeatureScaler`.
        stream: see `deepmapper.images.converter.ImageConverter`.
        run_log: a file to which every epoch and every pass is added, a line of JSON each.
        device: "auto", "cpu", "cuda" or "mps".
        random_state: seed of layout, splits, weights and batch order; None or a
            `numpy.random.RandomState` draws one.

    Attributes:
        classes_: the labels.
        layout_: the `Layout` in use.
        attributions_: DataFrame (feature, class, mean, sd, selection_frequency, mean_rank), the
            best features of each class first.
        consensus_: the `Consensus` behind it: agreement, the bound on false positives.
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
        gate: bool = True,
        interactions: bool | str = "auto",
        passes: int = 6,
        agreement: float | None = 0.8,
        top: int = 20,
        attribution: str | None = "saliency",
        epochs: int = 10,
        batch_size: int | None = None,
        learning_rate: float = 5e-3,
        weight_decay: float = 1e-2,
        schedule: str = "one_cycle",
        target_loss: float | None = 0.02,
        patience: int | None = None,
        precision: str = "auto",
        balanced: bool = True,
        validation_fraction: float = 0.1,
        min_accuracy: float | None = None,
        log: bool | str = "auto",
        scale: str = "standard",
        stream: bool | str = "auto",
        run_log: str | Path | None = None,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.layout = layout
        self.backbone = backbone
        self.gate = gate
        self.interactions = interactions
        self.passes = passes
        self.agreement = agreement
        self.top = top
        self.attribution = attribution
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.target_loss = target_loss
        self.patience = patience
        self.precision = precision
        self.balanced = balanced
        self.validation_fraction = validation_fraction
        self.min_accuracy = min_accuracy
        self.log = log
        self.scale = scale
        self.stream = stream
        self.run_log = run_log
        self.device = device
        self.random_state = random_state

    @classmethod
    def published(cls, **changes: Any) -> Self:
        """The paper's settings: natural order, log and min-max, ResNet-18 from scratch.

        AdamW 1e-3, weight decay 1e-5, batch 20, 15 epochs, 10 passes and the bar of 0.8 are those
        of the notebooks published with the paper.
        """
        settings: dict[str, Any] = {
            "backbone": "resnet18_rgb",
            "gate": False,
            "passes": 10,
            "agreement": None,
            "epochs": 15,
            "batch_size": 20,
            "learning_rate": 1e-3,
            "weight_decay": 1e-5,
            "schedule": "constant",
            "target_loss": None,
            "precision": "float32",
            "balanced": False,
            "scale": "minmax",
            "validation_fraction": 0.25,
            "min_accuracy": 0.8,
        }
        return cls(**(settings | changes))

    def fit(self, X: Any, y: Any, *, on_epoch: OnEpoch | None = None) -> Self:
        """Train on X, (n_samples, n_features), and labels y, (n_samples,).

        Args:
            X: numpy, CSR, a DataFrame; or a `numpy.memmap` of a table that does not fit
                in memory.
            on_epoch: called after each epoch with its row of the history.
        """
        device = resolve_device(self.device)
        X, y = self._checked(X, y)
        seed = seed_of(self.random_state)
        self.converter_ = ImageConverter(
            self.layout,
            log=self.log,
            scale=self.scale,
            stream=self.stream,
            device=str(device),
            random_state=seed,
        )
        images = self.converter_.fit_transform(X)
        self.layout_ = self.converter_.layout_
        self.consensus_ = Consensus(self.top)
        self.classifier_ = self._classifier(str(device), seed)
        log = RunLog(self.run_log)

        def after_pass() -> bool:
            if self.attribution is None:
                return False
            trained = self.classifier_.passes_[-1]
            pixels = self.classifier_.attribute_pass(trained, images, y)
            self.consensus_.add(self.converter_.to_features(pixels.mean(1)))
            agreement = self.consensus_.agreement()
            log.write({"pass": trained.number, "accepted": True, "agreement": agreement})
            return self.agreement is not None and agreement >= self.agreement

        def after_epoch(number: int, epoch: Epoch) -> None:
            row = {"pass": number, **epoch.row(Classification.score_name)}
            log.write(row)
            if on_epoch is not None:
                on_epoch(row)

        self.classifier_.fit(images, y, after_pass=after_pass, on_epoch=after_epoch)
        self.classes_ = self.classifier_.classes_
        self.history_ = self.classifier_.history_
        if self.attribution is not None:
            self.attributions_ = self.consensus_.table(feature_names(self), self.classes_)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities (n_samples, n_classes), the mean over the accepted passes."""
        images = self.transform(X)
        return self.classifier_.predict_proba(images)

    def predict(self, X: Any) -> np.ndarray:
        """Labels (n_samples,)."""
        best = self.predict_proba(X).argmax(1)
        return self.classes_[best]

    def transform(self, X: Any) -> Any:
        """Images (n_samples, 1, height, width), numpy on the CPU, else a tensor on the device."""
        check_is_fitted(self)
        return self.converter_.transform(checked(self, X, reset=False))

    def latent(self, X: Any, layer: str, number: int = 0) -> np.ndarray:
        """What a layer of a pass's network gives, (n_samples, ...).

        Args:
            layer: a name of `_latents.layer_names(model.classifier_.networks_[number])`.
            number: which of the accepted passes.

        Raises:
            DeepMapperError: no layer has that name (the message lists the nearest).
        """
        images = self.transform(X)
        if isinstance(images, np.ndarray):
            images = torch.from_numpy(images)
        values = latent(self.classifier_.networks_[number], images, layer)
        return values.cpu().numpy()

    def save(self, folder: str | Path) -> None:
        """Write the model into a folder, as safetensors and JSON; see `_saving`."""
        from deepmapper.estimators._saving import save_model

        save_model(self, folder)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """The model that `save` wrote; loading runs no code that the folder brings.

        Raises:
            DeepMapperError: no model there, or one that is damaged, altered or of another version.
        """
        from deepmapper.estimators._saving import load_model

        return load_model(folder, cls)

    def _checked(self, X: Any, y: Any) -> tuple[Any, np.ndarray]:
        if is_on_disk(X):
            X = checked(self, X, reset=True)
            y = column_or_1d(y, warn=True)
            check_consistent_length(X, y)
        else:
            X, y = validate_data(self, X, y, accept_sparse="csr", dtype=np.float32)
        check_classification_targets(y)
        return X, y

    def _classifier(self, device: str, seed: int) -> NetworkClassifier:
        """With the parameters of this estimator that it has too, by their names."""
        mine = self.get_params(deep=False)
        common = {name: mine[name] for name in NetworkClassifier().get_params() if name in mine}
        own = {
            "attribution": self.attribution or "saliency",
            "device": device,
            "random_state": seed,
        }
        return NetworkClassifier(**(common | own))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
