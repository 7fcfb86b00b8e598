"""DeepMapper with the best all-round settings: one feature one pixel, a position-aware CNN.

Ersavas, Smith, Mattick, Sci Rep 14 (2024), with a backbone that knows where each pixel is.
"""

from dataclasses import dataclass

from sklearn.pipeline import Pipeline

from deepmapper.classifier import NetworkClassifier
from deepmapper.converter import ImageConverter


@dataclass(frozen=True)
class Params:
    layout: str = "natural"
    backbone: str = "patch"
    passes: int = 1
    epochs: int = 10
    learning_rate: float = 2e-3
    attribution: str = "saliency"


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Fold, then train; both on the device."""
    return Pipeline(
        [
            ("convert", ImageConverter(params.layout, device=device, random_state=seed)),
            (
                "model",
                NetworkClassifier(
                    params.backbone,
                    passes=params.passes,
                    epochs=params.epochs,
                    learning_rate=params.learning_rate,
                    attribution=params.attribution,
                    device=device,
                    random_state=seed,
                ),
            ),
        ]
    )
