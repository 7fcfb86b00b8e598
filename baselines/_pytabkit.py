"""Networks of the package pytabkit, stopped early on held-out training rows.

Holzmüller, Grinsztajn, Steinwart, NeurIPS 2024. Attributions are gradients of the network with
respect to its inputs after the package's scaling (`deepmapper.attribution`, saliency).
"""

import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from torch import nn

from baselines._classifier import SeededClassifier
from baselines._folds import held_out
from deepmapper.attribution import attribute
from deepmapper.training.streams import torch_stream


class PytabkitClassifier(SeededClassifier):
    """A classifier of pytabkit with one network.

    A subclass creates the estimator, and gives its network and the inputs of the network.
    """

    def __init__(self, params: Any, device: str = "cpu", random_state: int = 0) -> None:
        super().__init__(params, random_state)
        self.device = device

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        self.classes_, codes = np.unique(y, return_inverse=True)
        _, held = held_out(codes, self.params.validation_fraction, self.random_state)
        estimator = self.create_estimator(
            device=self.device,
            random_state=self.random_state % 2**31,
            n_cv=1,
            n_threads=torch.get_num_threads(),
        )
        with contained(self.random_state):
            self.estimator_ = estimator.fit(X, codes, val_idxs=held)
        self.n_parameters_ = sum(p.numel() for p in self.network().parameters())
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        with contained(self.random_state):
            return self.estimator_.predict_proba(X)

    def attribute(self, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return saliency (n_classes, n_features). Features that the network ignores get 0."""
        rows, kept = self.inputs(self.estimator_.x_converter_.transform(pd.DataFrame(X)))
        codes = torch.from_numpy(np.searchsorted(self.classes_, y)).to(rows.device)
        n_classes = len(self.classes_)
        maps = attribute(self.network(), rows, codes, method="saliency", n_classes=n_classes)
        values = np.zeros((n_classes, X.shape[1]), dtype=np.float32)
        values[:, kept] = maps.cpu().numpy()
        return values

    def create_estimator(self, **common: Any) -> Any:
        """Return the unfitted estimator of the package."""
        raise NotImplementedError

    def network(self) -> nn.Module:
        """Return the fitted network, (n, n_kept) -> logits (n, n_classes)."""
        raise NotImplementedError

    def inputs(self, dataset: Any) -> tuple[torch.Tensor, np.ndarray]:
        """Return the inputs of the network, (n, n_kept), and the indices of the kept features."""
        raise NotImplementedError


@contextmanager
def contained(seed: int) -> Iterator[None]:
    """Keep the package's seeds, printed lines and warning filters from the rest of the process."""
    python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch_stream(seed, "pytabkit"), warnings.catch_warnings(), redirect_stdout(StringIO()):
        warnings.filterwarnings("ignore", message=".*LeafSpec")  # Lightning with a recent torch
        try:
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)  # noqa: NPY002
