"""TabM: an ensemble of multi-layer perceptrons that share most of their weights.

Gorishniy, Kotelnikov, Babenko, ICLR 2025, through the package pytabkit (TabM-D). Each feature is
mapped to normal quantiles, 32 members are trained together, and the epoch with the fewest errors
on held-out training rows is kept.

Differences: the held-out rows have every class with two rows. Settings are the package's defaults,
those of the authors' example, not the tuned ones of the paper.
Limits: at most 30,000 features, because each member has a copy of the rows of a batch. It is slow
on the CPU. On one core an epoch took 1.7 s with 150 samples of 2,000 features. The quantiles and
one epoch took 32 s and 1.7 GiB with 100 of 20,000. Whole fits were not timed at these sizes.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.pipeline import Pipeline
from torch import nn

from baselines._pytabkit import PytabkitClassifier
from datasets.table import Table
from deepmapper.images.scaling import FeatureScaler

REQUIRES = {"pytabkit": "pytabkit"}
MAX_FEATURES = 30_000  # a batch of 256 rows has 32 copies: 1 GiB, more than once


@dataclass(frozen=True)
class Params:
    """Settings of TabM-D. Settings without a field are the package's.

    Attributes
    ----------
    n_members : int
        Number of networks of the ensemble.
    width : int
        Number of units of each hidden layer.
    learning_rate : float
        Learning rate.
    dropout : float
        Share of hidden units that are dropped.
    patience : int
        Epochs without gain after which training stops.
    validation_fraction : float
        Share of the training rows that is held out.
    """

    n_members: int = 32
    width: int = 512
    learning_rate: float = 2e-3
    dropout: float = 0.1
    patience: int = 16
    validation_fraction: float = 0.2


def supports(table: Table) -> str | None:
    """Refuse tables whose batches take too much memory."""
    if table.n_features > MAX_FEATURES:
        limit = f"runs with at most {MAX_FEATURES:,} features, because of its memory"
        return f"{limit}, got {table.n_features:,}"
    return None


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: take logarithms of counts, then train."""
    model = TabM(params, device, seed)
    return Pipeline([("convert", FeatureScaler(scale="none")), ("model", model)])


class TabM(PytabkitClassifier):
    """TabM-D, with the gradient of the features' quantiles as attribution."""

    def create_estimator(self, **common: Any) -> Any:
        from pytabkit import TabM_D_Classifier

        return TabM_D_Classifier(
            tabm_k=self.params.n_members,
            d_block=self.params.width,
            lr=self.params.learning_rate,
            dropout=self.params.dropout,
            patience=self.params.patience,
            **common,
        )

    def network(self) -> nn.Module:
        return _MeanOfMembers(self._fitted.model_)

    def inputs(self, dataset: Any) -> tuple[torch.Tensor, np.ndarray]:
        rows = self._fitted.tfm_(dataset).to(self._fitted.device_)
        kept = self._fitted.num_col_mask_
        return rows.tensors["x_cont"][:, kept], np.flatnonzero(kept.cpu().numpy())

    @property
    def _fitted(self) -> Any:
        [interface] = self.estimator_.alg_interface_.sub_split_interfaces
        return interface


class _MeanOfMembers(nn.Module):
    """The logarithm of the members' mean probability."""

    def __init__(self, members: nn.Module) -> None:
        super().__init__()
        self.members = members

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.members(x).softmax(-1).mean(1).clamp(min=1e-30).log()
