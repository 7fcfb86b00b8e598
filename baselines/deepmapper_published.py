"""DeepMapper as the paper describes it: natural layout, ResNet-18 from scratch.

Ersavas, Smith, Mattick, Sci Rep 14 (2024), Methods and Fig. 2, with log and min-max scaling. The
paper does not describe the training. It follows the published notebooks (AdamW 1e-3, weight decay
1e-5, batches of 20, 15 epochs, a constant rate, grey on three channels) or the engine (`training`).
One pass by default. The notebooks report each of ten. `deepmapper_notebook` runs the notebooks
unchanged.
Limits: no screen and no gate. Its test accuracy on 10,000 rows of the paper's needles at 2,500
features is 0.757. 56,537 genes of 364 samples took 180 s and 2.8 GiB on two cores.
"""

from dataclasses import dataclass
from typing import Any, Literal

from sklearn.pipeline import Pipeline

from deepmapper.estimators.network_classifier import NetworkClassifier
from deepmapper.images.converter import ImageConverter


@dataclass(frozen=True)
class Params:
    """Settings of the training.

    Attributes
    ----------
    passes : int
        Number of networks whose probabilities are averaged.
    epochs : int
        Number of epochs.
    learning_rate : float
        Constant rate of the notebooks, or the peak with training="engine".
    batch_size : int, optional
        Default: that of `training`.
    training : {"notebook", "engine"}
        "engine": batches by the size of the table, a rate that rises and falls to zero, balanced
        classes, bfloat16 if faster.
    backbone : str
        ResNet-18 by default. The paper's Discussion names ViT and RetNet.
    keep_epochs : bool
        Keep the network of each epoch for the curve on test rows, see `NetworkClassifier`.
    """

    passes: int = 1
    epochs: int = 15
    batch_size: int | None = None
    learning_rate: float = 1e-3
    training: Literal["notebook", "engine"] = "notebook"
    backbone: str = "resnet18_rgb"
    keep_epochs: bool = False


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: fold in natural order, then train a ResNet-18."""
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
