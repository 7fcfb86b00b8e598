"""DeepMapper as the notebooks published with the paper ran it, mistakes included.

GitHub tansel/deepmapper, commit eea218e: torchvision's ResNet-18 from scratch on the folded table,
the grey value on three channels, AdamW with weight decay 1e-5, a constant rate, one network a pass.
Only MNIST is scaled, by its mean and standard deviation. In the notebook of MNIST the network is in
evaluation mode from the start (`model.train()` is commented out), so BatchNorm keeps mean 0 and
variance 1. `reports.paper.discrepancies` lists the differences from the paper.

Settings are those of the notebooks. A pass of theirs is a seed here, with `split = "random"`.
Limits: values are not scaled, and ResNet-18 needs a GPU for wide tables.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from sklearn.pipeline import Pipeline
from torch import nn

from deepmapper.estimators.network_classifier import NetworkClassifier
from deepmapper.images.converter import ImageConverter
from deepmapper.networks.backbones import resnet18

MNIST_MEAN, MNIST_SD = 0.1307, 0.3081  # of grey values from 0 to 1
CHANNELS = 3
BLOCK_ROWS = 64  # the notebooks use all test rows at once, which needs tens of GB


@dataclass(frozen=True)
class Params:
    """Settings of the notebooks.

    Attributes
    ----------
    notebook : {"tables", "mnist"}
        Batches of 20 at a rate of 1e-3 (NIHS and TCGA), or of 256 at 1e-4.
    epochs : int
        Number of epochs.
    keep_epochs : bool
        Whether to keep the network of each epoch, see `NetworkClassifier`.
    """

    notebook: Literal["tables", "mnist"] = "tables"
    epochs: int = 15
    keep_epochs: bool = False


class FrozenNorm(nn.BatchNorm2d):
    """Batch normalisation that is never in training mode: mean 0, variance 1."""

    def train(self, mode: bool = True) -> "FrozenNorm":
        return super().train(False)


class ScaledGrey(nn.Module):
    """Standardise grey values 0..255 (n, c, h, w) by MNIST's mean and deviation."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x / 255 - MNIST_MEAN) / MNIST_SD


def frozen_resnet(shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """Return ResNet-18 on standardised grey values, BatchNorm frozen from the start."""
    network = resnet18(n_classes, channels=CHANNELS)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.__class__ = FrozenNorm
    return nn.Sequential(ScaledGrey(), network)


class NotebookClassifier(NetworkClassifier):
    """`NetworkClassifier` with the attribution of the notebooks."""

    attributes_over = "test"

    def attribute(self, Z: Any, y: np.ndarray) -> np.ndarray:
        """Return Captum's Saliency of each class's logit, (n_classes, 1, h, w).

        Absolute gradients are averaged over all rows of Z and summed over the three channels. `y`
        is not used.
        """
        from captum.attr import Saliency

        images, network = self._to_device(Z), self.networks_[0]
        network.eval()
        maps = torch.zeros(len(self.classes_), *images.shape[1:], device=self.device_)
        for start in range(0, len(images), BLOCK_ROWS):
            block = images[start : start + BLOCK_ROWS].repeat(1, CHANNELS, 1, 1)
            for c in range(len(self.classes_)):
                sizes = Saliency(network).attribute(block.requires_grad_(), target=c)
                maps[c] += sizes.sum((0, 1))
        return (maps / len(images)).cpu().numpy()


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: fold in natural order, unscaled, then train a ResNet-18."""
    is_mnist = params.notebook == "mnist"
    model = NotebookClassifier(
        backbone=frozen_resnet if is_mnist else "resnet18_rgb",
        gate=False,
        passes=1,
        class_weight=None,
        training={
            "validation_fraction": 0.0,
            "target_loss": None,
            "precision": "float32",
            "max_epochs": params.epochs,
            "batch_size": 256 if is_mnist else 20,
            "learning_rate": 1e-4 if is_mnist else 1e-3,
            "weight_decay": 1e-5,
            "schedule": "constant",
        },
        keep_epochs=params.keep_epochs,
        device=device,
        random_state=seed,
    )
    converter = ImageConverter("natural", log=False, scale="none", device=device)
    return Pipeline([("convert", converter), ("model", model)])
