"""TabPFN-Wide: TabPFN v2 after further training on synthetic tables of many features.

Kolberg, Kreuer, Huurdeman, Ouaari, Eggensperger, Pfeifer, "TabPFN-Wide: Continued Pre-Training for
Extreme Feature Counts", arXiv 2510.06162 (2025), with the authors' package `tabpfnwide` and its
defaults: one prediction, one feature a token. Attributions are the authors': the attention of the
label to each feature, averaged over layers, heads and rows, the same for every class. Logarithms
are taken of counts before.

The weights are not part of the package and are never downloaded here. Without them the method is
unavailable: see `SOURCE`, `BASE_SOURCE` and `Params`. The package also reads the checkpoint of
TabPFN v2, for the shape of the network.
Limits: at most 50,000 features, as in the paper, and 10,000 samples and 10 classes of TabPFN v2.
Attention takes time in proportion to the squared number of features times the samples, so
thousands of features need a GPU. Its time and accuracy were not measured, because no weights were
available.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.pipeline import Pipeline

from baselines._weights import PretrainedClassifier, WeightParams, refuse_above, verified_weights
from datasets.table import Table
from deepmapper.images.scaling import FeatureScaler

REQUIRES = {"tabpfnwide": "tabpfnwide>=0.4.1", "tabpfn": "tabpfn>=9"}
LIMITS = {"n_features": 50_000, "n_samples": 10_000, "n_classes": 10}
SOURCE = (
    "https://github.com/not-a-feature/TabPFN-Wide/releases "
    "(tabpfn-wide-v2-8k.pt, Prior Labs License 1.1)"
)
BASE_NAME = "tabpfn-v2-classifier-finetuned-zk73skhh.ckpt"  # the only name that the package reads
BASE_SOURCE = f"https://huggingface.co/Prior-Labs/TabPFN-v2-clf ({BASE_NAME}, Prior Labs License)"


@dataclass(frozen=True)
class Params(WeightParams):
    """The two files of weights.

    Attributes
    ----------
    weights : str
        Path of the checkpoint of TabPFN-Wide, absolute or relative to the data folder.
    sha256 : str
        SHA-256 of that checkpoint.
    base_weights : str
        Path of the checkpoint of TabPFN v2, with the name that its authors gave it.
    base_sha256 : str
        SHA-256 of that checkpoint.
    """

    base_weights: str = ""
    base_sha256: str = ""


def supports(table: Table) -> str | None:
    """Refuse tables outside the limits of the papers."""
    return refuse_above(table, "TabPFN-Wide", **LIMITS)


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: take logarithms of counts, then predict."""
    model = TabPfnWide(params, device, seed)
    return Pipeline([("convert", FeatureScaler(scale="none")), ("model", model)])


class TabPfnWide(PretrainedClassifier):
    """The package's classifier, `model_`."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        self.model_ = self._load(save_attention_maps=False)
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.model_.fit(X, codes)
        self.n_parameters_ = sum(p.numel() for p in self.model_.model.parameters())
        return self

    def attribute(self, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the attention of the label (1, n_features). Constant features have no token.

        The rows are given to a second network, because one that records cannot be pickled.
        """
        recorder = self._load(save_attention_maps="label").fit(X, y)
        recorder.predict_proba(X)
        return np.nan_to_num(recorder.get_attention_to_label())[None]

    def _load(self, save_attention_maps: bool | str) -> Any:
        """Load the network. Raises DataUnavailable without its two files."""
        params = self.params
        weights = verified_weights(params.weights, params.sha256, SOURCE)
        base = verified_weights(params.base_weights, params.base_sha256, BASE_SOURCE)
        if base.name != BASE_NAME:
            message = f"`base_weights` has another name: expected {BASE_NAME}, got {base.name}"
            raise ValueError(message)
        from tabpfnwide.classifier import TabPFNWideClassifier

        with _cache(base.parent):
            return TabPFNWideClassifier(
                model_path=str(weights),
                device=self.device,
                save_attention_maps=save_attention_maps,
                random_state=self.random_state % 2**31,
            )


@contextmanager
def _cache(folder: Path) -> Iterator[None]:
    """Let the package find the checkpoint of TabPFN v2 in a folder."""
    from tabpfn.settings import settings

    before = settings.tabpfn.model_cache_dir
    settings.tabpfn.model_cache_dir = folder
    try:
        yield
    finally:
        settings.tabpfn.model_cache_dir = before
