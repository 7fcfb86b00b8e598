"""DeepMapper: one feature a pixel, and a CNN that has the place of each pixel.

Ersavas, Smith, Mattick, Sci Rep 14 (2024), with another CNN than the paper's, a gate in front of
it, and a screen of means, variances and pairs of features. Settings were chosen by comparing some
20 variants on development splits of four tables, see `_cnn.Training`.
Limits: above 50,000 features too few rows fit the budget of the screen, which then skips pairs.
56,537 genes of 364 samples took 6 s on two cores.
"""

from dataclasses import dataclass

from sklearn.pipeline import Pipeline

from baselines._cnn import Training, image_model
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
    """

    layout: str = "natural"
    keep_epochs: bool = False


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: fold, then train, both on the device."""
    converter = ImageConverter(params.layout, device=device, random_state=seed)
    model = image_model(params, device=device, seed=seed).set_params(keep_epochs=params.keep_epochs)
    return Pipeline([("convert", converter), ("model", model)])
