"""DeepMapper as published: natural layout, log and min-max scaling, ResNet-18 from scratch.

Ersavas, Smith, Mattick, Sci Rep 14 (2024), Methods and Fig. 2; optimiser, batch size and epochs
from the notebooks published with it (AdamW 1e-3, weight decay 1e-5, batch 20, 15 epochs, the grey
value on three channels). One pass unless asked for more: the notebooks report each of ten.
"""

from dataclasses import dataclass

from sklearn.pipeline import Pipeline

from deepmapper.classifier import NetworkClassifier
from deepmapper.converter import ImageConverter


@dataclass(frozen=True)
class Params:
    passes: int = 1
    epochs: int = 15
    batch_size: int = 20


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Fold in natural order, then train a ResNet-18."""
    return Pipeline(
        [
            ("convert", ImageConverter("natural", scale="minmax", device=device)),
            (
                "model",
                NetworkClassifier(
                    "resnet18_rgb",
                    gate=False,
                    target_loss=None,
                    precision="float32",
                    passes=params.passes,
                    epochs=params.epochs,
                    batch_size=params.batch_size,
                    learning_rate=1e-3,
                    weight_decay=1e-5,
                    schedule="constant",
                    balanced=False,
                    device=device,
                    random_state=seed,
                ),
            ),
        ]
    )
