"""DeepMapper with the best all-round settings: one feature one pixel, a position-aware CNN.

Ersavas, Smith, Mattick, Sci Rep 14 (2024), with a backbone that has the position of each pixel.
"""

from dataclasses import dataclass

from sklearn.pipeline import Pipeline

from baselines._cnn import Training, image_model
from deepmapper.images.converter import ImageConverter


@dataclass(frozen=True)
class Params(Training):
    """keep_epochs: for the curve on test rows, see `NetworkClassifier`."""

    layout: str = "natural"
    keep_epochs: bool = False


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Fold, then train; both on the device."""
    converter = ImageConverter(params.layout, device=device, random_state=seed)
    model = image_model(params, device=device, seed=seed).set_params(keep_epochs=params.keep_epochs)
    return Pipeline([("convert", converter), ("model", model)])
