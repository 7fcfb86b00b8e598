"""SuperTML: the values of a row written as numbers into an image.

Sun et al., CVPR Workshops (2019), the variant with equal fonts (EF). Each feature has a cell of the
image. Its value, scaled to 0..1, is drawn there with three decimals, as in TINTOlib 1.3.1. The
image goes to the CNN of `deepmapper`, with its settings.

Drawn by Pillow with its own font, because TINTOlib needs the file arial.ttf, which few machines
have. There are only 1,001 numbers, so each is drawn once. The font is the largest whose numbers fit
into the cells. TINTOlib draws numbers over each other if they do not fit.
Differences: grey instead of RGB. New values outside the training range are cut to 0..1. No CNN
that was trained on photographs. Not included: fonts by importance (VF).
Limits: at most 333 features, the most that 224x224 pixels hold in a font of 8 pixels.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import Pipeline

from baselines._cnn import Training, image_model
from datasets.table import Table
from deepmapper.errors import DeepMapperError
from deepmapper.images.scaling import FeatureScaler

REQUIRES = {"PIL": "pillow"}
MAX_FEATURES = 333
FONT_SIZES = range(48, 7, -1)  # pixels
WIDEST = [f"{digit}.{digit}{digit}{digit}" for digit in range(10)]
BLOCK_ROWS = 256


@dataclass(frozen=True)
class Params(Training):
    """Settings of the image. The CNN and its training are those of `deepmapper`.

    Attributes
    ----------
    image_size : int
        Pixels a side. The paper's images have 224.
    """

    image_size: int = 224


def supports(table: Table) -> str | None:
    """Refuse tables whose numbers would not be legible."""
    p = table.n_features
    if p > MAX_FEATURES:
        return f"writes each value into the image: at most {MAX_FEATURES} features, got {p:,}"
    return None


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: write numbers, then train."""
    model = image_model(params, device=device, seed=seed)
    return Pipeline([("convert", NumberConverter(params.image_size)), ("model", model)])


class NumberConverter(TransformerMixin, BaseEstimator):
    """Convert rows to images of their numbers.

    `numbers_` is uint8 (1001, cell height, cell width): the pictures of 0.000 to 1.000.
    `columns_` is the number of cells side by side.
    """

    looks_at_labels = False

    def __init__(self, image_size: int = 224) -> None:
        self.image_size = image_size

    def fit(self, X: Any, y: object = None) -> Self:
        """Learn the range of each feature from X, (n_samples, n_features), and draw numbers.

        Raises a DeepMapperError if the smallest font does not fit.
        """
        self.scaler_ = FeatureScaler(scale="minmax").fit(X)
        self.n_features_ = X.shape[1]
        self.numbers_ = draw_numbers(self.n_features_, self.image_size)
        self.columns_ = self.image_size // self.numbers_.shape[2]
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return images, float32 (n_samples, 1, side, side), from 0 to 1, in blocks of rows."""
        images = np.zeros((X.shape[0], 1, self.image_size, self.image_size), dtype=np.float32)
        for start in range(0, len(images), BLOCK_ROWS):
            rows = slice(start, start + BLOCK_ROWS)
            thousandths = np.rint(1000 * self.scaler_.transform(X[rows])).astype(np.int64)
            for feature, (top, left) in enumerate(self.corners()):
                numbers = self.numbers_[thousandths[:, feature]]
                height, width = numbers.shape[1:]
                images[rows, 0, top : top + height, left : left + width] = numbers / np.float32(255)
        return images

    def to_features(self, pixels: np.ndarray) -> np.ndarray:
        """Map (..., side, side) to (..., n_features): the sum over each feature's cell."""
        height, width = self.numbers_.shape[1:]
        cells = [
            pixels[..., top : top + height, left : left + width].sum((-2, -1))
            for top, left in self.corners()
        ]
        return np.stack(cells, axis=-1)

    def corners(self) -> np.ndarray:
        """Return the top row and the left column of each feature's cell, (n_features, 2)."""
        cells = np.stack(np.divmod(np.arange(self.n_features_), self.columns_), axis=1)
        return cells * self.numbers_.shape[1:]


def draw_numbers(n_features: int, side: int) -> np.ndarray:
    """Return pictures of 0.000 to 1.000, uint8 (1001, height, width), in the largest font.

    An image of side x side pixels holds `n_features` such pictures. Raises a DeepMapperError if it
    does not in the smallest font.
    """
    from PIL import Image, ImageDraw, ImageFont

    for size in FONT_SIZES:  # from the largest
        font = ImageFont.load_default(size)
        boxes = np.array([font.getbbox(text) for text in WIDEST], dtype=int)
        left, top = boxes[:, :2].min(0)
        width, height = boxes[:, 2:].max(0) + 1 - (left, top)  # a column and a row between them
        if (side // height) * (side // width) >= n_features:
            break
    else:
        message = (
            f"numbers of {n_features} features do not fit into {side}x{side} pixels in a font of "
            f"{size} pixels: use a larger image_size"
        )
        raise DeepMapperError(message)
    pictures = np.zeros((1001, height, width), dtype=np.uint8)
    for thousandths, picture in enumerate(pictures):
        drawing = Image.new("L", (width, height))
        text = f"{thousandths / 1000:.3f}"
        ImageDraw.Draw(drawing).text((-left, -top), text, fill=255, font=font)
        picture[:] = drawing
    return pictures
