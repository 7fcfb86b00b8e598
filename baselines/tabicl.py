"""TabICL v2: a transformer, pretrained on synthetic tables, that reads the training rows.

Qu, Holzmüller, Varoquaux, Le Morvan, ICML 2025 and "TabICLv2" (ICML 2026), with the authors'
package `tabicl` and its defaults: eight copies of the table with other scalings and orders of
features and classes. Logarithms are taken of counts before.

The weights are not part of the package and are never downloaded here. Without them the method is
unavailable: see `SOURCE` and `Params`.
Limits: at most 2,000 features and 100,000 samples, the range in which the authors tested it. Above
10 classes the package splits them into groups. It has no attributions: no gradient passes the
package's scalings, and a permutation of each feature would take as much time as 2,000 predictions.
Its time and accuracy were not measured, because no weights were available.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from sklearn.pipeline import Pipeline

from baselines._weights import PretrainedClassifier, WeightParams, refuse_above, verified_weights
from datasets.table import Table
from deepmapper.images.scaling import FeatureScaler

REQUIRES = {"tabicl": "tabicl>=2.2"}
LIMITS = {"n_features": 2_000, "n_samples": 100_000}
SOURCE = "https://huggingface.co/jingang/TabICL (tabicl-classifier-v2-20260212.ckpt, BSD-3-Clause)"


@dataclass(frozen=True)
class Params(WeightParams):
    """The number of predictions.

    Attributes
    ----------
    n_estimators : int
        Number of copies of the table whose predictions are averaged.
    """

    n_estimators: int = 8


def supports(table: Table) -> str | None:
    """Refuse tables outside the range that the authors tested."""
    return refuse_above(table, "TabICL", **LIMITS)


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: take logarithms of counts, then predict."""
    model = TabIcl(params, device, seed)
    return Pipeline([("convert", FeatureScaler(scale="none")), ("model", model)])


class TabIcl(PretrainedClassifier):
    """The package's classifier, `model_`."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        weights = verified_weights(self.params.weights, self.params.sha256, SOURCE)
        from tabicl import TabICLClassifier

        self.classes_, codes = np.unique(y, return_inverse=True)
        self.model_ = TabICLClassifier(
            model_path=weights,
            allow_auto_download=False,
            n_estimators=self.params.n_estimators,
            device=self.device,
            random_state=self.random_state % 2**31,
        ).fit(X, codes)
        self.n_parameters_ = sum(p.numel() for p in self.model_.model_.parameters())
        return self
