"""The package pydeepmapper 1.0.2 of the paper's authors, run as its manual says.

Ersavas, Smith, Mattick, Sci Rep 14 (2024). Raw values, a fresh random order of the pixels in each
of three passes, a CNN of two 3x3 convolutions and a global mean, Adam 1e-3, batches of 64, 20
epochs. Settings are those of the manual's quickstart and the package's defaults.

Predictions are those of its `evaluate`, trained on all given rows except one a class, averaged over
passes. Attributions are those of its `run`, which trains other networks on 64% of the rows:
integrated gradients on at most 64 held-out rows, the median over passes, the same for every class.
Limits: at least 2 features. From 20,000 genes of 364 samples on over 240 s on two cores.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from sklearn.pipeline import Pipeline

from baselines._classifier import SeededClassifier
from datasets.table import Table
from deepmapper.images.scaling import FeatureScaler
from deepmapper.training.devices import resolve_device
from deepmapper.training.streams import torch_stream

REQUIRES = {"pydeepmapper": "pydeepmapper"}
MIN_FEATURES = 2  # batch normalisation fails on a last batch of one image of one pixel
BLOCK_VALUES = 1 << 22  # pixels predicted at a time, each of which becomes 32 numbers


@dataclass(frozen=True)
class Params:
    """The manual's quickstart (three passes) and the package's defaults (the rest).

    Attributes
    ----------
    backbone : {"cnn_small", "cnn", "mlp", "linear"}
        The networks that need no other library.
    passes : int
        Number of networks whose probabilities are averaged.
    epochs : int
        Number of epochs of each network.
    batch_size : int
        Rows of a training step.
    learning_rate : float
        Learning rate of the optimiser.
    """

    backbone: str = "cnn_small"
    passes: int = 3
    epochs: int = 20
    batch_size: int = 64
    learning_rate: float = 1e-3


def supports(table: Table) -> str | None:
    """Refuse images of one pixel."""
    if table.n_features < MIN_FEATURES:
        return f"needs at least {MIN_FEATURES} features, got {table.n_features}"
    return None


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: raw values, then the package."""
    model = PyDeepMapperClassifier(params, device=device, random_state=seed)
    return Pipeline([("convert", FeatureScaler(log=False, scale="none")), ("model", model)])


class PyDeepMapperClassifier(SeededClassifier):
    """`pydeepmapper.evaluate.evaluate`, whose networks are kept to predict.

    `weights_` are those of each pass, `history_` its accuracy on its evaluation rows, one a class.
    """

    def __init__(self, params: Params, device: str = "cpu", random_state: int = 0) -> None:
        super().__init__(params, random_state)
        self.device = device

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        from pydeepmapper.evaluate import evaluate

        self.classes_, codes = np.unique(y, return_inverse=True)
        self.n_features_in_ = X.shape[1]
        seed, n_test = self.random_state, len(self.classes_)
        with torch_stream(seed, "pydeepmapper"), _recorded(self.params.backbone) as recording:
            backbone, networks = recording
            result = evaluate(X, codes, self._config(backbone), test_size=n_test, seed=seed)
        self.weights_ = [
            {name: value.cpu() for name, value in network.state_dict().items()}
            for network in networks
        ]
        self.n_parameters_ = sum(p.numel() for p in networks[0].parameters())
        self.history_ = [
            {"pass": number, "validation_accuracy": accuracy}
            for number, accuracy in enumerate(result.per_pass_acc)
        ]
        return self

    def attribute(self, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return importances (n_classes, n_features) by `run` on these rows."""
        from pydeepmapper.runner import run

        codes = np.searchsorted(self.classes_, y)
        with torch_stream(self.random_state, "pydeepmapper attributions"):
            result = run(X, codes, self._config(self.params.backbone))
        importances = np.array(result.median_importance, dtype=np.float32)
        return np.tile(importances, (len(self.classes_), 1))

    def _config(self, backbone: str) -> Any:
        from pydeepmapper.config import BackboneSpec, DeepMapperConfig

        return DeepMapperConfig(
            n_passes=self.params.passes,
            epochs=self.params.epochs,
            batch_size=self.params.batch_size,
            lr=self.params.learning_rate,
            backbone=BackboneSpec(kind=backbone),
            seed=self.random_state,
        )

    @torch.no_grad()
    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        from pydeepmapper import backbones
        from pydeepmapper.config import BackboneSpec
        from pydeepmapper.transform import permutation, to_images

        n, p = X.shape
        spec, device = BackboneSpec(kind=self.params.backbone), resolve_device(self.device)
        block = max(1, BLOCK_VALUES // p)
        total = np.zeros((n, len(self.classes_)))
        for number, weights in enumerate(self.weights_):
            network = backbones.build(spec, len(self.classes_), p)
            network.load_state_dict(weights)
            network.to(device).eval()
            order = permutation(self.random_state + number, p)  # as in the pass of that number
            for start in range(0, n, block):
                rows = slice(start, start + block)
                images = to_images(X[rows], perm=order).transpose(0, 3, 1, 2)
                logits = network(torch.from_numpy(images.copy()).to(device))
                total[rows] += logits.softmax(1).double().cpu().numpy()
        return total / len(self.weights_)


@contextmanager
def _recorded(backbone: str) -> Iterator[tuple[str, list[Any]]]:
    """Yield the name of a copy of a backbone, and the list of its networks.

    The package keeps no networks and has no public way to add a backbone.
    """
    from pydeepmapper import backbones

    name, built = f"recorded {backbone}", []

    def build_and_keep(spec: Any, n_classes: int, n_features: int) -> Any:
        network = backbones.build(replace(spec, kind=backbone), n_classes, n_features)
        built.append(network)
        return network

    backbones._REGISTRY[name] = build_and_keep
    try:
        yield name, built
    finally:
        del backbones._REGISTRY[name]
