"""TabPFN v2: a transformer, pretrained on synthetic tables, that reads the training rows.

Hollmann et al., "Accurate predictions on small data with a tabular foundation model", Nature 637
(2025), with the authors' package `tabpfn`. Four differently preprocessed copies of the table are
predicted and averaged, the package's default for v2. Logarithms are taken of counts before.

The weights are not part of the package and are never downloaded here. Without them the method is
unavailable: see `SOURCE` and `Params`.
Limits: at most 500 features, 10,000 samples and 10 classes, as in the paper. It has no
attributions: no gradient passes the package's preprocessing, and a permutation of each feature
would take as much time as 500 predictions. Its time and accuracy were not measured, because no
weights were available.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from sklearn.pipeline import Pipeline

from baselines._weights import PretrainedClassifier, WeightParams, refuse_above, verified_weights
from datasets.table import Table
from deepmapper.images.scaling import FeatureScaler

REQUIRES = {"tabpfn": "tabpfn>=9"}
LIMITS = {"n_features": 500, "n_samples": 10_000, "n_classes": 10}
SOURCE = (
    "https://huggingface.co/Prior-Labs/TabPFN-v2-clf "
    "(tabpfn-v2-classifier-finetuned-zk73skhh.ckpt, Prior Labs License)"
)


@dataclass(frozen=True)
class Params(WeightParams):
    """The number of predictions.

    Attributes
    ----------
    n_estimators : int
        Number of copies of the table whose predictions are averaged.
    """

    n_estimators: int = 4


def supports(table: Table) -> str | None:
    """Refuse tables outside the limits of the paper."""
    return refuse_above(table, "TabPFN v2", **LIMITS)


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: take logarithms of counts, then predict."""
    model = TabPfn(params, device, seed)
    return Pipeline([("convert", FeatureScaler(scale="none")), ("model", model)])


class TabPfn(PretrainedClassifier):
    """The package's classifier, `model_`."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        weights = verified_weights(self.params.weights, self.params.sha256, SOURCE)
        from tabpfn import TabPFNClassifier

        self.classes_, codes = np.unique(y, return_inverse=True)
        self.model_ = TabPFNClassifier(
            model_path=weights,
            n_estimators=self.params.n_estimators,
            device=self.device,
            ignore_pretraining_limits=True,  # or it refuses more than 1,000 rows on the CPU
            random_state=self.random_state % 2**31,
        ).fit(X, codes)
        self.n_parameters_ = sum(p.numel() for p in self.model_.models_[0].parameters())
        return self
