"""RealMLP: a multi-layer perceptron with the tuned defaults of its authors.

Holzmüller, Grinsztajn, Steinwart, "Better by default", NeurIPS 2024, through their package pytabkit
(RealMLP-TD). The package scales the features robustly, embeds each of them, and keeps the epoch
with the fewest errors on held-out training rows. Logarithms are taken of counts before.

Differences: the held-out rows have every class with two rows.
Limits: it is slow on the CPU. On one core an epoch took 0.3 s with 150 samples of 2,000 features,
and 2.7 s and 2.0 GiB with 100 of 20,000. All 256 epochs were not timed at these sizes.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.pipeline import Pipeline
from torch import nn

from baselines._pytabkit import PytabkitClassifier
from deepmapper.images.scaling import FeatureScaler

REQUIRES = {"pytabkit": "pytabkit"}


@dataclass(frozen=True)
class Params:
    """Settings of RealMLP-TD. Settings without a field are the package's.

    Attributes
    ----------
    epochs : int
        Number of epochs.
    learning_rate : float
        Peak of the learning rate.
    hidden : tuple of int
        Number of units of each hidden layer.
    dropout : float
        Share of hidden units that are dropped at first. It falls to 0.
    validation_fraction : float
        Share of the training rows that is held out.
    """

    epochs: int = 256
    learning_rate: float = 0.04
    hidden: tuple[int, ...] = (256, 256, 256)
    dropout: float = 0.15
    validation_fraction: float = 0.2


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: take logarithms of counts, then train."""
    model = RealMlp(params, device, seed)
    return Pipeline([("convert", FeatureScaler(scale="none")), ("model", model)])


class RealMlp(PytabkitClassifier):
    """RealMLP-TD, with the gradient of the scaled features as attribution."""

    def create_estimator(self, **common: Any) -> Any:
        from pytabkit import RealMLP_TD_Classifier

        return RealMLP_TD_Classifier(
            n_epochs=self.params.epochs,
            lr=self.params.learning_rate,
            hidden_sizes=list(self.params.hidden),
            p_drop=self.params.dropout,
            **common,
        )

    def network(self) -> nn.Module:
        return _Unbatched(self.estimator_.alg_interface_.model.model)

    def inputs(self, dataset: Any) -> tuple[torch.Tensor, np.ndarray]:
        scaling = self.estimator_.alg_interface_.model.creator.static_model
        rows = scaling.forward_ds(dataset.to(self.estimator_.alg_interface_.device))
        values = rows.tensors["x_cont"].detach()
        return values, np.arange(values.shape[1])


class _Unbatched(nn.Module):
    """The one network of the package's stack of networks."""

    def __init__(self, stack: nn.Module) -> None:
        super().__init__()
        self.stack = stack

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        no_categories = torch.empty((1, len(x), 0), dtype=torch.int64, device=x.device)
        return self.stack({"x_cont": x[None], "x_cat": no_categories})["x_cont"][0]
