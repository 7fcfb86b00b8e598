"""A scikit-learn classifier made of networks: trained in passes, their probabilities averaged.

Paper: Methods 8 ("Begin iteration: separate the data into training and validation groups, train
..."), Fig. 2 ("The run is then repeated ... by shuffling training testing and validation data").
"""

import copy
import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.utils.validation import check_is_fitted
from torch import nn

from deepmapper.attribution import attribute
from deepmapper.errors import DeepMapperError
from deepmapper.images._folded import FoldedRows, RowsOf, mean_image
from deepmapper.networks._assembly import Backbone, build_network, screened_gate
from deepmapper.training.devices import resolve_device
from deepmapper.training.objectives import Classification, class_weights
from deepmapper.training.streams import stream_seed, torch_stream
from deepmapper.training.trainer import Epoch, TrainingSettings, autocast, predict_logits, train


@dataclass(frozen=True)
class Pass:
    """One trained network.

    Args:
        number: counted from 0.
        network: in evaluation mode.
        training, held_out: indices of the images it trained on, and of those it did not.
        accuracy: on the images held out; None where there were none.
        history: a dict an epoch.
    """

    number: int
    network: nn.Module
    training: np.ndarray
    held_out: np.ndarray
    accuracy: float | None
    history: list[dict[str, Any]]


class NetworkClassifier(ClassifierMixin, BaseEstimator):
    """Train a network on images in one or more passes, each with its own split and weights.

    Args:
        backbone: a name in `networks.backbones.BACKBONES`, or build(shape, n_classes) -> module
            for inputs of shape (n, *shape).
        gate: put a gate before every pixel (`networks.gate`), opened by a screen of the pass's
            training images (`networks.screen`) and trained with the network; none where the
            screen finds nothing to close.
        interactions: whether the screen searches all pairs of pixels; see `screen`.
        passes: at most so many networks; their probabilities are averaged.
        validation_fraction: the share of each pass's images held out to judge it; 0 for none.
        min_accuracy: a pass below this accuracy on its held-out images does not count; None asks
            it to beat the share of the largest class. If none passes, the best one is kept.
        epochs, batch_size, learning_rate, weight_decay, optimiser, momentum, schedule,
            target_loss, patience, precision: see `TrainingSettings`.
        balanced: weigh classes by the inverse of their share.
        attribution: a name in `deepmapper.attribution.EXPLAINERS`.
        keep_epochs: keep the weights after every epoch of the first pass, in host memory, for
            `staged_predict_proba`.
        device: "auto", "cpu", "cuda", "mps".
        random_state: seed of splits, weights and batch order.

    Attributes:
        passes_: the accepted `Pass`es.
        networks_: their networks.
        history_: a list of dicts, one an epoch and pass, accepted or not.
        n_parameters_: weights of one network.
    """

    def __init__(
        self,
        backbone: Backbone = "patch",
        gate: bool = True,
        interactions: bool | str = "auto",
        passes: int = 1,
        validation_fraction: float = 0.1,
        min_accuracy: float | None = None,
        epochs: int = 10,
        batch_size: int | None = None,
        learning_rate: float = 5e-3,
        weight_decay: float = 1e-2,
        optimiser: str = "adamw",
        momentum: float = 0.0,
        schedule: str = "one_cycle",
        target_loss: float | None = 0.02,
        patience: int | None = None,
        precision: str = "auto",
        balanced: bool = True,
        attribution: str = "saliency",
        keep_epochs: bool = False,
        device: str = "auto",
        random_state: int = 0,
    ) -> None:
        self.backbone = backbone
        self.gate = gate
        self.interactions = interactions
        self.passes = passes
        self.validation_fraction = validation_fraction
        self.min_accuracy = min_accuracy
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.optimiser = optimiser
        self.momentum = momentum
        self.schedule = schedule
        self.target_loss = target_loss
        self.patience = patience
        self.precision = precision
        self.balanced = balanced
        self.attribution = attribution
        self.keep_epochs = keep_epochs
        self.device = device
        self.random_state = random_state

    def fit(
        self,
        X: Any,
        y: np.ndarray,
        *,
        after_pass: Callable[[], bool] | None = None,
        on_epoch: Callable[[int, Epoch], None] | None = None,
    ) -> Self:
        """Train on images X and labels y, (n_samples,).

        Args:
            X: (n_samples, ...), numpy, tensor or `deepmapper.images._folded.FoldedRows`.
            after_pass: called after every accepted pass, with `passes_` as it is by then; no more
                are made once it says True.
            on_epoch: called with the pass's number and what the epoch gave.

        Raises:
            DeepMapperError: fewer than two classes, settings that make no sense.
            Diverged: the loss became NaN or infinite.
        """
        if self.passes < 1:
            message = f"passes must be 1 or more, got {self.passes}"
            raise DeepMapperError(message)
        self.device_ = resolve_device(self.device)
        self.classes_, codes = np.unique(np.asarray(y), return_inverse=True)
        if len(self.classes_) < 2:
            message = f"training needs two classes or more, got one class: {self.classes_.tolist()}"
            raise DeepMapperError(message)
        images = self._to_device(X)
        labels = torch.from_numpy(codes).to(self.device_)
        bar = self.min_accuracy
        if bar is None:
            bar = float(np.bincount(codes).max() / len(codes))
        self.history_: list[dict[str, Any]] = []
        self.passes_: list[Pass] = []
        self._epochs: list[dict[str, torch.Tensor]] = []  # weights: no part of a saved model
        rejected: list[Pass] = []
        for number in range(self.passes):
            trained = self._train_pass(number, images, labels, codes, on_epoch)
            is_good = trained.accuracy is None or trained.accuracy > bar
            self.history_ += [{**row, "accepted": is_good} for row in trained.history]
            (self.passes_ if is_good else rejected).append(trained)
            if is_good and after_pass is not None and after_pass():
                break
        if not self.passes_:
            best = max(rejected, key=lambda trained: trained.accuracy or 0.0)
            self.passes_ = [best]
            warnings.warn(
                f"no pass was better than {bar:.3f} on its held-out images; the best one "
                f"({best.accuracy:.3f}) is kept",
                stacklevel=2,
            )
            if after_pass is not None:
                after_pass()
        self.networks_ = [trained.network for trained in self.passes_]
        self.n_parameters_ = sum(p.numel() for p in self.networks_[0].parameters())
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities (n_samples, n_classes), the mean over the accepted passes."""
        check_is_fitted(self)
        images = self._to_device(X)
        probabilities = [
            predict_logits(
                network, images, cast=autocast(network, self.device_, self.precision)
            ).softmax(1)
            for network in self.networks_
        ]
        return torch.stack(probabilities).mean(0).double().cpu().numpy()

    def predict(self, X: Any) -> np.ndarray:
        """Labels (n_samples,), as given to `fit`."""
        best = self.predict_proba(X).argmax(1)
        return self.classes_[best]

    def staged_predict_proba(self, X: Any) -> Iterator[np.ndarray]:
        """Probabilities (n_samples, n_classes) after each epoch of the first pass.

        Raises:
            DeepMapperError: the weights were not kept: `keep_epochs` was False.
        """
        check_is_fitted(self)
        if not self._epochs:
            message = "staged_predict_proba needs the weights after each epoch: keep_epochs=True"
            raise DeepMapperError(message)
        images = self._to_device(X)
        network = copy.deepcopy(self.networks_[0])
        for weights in self._epochs:
            network.load_state_dict(weights)
            cast = autocast(network, self.device_, self.precision)
            yield predict_logits(network, images, cast=cast).softmax(1).double().cpu().numpy()

    def attribute(self, Z: Any, y: np.ndarray) -> np.ndarray:
        """Mean absolute attribution, (n_classes, *Z.shape[1:]), over the rows of Z and passes."""
        check_is_fitted(self)
        images = self._to_device(Z)
        labels = torch.from_numpy(np.searchsorted(self.classes_, y)).to(self.device_)
        baseline = mean_image(images, torch.arange(len(images), device=self.device_))
        maps = [self._attribute(network, images, labels, baseline) for network in self.networks_]
        return np.mean([m / max(float(m.sum()), 1e-30) for m in maps], axis=0)

    def attribute_pass(self, trained: Pass, X: Any, y: np.ndarray) -> np.ndarray:
        """The map of one pass, (n_classes, *X.shape[1:]), over the images it did not train on.

        X and y are those given to `fit`. Over its training images where none were held out; the
        baseline is their mean in either case.
        """
        images = self._to_device(X)
        labels = torch.from_numpy(np.searchsorted(self.classes_, y)).to(self.device_)
        training, held_out = self._rows(trained.training), self._rows(trained.held_out)
        rows = held_out if len(held_out) else training
        baseline = mean_image(images, training)
        return self._attribute(trained.network, RowsOf(images, rows), labels[rows], baseline)

    def _attribute(
        self, network: nn.Module, images: Any, labels: torch.Tensor, baseline: torch.Tensor
    ) -> np.ndarray:
        n_classes = len(self.classes_)
        return (
            attribute(
                network,
                images,
                labels,
                method=self.attribution,
                n_classes=n_classes,
                baseline=baseline,
            )
            .cpu()
            .numpy()
        )

    def _train_pass(
        self,
        number: int,
        images: Any,
        labels: torch.Tensor,
        codes: np.ndarray,
        on_epoch: Callable[[int, Epoch], None] | None,
    ) -> Pass:
        training, held_out = self._split(number, codes)
        network = self._network(number, images, labels, training)
        # For layers that draw from torch's global generator, such as dropout that is not ours.
        with torch_stream(self.random_state, "training", number):
            return self._train_one(number, training, held_out, network, images, labels, on_epoch)

    def _network(
        self, number: int, images: Any, labels: torch.Tensor, training: np.ndarray
    ) -> nn.Module:
        shape = tuple(images.shape[1:])
        gate = None
        if self.gate and len(shape) == 3:
            rows = self._rows(training)
            gate = screened_gate(
                RowsOf(images, rows),
                labels[rows],
                len(self.classes_),
                interactions=self.interactions,
                seed=stream_seed(self.random_state, "screen", number) % 2**32,
            )
        with torch_stream(self.random_state, "initialisation", number):
            network = build_network(self.backbone, shape, len(self.classes_), gate=gate)
        return network.to(self.device_)

    def _train_one(
        self,
        number: int,
        training: np.ndarray,
        held_out: np.ndarray,
        network: nn.Module,
        images: Any,
        labels: torch.Tensor,
        on_epoch: Callable[[int, Epoch], None] | None,
    ) -> Pass:
        seed = stream_seed(self.random_state, "batches", number) % 2**63
        weight = class_weights(labels, len(self.classes_)) if self.balanced else None
        rows, rest = self._rows(training), self._rows(held_out)

        def after_epoch(epoch: Epoch) -> None:
            if self.keep_epochs and number == 0:
                weights = network.state_dict().items()
                self._epochs.append({name: value.to("cpu", copy=True) for name, value in weights})
            if on_epoch is not None:
                on_epoch(number, epoch)

        history = train(
            network,
            (RowsOf(images, rows), labels[rows]),
            self._settings(),
            objective=Classification(weight),
            generator=torch.Generator().manual_seed(seed),
            validation=(RowsOf(images, rest), labels[rest]) if len(rest) else None,
            on_epoch=after_epoch,
        )
        network.eval()
        rows_of_history = [{"pass": number, **e.row(Classification.score_name)} for e in history]
        accuracy = history[-1].validation_score
        return Pass(number, network, training, held_out, accuracy, rows_of_history)

    def _settings(self) -> TrainingSettings:
        names = (field.name for field in fields(TrainingSettings))
        return TrainingSettings(**{name: getattr(self, name) for name in names})

    def _split(self, number: int, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows to train on and rows held out, stratified; none held out where classes are tiny."""
        n, n_classes = len(codes), len(self.classes_)
        n_held_out = math.ceil(self.validation_fraction * n)
        everything = np.arange(n), np.empty(0, dtype=np.int64)
        if self.validation_fraction == 0:
            return everything
        if n_held_out < n_classes or np.bincount(codes).min() < 2 or n - n_held_out < n_classes:
            warnings.warn(
                f"{n} samples of {n_classes} classes are too few to hold out "
                f"{self.validation_fraction:.0%} of each; passes train on all and are not judged",
                stacklevel=4,
            )
            return everything
        seed = stream_seed(self.random_state, "validation", number) % 2**32
        split = StratifiedShuffleSplit(1, test_size=n_held_out, random_state=seed)
        return next(split.split(np.zeros((n, 1)), codes))

    def _rows(self, rows: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(rows).to(self.device_)

    def _to_device(self, X: Any) -> Any:
        if isinstance(X, FoldedRows):
            return X
        if not isinstance(X, torch.Tensor):
            array = np.ascontiguousarray(X, dtype=np.float32)
            X = torch.from_numpy(array if array.flags.writeable else array.copy())
        return X.to(self.device_)
