"""A scikit-learn classifier made of networks: trained in passes, their probabilities averaged.

Paper: Methods 8 ("Begin iteration: separate the data into training and validation groups, train
..."), Fig. 2 ("The run is then repeated ... by shuffling training testing and validation data").
"""

import math
import warnings
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.utils.validation import check_is_fitted
from torch import nn

from deepmapper.attribution import attribute
from deepmapper.backbones import build_backbone
from deepmapper.devices import resolve_device
from deepmapper.errors import DeepMapperError
from deepmapper.streams import stream_seed, torch_stream
from deepmapper.trainer import TrainingSettings, predict_logits, train

Network = Callable[[tuple[int, ...], int], nn.Module]


class NetworkClassifier(ClassifierMixin, BaseEstimator):
    """Train a network on images in one or more passes, each with its own split and weights.

    Args:
        backbone: a name in `deepmapper.backbones.BACKBONES`, or build(shape, n_classes) -> module
            for inputs of shape (n, *shape).
        passes: how many networks; their probabilities are averaged.
        validation_fraction: the share of each pass's images held out to judge it; 0 for none.
        min_accuracy: a pass below this accuracy on its held-out images does not count; None asks
            it to beat the share of the largest class. If none passes, the best one is kept.
        epochs, batch_size, learning_rate, weight_decay, schedule, balanced: `TrainingSettings`.
        attribution: a name in `deepmapper.attribution.EXPLAINERS`.
        device: "auto", "cpu", "cuda", "mps".
        random_state: seed of splits, weights and batch order.

    Attributes:
        networks_: the accepted networks.
        held_out_: for each of them the indices of the images that it did not train on.
        history_: a list of dicts, one an epoch and pass.
        n_parameters_: weights of one network.
    """

    def __init__(
        self,
        backbone: str | Network = "patch",
        passes: int = 1,
        validation_fraction: float = 0.1,
        min_accuracy: float | None = None,
        epochs: int = 10,
        batch_size: int | None = None,
        learning_rate: float = 5e-3,
        weight_decay: float = 1e-2,
        schedule: str = "one_cycle",
        balanced: bool = True,
        attribution: str = "saliency",
        device: str = "auto",
        random_state: int = 0,
    ) -> None:
        self.backbone = backbone
        self.passes = passes
        self.validation_fraction = validation_fraction
        self.min_accuracy = min_accuracy
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.balanced = balanced
        self.attribution = attribution
        self.device = device
        self.random_state = random_state

    def fit(self, X: Any, y: np.ndarray) -> Self:
        """Train on images X, (n_samples, ...) numpy or tensor, and labels y, (n_samples,)."""
        self.device_ = resolve_device(self.device)
        self.classes_, codes = np.unique(np.asarray(y), return_inverse=True)
        if len(self.classes_) < 2:
            message = f"training needs two classes or more, got only {self.classes_.tolist()}"
            raise DeepMapperError(message)
        images = self._to_device(X)
        labels = torch.from_numpy(codes).to(self.device_)
        self.history_: list[dict[str, Any]] = []
        runs = [self._run_pass(i, images, labels, codes) for i in range(self.passes)]
        bar = self.min_accuracy
        if bar is None:
            bar = float(np.bincount(codes).max() / len(codes))
        accepted = [run for run in runs if run[2] is None or run[2] > bar]
        if not accepted:
            accepted = [max(runs, key=lambda run: run[2] or 0.0)]
            warnings.warn(
                f"no pass was better than {bar:.3f} on its held-out images; the best one "
                f"({accepted[0][2]:.3f}) is kept",
                stacklevel=2,
            )
        self.networks_ = [network for network, _, _ in accepted]
        self.held_out_ = [rows for _, rows, _ in accepted]
        self.n_passes_accepted_ = len(accepted)
        self.n_parameters_ = sum(p.numel() for p in self.networks_[0].parameters())
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities (n_samples, n_classes), the mean over the accepted passes."""
        check_is_fitted(self)
        images = self._to_device(X)
        probabilities = [predict_logits(net, images).softmax(1) for net in self.networks_]
        return torch.stack(probabilities).mean(0).double().cpu().numpy()

    def predict(self, X: Any) -> np.ndarray:
        """Labels (n_samples,), as given to `fit`."""
        best = self.predict_proba(X).argmax(1)
        return self.classes_[best]

    def attribute(self, Z: Any, y: np.ndarray) -> np.ndarray:
        """Mean absolute attribution, (n_classes, *Z.shape[1:]), over the rows of Z and passes."""
        check_is_fitted(self)
        images = self._to_device(Z)
        labels = torch.from_numpy(np.searchsorted(self.classes_, y)).to(self.device_)
        maps = [self._attribute_one(net, images, labels) for net in self.networks_]
        return np.mean([m / max(float(m.sum()), 1e-30) for m in maps], axis=0)

    def attribute_held_out(self, X: Any, y: np.ndarray) -> list[np.ndarray]:
        """One map (n_classes, *X.shape[1:]) an accepted pass, over rows it did not train on."""
        images = self._to_device(X)
        labels = torch.from_numpy(np.searchsorted(self.classes_, y)).to(self.device_)
        maps = []
        for network, held_out in zip(self.networks_, self.held_out_, strict=True):
            rows = torch.from_numpy(held_out) if len(held_out) else torch.arange(len(labels))
            maps.append(self._attribute_one(network, images[rows], labels[rows]))
        return maps

    def _attribute_one(
        self, network: nn.Module, images: torch.Tensor, labels: torch.Tensor
    ) -> np.ndarray:
        maps = attribute(
            network, images, labels, method=self.attribution, n_classes=len(self.classes_)
        )
        return maps.cpu().numpy()

    def _run_pass(
        self, number: int, images: torch.Tensor, labels: torch.Tensor, codes: np.ndarray
    ) -> tuple[nn.Module, np.ndarray, float | None]:
        """Train one network: the network, the rows held out, its accuracy on them."""
        training, held_out = self._split(number, codes)
        settings = TrainingSettings(
            self.epochs,
            self.batch_size,
            self.learning_rate,
            self.weight_decay,
            self.schedule,
            self.balanced,
        )
        generator = torch.Generator().manual_seed(
            stream_seed(self.random_state, "batches", number) % 2**63
        )
        build: Any = self.backbone
        with torch_stream(self.random_state, "initialisation", number):
            if callable(build):
                network = build(tuple(images.shape[1:]), len(self.classes_))
            else:
                network = build_backbone(
                    build, (images.shape[-2], images.shape[-1]), len(self.classes_)
                )
            network = network.to(self.device_)
            rows, rest = (torch.from_numpy(r).to(self.device_) for r in (training, held_out))
            history = train(
                network,
                (images[rows], labels[rows]) if len(rest) else (images, labels),
                settings,
                n_classes=len(self.classes_),
                generator=generator,
                validation=(images[rest], labels[rest]) if len(rest) else None,
            )
        self.history_ += [{"pass": number, **asdict(epoch)} for epoch in history]
        return network, held_out, history[-1].validation_accuracy

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

    def _to_device(self, X: Any) -> torch.Tensor:
        if not isinstance(X, torch.Tensor):
            array = np.ascontiguousarray(X, dtype=np.float32)
            X = torch.from_numpy(array if array.flags.writeable else array.copy())
        return X.to(self.device_)
