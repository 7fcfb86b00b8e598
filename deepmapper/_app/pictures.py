"""Images of features as PNG files in a page: pixels enlarged as squares, with a colour scale."""

import base64
import io

import numpy as np
from PIL import Image

# Anchors of the two scales, light to dark, even in lightness; colours between are interpolated.
# One-sided: from paper to deep blue. Two-sided: blue below, paper at 0, red above.
ONE_SIDED = ((247, 248, 250), (190, 214, 236), (104, 163, 209), (33, 102, 172), (8, 36, 84))
TWO_SIDED = (
    (8, 48, 107),
    (66, 134, 190),
    (176, 208, 230),
    (247, 248, 250),
    (244, 190, 170),
    (208, 90, 78),
    (110, 10, 30),
)
N_COLOURS = 256
LEAST_SIDE = 240  # a small image is enlarged to at least this many pixels a side


def picture(image: np.ndarray, largest: float, *, two_sided: bool) -> str:
    """The image (h, w) as a `data:` address of a PNG.

    Args:
        largest: the value of the last colour; the first stands for 0, or for -largest.
        two_sided: whether values lie on both sides of 0.
    """
    low = -largest if two_sided else 0.0
    span = max(largest - low, 1e-30)
    codes = np.clip((image - low) / span * (N_COLOURS - 1), 0, N_COLOURS - 1).round()
    times = max(1, -(-LEAST_SIDE // max(image.shape)))
    enlarged = np.kron(codes.astype(np.uint8), np.ones((times, times), dtype=np.uint8))
    return _address(enlarged, two_sided)


def colour_bar(*, two_sided: bool) -> str:
    """The colours in a row, first to last, as a `data:` address of a PNG."""
    return _address(np.arange(N_COLOURS, dtype=np.uint8)[None], two_sided)


def _address(codes: np.ndarray, two_sided: bool) -> str:
    picture = Image.fromarray(codes)
    picture.putpalette(_palette(TWO_SIDED if two_sided else ONE_SIDED))
    file = io.BytesIO()
    picture.save(file, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def _palette(anchors: tuple[tuple[int, int, int], ...]) -> bytes:
    where = np.linspace(0, 1, len(anchors))
    colours = np.linspace(0, 1, N_COLOURS)
    channels = [np.interp(colours, where, channel) for channel in zip(*anchors, strict=True)]
    return np.stack(channels, axis=1).round().astype(np.uint8).tobytes()
