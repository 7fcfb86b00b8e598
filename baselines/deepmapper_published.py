"""DeepMapper as published: natural layout, log and min-max scaling, ResNet-18 from scratch.

Ersavas, Smith, Mattick, Sci Rep 14 (2024), Methods and Fig. 2. The paper does not describe the
training, which here follows the notebooks published with it (AdamW 1e-3, weight decay 1e-5, batch
20, 15 epochs, a constant rate, the grey value on three channels) or the engine (`training`). One
pass by default; the notebooks report each of ten. The notebooks as they ran, without scaling of
TCGA and with frozen BatchNorm on MNIST, are `deepmapper_notebook`.
"""

from dataclasses import dataclass
from typing import Any, Literal

from sklearn.pipeline import Pipeline

from deepmapper.estimators.network_classifier import NetworkClassifier
from deepmapper.images.converter import ImageConverter


@dataclass(frozen=True)
class Params:
    """training: "notebook", or "engine": batches by the size of the table, a rate that rises and
        falls to zero, balanced classes, bfloat16 if faster.
    learning_rate: the notebooks'; the peak with "engine".
    batch_size: None: that of `training`.
    backbone: ResNet-18 by default; the paper's Discussion names ViT and RetNet.
    keep_epochs: for the curve on test rows, see `NetworkClassifier`.
    """

    passes: int = 1
    epochs: int = 15
    batch_size: int | None = None
    learning_rate: float = 1e-3
    training: Literal["notebook", "engine"] = "notebook"
    backbone: str = "resnet18_rgb"
    keep_epochs: bool = False


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Fold in natural order, then train a ResNet-18."""
    is_notebook = params.training == "notebook"
    training: dict[str, Any] = {
        "max_epochs": params.epochs,
        "learning_rate": params.learning_rate,
        "target_loss": None,
    }
    if is_notebook:
        training |= {"batch_size": 20, "weight_decay": 1e-5}
        training |= {"schedule": "constant", "precision": "float32"}
    if params.batch_size is not None:
        training["batch_size"] = params.batch_size
    model = NetworkClassifier(
        backbone=params.backbone,
        gate=False,
        passes=params.passes,
        class_weight=None if is_notebook else "balanced",
        training=training,
        keep_epochs=params.keep_epochs,
        device=device,
        random_state=seed,
    )
    converter = ImageConverter("natural", scale="minmax", device=device)
    return Pipeline([("convert", converter), ("model", model)])
