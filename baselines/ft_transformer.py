"""FT-Transformer: attention between features, each of which is a token.

Gorishniy, Rubachev, Khrulkov, Babenko, "Revisiting Deep Learning Models for Tabular Data", NeurIPS
2021, through the package pytabkit with the authors' defaults. Each feature is mapped to normal
quantiles. The epoch with the fewest errors on held-out training rows is kept.

Differences: the held-out rows have every class with two rows.
Limits: at most 500 features, because attention takes memory in proportion to the squared number of
features times the rows of a batch (256). The limit is computed, not measured. On one core 150
samples of 90 features took 106 s.
"""

from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Any, Self

import numpy as np
import torch
from sklearn.pipeline import Pipeline
from torch import nn

from baselines._pytabkit import PytabkitClassifier
from datasets.table import Table
from deepmapper.images.scaling import FeatureScaler

REQUIRES = {"pytabkit": "pytabkit", "skorch": "skorch>=0.15"}
MAX_FEATURES = 500  # weights of attention: 256 rows, 8 heads, 501 * 501 tokens take 2 GiB a layer


@dataclass(frozen=True)
class Params:
    """Settings of FT-Transformer. Settings without a field are the package's.

    Attributes
    ----------
    n_layers : int
        Number of layers.
    width : int
        Length of a token.
    epochs : int
        Maximum number of epochs.
    learning_rate : float
        Learning rate.
    patience : int
        Epochs without gain after which training stops.
    validation_fraction : float
        Share of the training rows that is held out.
    """

    n_layers: int = 3
    width: int = 192
    epochs: int = 300
    learning_rate: float = 1e-4
    patience: int = 16
    validation_fraction: float = 0.2


def supports(table: Table) -> str | None:
    """Refuse tables with too many tokens for attention."""
    if table.n_features > MAX_FEATURES:
        limit = f"runs with at most {MAX_FEATURES:,} features, because each is a token"
        return f"{limit}, got {table.n_features:,}"
    return None


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: take logarithms of counts, then train."""
    model = FtTransformer(params, device, seed)
    return Pipeline([("convert", FeatureScaler(scale="none")), ("model", model)])


class FtTransformer(PytabkitClassifier):
    """FT-Transformer, with the gradient of the features' quantiles as attribution."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        with TemporaryDirectory() as self._folder:  # of the best epoch's weights
            return super().fit(X, y)

    def create_estimator(self, **common: Any) -> Any:
        from pytabkit import FTT_D_Classifier

        return FTT_D_Classifier(
            module_n_layers=self.params.n_layers,
            module_d_token=self.params.width,
            max_epochs=self.params.epochs,
            lr=self.params.learning_rate,
            es_patience=self.params.patience,
            tmp_folder=self._folder,
            **common,
        )

    def network(self) -> nn.Module:
        return self._fitted.model.module_

    def inputs(self, dataset: Any) -> tuple[torch.Tensor, np.ndarray]:
        values = self._fitted.tfm.forward_ds(dataset).tensors["x_cont"].to(self.device)
        return values, np.arange(values.shape[1])

    @property
    def _fitted(self) -> Any:
        [interface] = self.estimator_.alg_interface_.sub_split_interfaces
        return interface
