"""LassoNet: a network whose linear skip weights bound those of each feature.

Lemhadri, Ruan, Abraham, Tibshirani, JMLR 22 (2021), through its package `lassonet`. Settings are
those of the benchmark of Passemiers et al., Sci Rep 14 (2024), with longer steps along the path.
The penalty is the one with the lowest loss on a held-out tenth of the rows, as in its manual.
Limits: at most 2,000 features, because the path is dozens of trainings. 1,000 genes of 364 samples
took 10 s on two cores.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from sklearn.pipeline import Pipeline

from baselines._classifier import SeededClassifier
from baselines._folds import held_out
from datasets.table import Table
from deepmapper.images.scaling import FeatureScaler

REQUIRES = {"lassonet": "lassonet"}
MAX_FEATURES = 2_000  # a path is dozens of trainings


@dataclass(frozen=True)
class Params:
    """Settings of the path of growing penalties.

    Attributes
    ----------
    hidden : tuple of int
        Number of units of each hidden layer.
    epochs : int
        Maximum number of epochs of each penalty.
    batch_size : int
        Rows of a training step.
    patience : int
        Epochs without gain after which a penalty's training stops.
    tolerance : float
        A loss below this share of the best one is a gain.
    lambda_start : float
        First penalty.
    path_multiplier : float
        Ratio of a penalty to the one before. The benchmark uses 1.02, with 1.1 a fifth of the
        steps.
    hierarchy : float
        M, the maximum ratio of a feature's hidden weights to its skip weight.
    """

    hidden: tuple[int, ...] = (32, 32)
    epochs: int = 30
    batch_size: int = 64
    patience: int = 10
    tolerance: float = 0.9999
    lambda_start: float = 3.2768
    path_multiplier: float = 1.1
    hierarchy: float = 10.0


def supports(table: Table) -> str | None:
    """Refuse tables with too many features for a path of dozens of trainings."""
    if table.n_features > MAX_FEATURES:
        limit = f"runs with at most {MAX_FEATURES:,} features, because its path takes too long"
        return f"{limit}, got {table.n_features:,}"
    return None


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: standardise, then follow the path."""
    model = LassoNetModel(params, device=device, random_state=seed)
    return Pipeline([("convert", FeatureScaler()), ("model", model)])


class LassoNetModel(SeededClassifier):
    """The network of the path with the lowest held-out loss.

    An importance is the penalty at which a feature drops out, the largest if it stays to the end.
    """

    def __init__(self, params: Params, device: str = "cpu", random_state: int = 0) -> None:
        super().__init__(params, random_state)
        self.device = device

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        from lassonet import LassoNetClassifier

        self.classes_, codes = np.unique(y, return_inverse=True)
        training, held = held_out(codes, 0.1, self.random_state)
        params, best = self.params, _Best()
        self.network_ = LassoNetClassifier(
            hidden_dims=params.hidden,
            n_iters=params.epochs,
            batch_size=min(params.batch_size, len(training)),
            patience=params.patience,
            tol=params.tolerance,
            lambda_start=params.lambda_start,
            path_multiplier=params.path_multiplier,
            M=params.hierarchy,
            device=torch.device(self.device),
            verbose=0,
            torch_seed=self.random_state % 2**31,
        )
        with torch.random.fork_rng():  # the package seeds and draws from torch's global stream
            validation = {"X_val": X[held], "y_val": codes[held]}
            self.network_.path(X[training], codes[training], **validation, callback=best)
        self.network_.model.load_state_dict(best.weights)
        self.lambda_, self.n_selected_ = best.penalty, best.n_selected
        dropped_at = self.network_.feature_importances_.numpy().astype(np.float64)
        finite = dropped_at[np.isfinite(dropped_at)]
        largest = params.path_multiplier * finite.max(initial=params.lambda_start)
        self.feature_importances_ = np.where(np.isfinite(dropped_at), dropped_at, largest)
        self.network_.path_ = None  # a mask for each step, not used again
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        return np.asarray(self.network_.predict_proba(X), dtype=np.float64)


class _Best:
    """Callback after each step of the path: keep the network with the lowest loss."""

    loss = np.inf
    penalty = 0.0
    n_selected = 0
    weights: dict[str, torch.Tensor]

    def __call__(self, network: Any, path: list[Any]) -> None:
        step = path[-1]
        if step.val_loss < self.loss:
            self.loss, self.penalty = step.val_loss, step.lambda_
            self.n_selected = int(step.selected.sum())
            self.weights = network.model.cpu_state_dict()
