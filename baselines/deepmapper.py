"""DeepMapper: one feature a pixel, and a CNN that has the place of each pixel.

Ersavas, Smith, Mattick, Sci Rep 14 (2024), with another CNN than the paper's, a gate in front of
it, and a screen of means, variances and pairs of features. Settings were chosen by comparing some
20 variants on development splits of four tables, see `_cnn.Training`.
Features are ranked by the evidence for them in the training rows, not by the network alone: a ridge
regression, variances and pairs (`deepmapper.estimators.evidence`). Saliency breaks ties.
Limits: above 50,000 features too few rows fit the budget of the screen, which then skips pairs.
56,537 genes of 364 samples took 6 s on two cores.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from sklearn.pipeline import Pipeline

from baselines._cnn import Training, image_model
from deepmapper.estimators.evidence import find_evidence
from deepmapper.estimators.network_classifier import NetworkClassifier
from deepmapper.images.converter import ImageConverter


@dataclass(frozen=True)
class Params(Training):
    """Settings of the layout and the training.

    Attributes
    ----------
    layout : str
        "natural", "random", "learned" or another layout of `ImageConverter`.
    keep_epochs : bool
        Keep the network of each epoch for the curve on test rows, see `NetworkClassifier`.
    ranking : {"evidence", "attribution"}
        What ranks the features. "attribution": only the attribution of the network.
    """

    layout: str = "natural"
    keep_epochs: bool = False
    ranking: Literal["evidence", "attribution"] = "evidence"


class EvidenceClassifier(NetworkClassifier):
    """A classifier whose attributions are the evidence for each pixel."""

    def attribute(self, Z: Any, y: np.ndarray) -> np.ndarray:
        """Return -log p of each class and pixel, plus its share of the network's attribution.

        Parameters
        ----------
        Z : array or tensor of shape (n_samples, 1, h, w)
        y : array of shape (n_samples,)
            Labels.

        Returns
        -------
        array of shape (n_classes, 1, h, w)
        """
        shares = super().attribute(Z, y)
        images = self._to_device(Z)
        codes = torch.from_numpy(np.searchsorted(self.classes_, y)).to(self.device_)
        evidence = find_evidence(images, codes, len(self.classes_), seed=self.seed_ % 2**32)
        strength = evidence.strength.reshape(-1, *shares.shape[1:])
        return (strength + shares).astype(np.float32)


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: fold, then train, both on the device."""
    converter = ImageConverter(params.layout, device=device, random_state=seed)
    kind = EvidenceClassifier if params.ranking == "evidence" else NetworkClassifier
    model = image_model(params, kind, device=device, seed=seed)
    model.set_params(keep_epochs=params.keep_epochs)
    return Pipeline([("convert", converter), ("model", model)])
