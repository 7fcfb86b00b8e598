"""A scikit-learn classifier of images: networks trained in passes and averaged.

Paper: Methods 8 ("Begin iteration: separate the data into training and validation groups, train
..."), Fig. 2 ("The run is then repeated ... by shuffling training testing and validation data").
"""

import copy
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
import torch
from sklearn.base import ClassifierMixin
from sklearn.model_selection import StratifiedKFold
from sklearn.utils import compute_class_weight
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted
from torch import nn

from deepmapper.attribution import EXPLAINERS, attribute
from deepmapper.errors import DeepMapperError
from deepmapper.estimators._base import ValidatedEstimator
from deepmapper.images.converter import FoldedRows, RowsOf, mean_image
from deepmapper.networks._assembly import Backbone, build_network, screened_gate
from deepmapper.networks.gate import GatedNetwork, PixelGate
from deepmapper.training.devices import few_threads_for, resolve_device
from deepmapper.training.objectives import Classification, class_weights, weighted_mean
from deepmapper.training.streams import seed_of, stream_seed, torch_stream
from deepmapper.training.trainer import Epoch, TrainingSettings, autocast, predict_logits, train

__all__ = ["NetworkClassifier", "Pass"]

ClassWeight = str | Mapping[Any, float] | None
Training = TrainingSettings | Mapping[str, Any] | None
DEFAULT_FRACTION = 0.1  # of the images, held out by a pass
MOST_ATTRIBUTED = 128  # images that attribution runs at a time


@dataclass(frozen=True)
class Pass:
    """One trained network.

    Parameters
    ----------
    number : int
        Counted from 0.
    network : nn.Module
        In evaluation mode.
    training, held_out : int array
        Rows of the images for training, and of those held out.
    accuracy : float or None
        On the held-out images, None without them. Samples are weighted as in the loss, so with
        class_weight="balanced" this is balanced accuracy.
    history : list of dict
        One per epoch.
    """

    number: int
    network: nn.Module
    training: np.ndarray
    held_out: np.ndarray
    accuracy: float | None
    history: list[dict[str, Any]]


@dataclass(frozen=True)
class _TrainingData:
    """The training data of all passes.

    `images` (n, ...) are a tensor or `FoldedRows`. `labels` are class codes (n,) on the device, and
    `codes` the same on the host. `sample_weight` (n,) and `class_weight` (n_classes,) are None for
    equal weights.
    """

    images: Any
    labels: torch.Tensor
    codes: np.ndarray
    sample_weight: torch.Tensor | None
    class_weight: torch.Tensor | None

    def weights(self, rows: torch.Tensor | slice = slice(None)) -> torch.Tensor:
        """The weight of each row in the loss."""
        labels = self.labels[rows]
        weights = torch.ones(len(labels), dtype=torch.float64, device=labels.device)
        if self.class_weight is not None:
            weights *= self.class_weight[labels]
        if self.sample_weight is not None:
            weights *= self.sample_weight[rows]
        return weights

    def accuracy(self, logits: torch.Tensor, rows: torch.Tensor) -> float:
        """The weighted share of rows that their logits classify correctly."""
        is_correct = (logits.argmax(1) == self.labels[rows]).double()
        return float(weighted_mean(is_correct, self.weights(rows)))

    def best_constant_accuracy(self, n_classes: int) -> float:
        """The largest weighted share of a class: the accuracy of always naming it."""
        totals = torch.bincount(self.labels, self.weights(), minlength=n_classes)
        return float(totals.max() / totals.sum())


class SelectedPixels:
    """The pixels of images that a gate reads, (n, 1, h, w), selected when rows are read."""

    def __init__(self, images: Any, gate: PixelGate) -> None:
        self.images, self.gate = images, gate
        self.shape = (len(images), *gate.weight.shape)

    @classmethod
    def of(cls, images: Any, gate: PixelGate) -> Any:
        """Select the pixels of a tensor at once, of other images when rows are read."""
        return gate.select(images) if isinstance(images, torch.Tensor) else cls(images, gate)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: Any) -> torch.Tensor:
        return self.gate.select(self.images[rows])


class NetworkClassifier(ClassifierMixin, ValidatedEstimator):
    """Train a network on images in passes, each with its own split and weights.

    Parameters
    ----------
    backbone : str or callable, default="patch"
        A name in `networks.backbones.BACKBONES`, or build(shape, n_classes) -> module for inputs of
        shape (n, *shape).
    gate : bool, default=True
        Put a gate before every pixel (`networks.gate`). It is opened by a screen of the pass's
        training images (`networks.screen`) and trained with the network. A pass has no gate if the
        screen finds nothing to close.
    passes : int, default=1
        Maximum number of networks to train. Their probabilities are averaged.
    class_weight : "balanced", dict of class to weight, or None, default="balanced"
        "balanced" weighs classes by the inverse of their share. None weighs all samples equally.
    training : TrainingSettings or mapping, default=None
        A mapping gives names and values. If no pass reaches `min_accuracy`, the best one is kept.
    attribution : str, default="saliency"
        A name in `deepmapper.attribution.EXPLAINERS`.
    most_pixels : int, default=None
        A square number. Behind a gate, a network of more than twice as many pixels reads only those
        that the screen opens most, in a smaller image. Pixels lose their neighbours.
    keep_epochs : bool, default=False
        Keep the weights after every epoch of the first pass, in host memory, for
        `staged_predict_proba`.
    device : {"auto", "cpu", "cuda", "mps"}, default="auto"
    random_state : int, RandomState or None, default=None
        Seed of splits, weights and batch order. None or a RandomState draws one.

    Attributes
    ----------
    passes_ : list of Pass
        The accepted ones.
    networks_ : list of nn.Module
        Their networks.
    history_ : list of dict
        One per epoch and pass. "accepted" tells whether the pass was accepted.
    n_parameters_ : int
        Number of weights of one network.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "backbone": [str, callable],
        "gate": ["boolean"],
        "passes": [Interval(Integral, 1, None, closed="left")],
        "class_weight": [StrOptions({"balanced"}), Mapping, None],
        "training": [TrainingSettings, Mapping, None],
        "attribution": [StrOptions(set(EXPLAINERS))],
        "most_pixels": [Interval(Integral, 1, None, closed="left"), None],
        "keep_epochs": ["boolean"],
        "device": [str],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        backbone: Backbone = "patch",
        gate: bool = True,
        passes: int = 1,
        class_weight: ClassWeight = "balanced",
        training: Training = None,
        attribution: str = "saliency",
        most_pixels: int | None = None,
        keep_epochs: bool = False,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.backbone = backbone
        self.gate = gate
        self.passes = passes
        self.class_weight = class_weight
        self.training = training
        self.attribution = attribution
        self.most_pixels = most_pixels
        self.keep_epochs = keep_epochs
        self.device = device
        self.random_state = random_state

    def fit(
        self,
        X: Any,
        y: np.ndarray,
        sample_weight: np.ndarray | None = None,
        *,
        pairs: np.ndarray | None = None,
        after_pass: Callable[[], bool] | None = None,
        on_epoch: Callable[[int, Epoch], None] | None = None,
    ) -> Self:
        """Train on images.

        Parameters
        ----------
        X : array, tensor or `FoldedRows` of shape (n_samples, ...)
        y : array of shape (n_samples,)
            Labels.
        sample_weight : array of shape (n_samples,), default=None
            Weights in the loss and in the accuracy of a pass.
        pairs : int array of shape (m, 2), default=None
            The pairs of pixels that the screens of the passes compare. Default: each searches all.
        after_pass : callable, default=None
            Called after every accepted pass, which `passes_` then holds. If it returns True,
            training ends.
        on_epoch : callable, default=None
            Called after each epoch with the number of the pass and its `Epoch`.

        Returns
        -------
        self : NetworkClassifier

        Raises
        ------
        DeepMapperError
            There are fewer than two classes, or parameters are out of range.
        DivergedError
            The loss became NaN or infinite.
        """
        self._validate_params()
        settings = TrainingSettings.of(self.training)
        self.device_ = resolve_device(self.device)
        self.seed_ = seed_of(self.random_state)
        self.classes_, codes = np.unique(np.asarray(y), return_inverse=True)
        if len(self.classes_) < 2:
            message = f"training needs two classes or more, got one class: {self.classes_.tolist()}"
            raise DeepMapperError(message)
        labels = torch.from_numpy(codes).to(self.device_)
        data = _TrainingData(
            self._to_device(X), labels, codes, *self._weights(y, labels, sample_weight)
        )
        min_accuracy = settings.min_accuracy
        if min_accuracy is None:
            min_accuracy = data.best_constant_accuracy(len(self.classes_))
        self.history_: list[dict[str, Any]] = []
        self.passes_: list[Pass] = []
        self._pairs = pairs
        self._held_out: list[tuple[np.ndarray, np.ndarray]] = []  # rows and their probabilities
        self._epochs: list[dict[str, torch.Tensor]] = []  # weights: no part of a saved model
        rejected: list[Pass] = []
        for number in range(self.passes):
            trained = self._train_pass(number, data, settings, on_epoch)
            is_good = trained.accuracy is None or trained.accuracy > min_accuracy
            self.history_ += [{**row, "accepted": is_good} for row in trained.history]
            (self.passes_ if is_good else rejected).append(trained)
            if is_good and after_pass is not None and after_pass():
                break
        if not self.passes_:
            self.passes_ = [max(rejected, key=lambda trained: trained.accuracy or 0.0)]
            warnings.warn(
                f"no pass was better than {min_accuracy:.3f} on its held-out images; the best one "
                f"({self.passes_[0].accuracy:.3f}) is kept",
                stacklevel=2,
            )
            if after_pass is not None:
                after_pass()
        self.networks_ = [trained.network for trained in self.passes_]
        self.n_parameters_ = sum(p.numel() for p in self.networks_[0].parameters())
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Average the probabilities over the accepted passes.

        Parameters
        ----------
        X : array, tensor or `FoldedRows` of shape (n_samples, ...)

        Returns
        -------
        array of shape (n_samples, n_classes)
        """
        check_is_fitted(self)
        images = self._to_device(X)
        probabilities = [self._probabilities(network, images) for network in self.networks_]
        return torch.stack(probabilities).mean(0).double().cpu().numpy()

    def predict(self, X: Any) -> np.ndarray:
        """Predict the labels, as given to `fit`.

        Parameters
        ----------
        X : array, tensor or `FoldedRows` of shape (n_samples, ...)

        Returns
        -------
        array of shape (n_samples,)
        """
        best = self.predict_proba(X).argmax(1)
        return self.classes_[best]

    def staged_predict_proba(self, X: Any) -> Iterator[np.ndarray]:
        """Probabilities after each epoch of the first pass.

        Parameters
        ----------
        X : array, tensor or `FoldedRows` of shape (n_samples, ...)

        Yields
        ------
        array of shape (n_samples, n_classes)

        Raises
        ------
        DeepMapperError
            The weights were not kept: `keep_epochs` was False.
        """
        check_is_fitted(self)
        if not self._epochs:
            message = "staged_predict_proba needs the weights after each epoch: keep_epochs=True"
            raise DeepMapperError(message)
        images = self._to_device(X)
        network = copy.deepcopy(self.networks_[0])
        for weights in self._epochs:
            network.load_state_dict(weights)
            yield self._probabilities(network, images).double().cpu().numpy()

    def held_out_proba(self) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities of the training rows that passes held out.

        Rejected passes count too. A pass is accepted by its accuracy on these rows, so without the
        rejected ones noise would look predictable.

        Returns
        -------
        tuple of an int array of shape (m,) and an array of shape (m, n_classes)
            The rows, ascending, and the mean of their probabilities over the passes that held them
            out.
        """
        check_is_fitted(self)
        n_rows = max((int(rows.max()) + 1 for rows, _ in self._held_out), default=0)
        totals, counts = np.zeros((n_rows, len(self.classes_))), np.zeros(n_rows)
        for rows, probabilities in self._held_out:
            totals[rows] += probabilities
            counts[rows] += 1
        rows = np.flatnonzero(counts)
        return rows, totals[rows] / counts[rows, None]

    def attribute(self, Z: Any, y: np.ndarray) -> np.ndarray:
        """Mean absolute attribution over rows and passes.

        Parameters
        ----------
        Z : array, tensor or `FoldedRows` of shape (n_samples, ...)
        y : array of shape (n_samples,)
            Labels.

        Returns
        -------
        array of shape (n_classes, *Z.shape[1:])
            All values together add up to 1.
        """
        check_is_fitted(self)
        images = self._to_device(Z)
        labels = torch.from_numpy(np.searchsorted(self.classes_, y)).to(self.device_)
        baseline = mean_image(images, torch.arange(len(images), device=self.device_))
        maps = [self._attribute(network, images, labels, baseline) for network in self.networks_]
        return np.mean([m / max(float(m.sum()), 1e-30) for m in maps], axis=0)

    def attribute_pass(self, trained: Pass, X: Any, y: np.ndarray) -> np.ndarray:
        """The map of one pass over its held-out images.

        Without held-out images, the training images are used. The baseline is always the mean of
        the training images.

        Parameters
        ----------
        trained : Pass
            An element of `passes_`.
        X : array, tensor or `FoldedRows` of shape (n_samples, ...)
        y : array of shape (n_samples,)
            Both as given to `fit`.

        Returns
        -------
        array of shape (n_classes, *X.shape[1:])
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
        batch_size = min(len(images), MOST_ATTRIBUTED)
        with few_threads_for(network, images, batch_size, self.device_):
            maps = attribute(
                network,
                images,
                labels,
                method=self.attribution,
                n_classes=len(self.classes_),
                baseline=baseline,
            )
        return maps.cpu().numpy()

    def _probabilities(self, network: nn.Module, images: Any) -> torch.Tensor:
        cast = autocast(network, self.device_, TrainingSettings.of(self.training).precision)
        return predict_logits(network, images, cast=cast).softmax(1)

    def _weights(
        self, y: np.ndarray, labels: torch.Tensor, sample_weight: np.ndarray | None
    ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """Weights of the samples (n,) and of the classes (n_classes,). None if equal."""
        samples = None
        if sample_weight is not None:
            samples = torch.from_numpy(np.asarray(sample_weight, dtype=np.float32)).to(self.device_)
        if self.class_weight is None:
            return samples, None
        if isinstance(self.class_weight, str):
            return samples, class_weights(labels, len(self.classes_), samples)
        weights = compute_class_weight(dict(self.class_weight), classes=self.classes_, y=y)
        return samples, torch.from_numpy(weights.astype(np.float32)).to(self.device_)

    def row_weights(self, y: np.ndarray, sample_weight: np.ndarray | None = None) -> torch.Tensor:
        """The weight of each row in the loss: that of its class times its own.

        Parameters
        ----------
        y : array of shape (n_samples,)
        sample_weight : array of shape (n_samples,), default=None
            Both as given to `fit`.

        Returns
        -------
        float64 tensor of shape (n_samples,)
        """
        codes = torch.from_numpy(np.searchsorted(self.classes_, y)).to(self.device_)
        weights = self._weights(y, codes, sample_weight)
        return _TrainingData(None, codes, np.empty(0), *weights).weights()

    def _train_pass(
        self,
        number: int,
        data: "_TrainingData",
        settings: TrainingSettings,
        on_epoch: Callable[[int, Epoch], None] | None,
    ) -> Pass:
        fraction = settings.validation_fraction
        fraction = DEFAULT_FRACTION if fraction is None else fraction
        training, held_out = self._split(number, data.codes, fraction)
        rows, validation = self._rows(training), self._rows(held_out)
        network = self._network(number, data, rows, settings.interactions)
        images, reader = data.images, network  # the images that are read, and what reads them
        if isinstance(network, GatedNetwork) and network.gate.pixels is not None:
            images = SelectedPixels.of(data.images, network.gate)
            reader = GatedNetwork(network.gate.after_selection(), network.backbone)

        def after_epoch(epoch: Epoch) -> None:
            if self.keep_epochs and number == 0:
                weights = network.state_dict().items()
                self._epochs.append({name: value.to("cpu", copy=True) for name, value in weights})
            if on_epoch is not None:
                on_epoch(number, epoch)

        seed = stream_seed(self.seed_, "batches", number) % 2**63
        # For layers that draw from torch's global generator, such as torch's own dropout.
        with torch_stream(self.seed_, "training", number):
            epochs = train(
                reader,
                (RowsOf(images, rows), data.labels[rows]),
                settings,
                objective=Classification(data.class_weight),
                generator=torch.Generator().manual_seed(seed),
                weights=None if data.sample_weight is None else data.sample_weight[rows],
                validation=(RowsOf(images, validation), data.labels[validation])
                if len(validation)
                else None,
                on_epoch=after_epoch,
            )
        network.eval()
        cast = autocast(network, self.device_, settings.precision)
        accuracy = None
        if len(validation):
            logits = predict_logits(reader.eval(), RowsOf(images, validation), cast=cast)
            accuracy = data.accuracy(logits, validation)
            self._held_out.append((held_out, logits.softmax(1).double().cpu().numpy()))
        history = [{"pass": number, **e.row(Classification.score_name)} for e in epochs]
        return Pass(number, network, training, held_out, accuracy, history)

    def _network(
        self, number: int, data: "_TrainingData", rows: torch.Tensor, interactions: bool | str
    ) -> nn.Module:
        shape = tuple(data.images.shape[1:])
        gate = None
        if self.gate and len(shape) == 3:
            gate = screened_gate(
                RowsOf(data.images, rows),
                data.labels[rows],
                len(self.classes_),
                interactions=interactions,
                candidates=self._pairs,
                most_pixels=self.most_pixels,
                seed=stream_seed(self.seed_, "screen", number) % 2**32,
            )
        with torch_stream(self.seed_, "initialisation", number):
            network = build_network(self.backbone, shape, len(self.classes_), gate=gate)
        return network.to(self.device_)

    def _split(
        self, number: int, codes: np.ndarray, fraction: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rows to train on and rows held out: a fold of repeated stratified cross-validation.

        So few passes hold out as many different rows as they can. The only row of a class is held
        out once, by a pass that does not know the class.
        """
        n, n_classes = len(codes), len(self.classes_)
        n_held_out = math.ceil(fraction * n)
        all_rows = np.arange(n), np.empty(0, dtype=np.int64)
        if fraction == 0:
            return all_rows
        if n_held_out < 2 or np.bincount(codes).max() < 2 or n - n_held_out < n_classes:
            warnings.warn(
                f"{n} samples of {n_classes} classes are too few to hold out "
                f"{fraction:.0%} of each: passes train on all samples, without a held-out accuracy",
                stacklevel=4,
            )
            return all_rows
        n_folds = min(max(2, round(1 / fraction)), int(np.bincount(codes).max()))
        repeat, fold = divmod(number, n_folds)
        seed = stream_seed(self.seed_, "validation", repeat) % 2**32
        folds = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
        with warnings.catch_warnings():  # of classes with fewer rows than folds
            warnings.filterwarnings("ignore", message="The least populated class")
            return list(folds.split(np.zeros((n, 1)), codes))[fold]

    def _rows(self, rows: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(rows).to(self.device_)

    def _to_device(self, X: Any) -> Any:
        if isinstance(X, FoldedRows):
            return X
        if not isinstance(X, torch.Tensor):
            array = np.ascontiguousarray(X, dtype=np.float32)
            X = torch.from_numpy(array if array.flags.writeable else array.copy())
        return X.to(self.device_)
