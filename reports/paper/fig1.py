"""Fig. 1: a vector becomes a matrix row by row, padded with zeros, and back."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deepmapper.images.layouts import natural
from reports.figures.style import COLUMN, INK, QUIET, SMALLEST
from reports.paper.evidence import Evidence, keys_of
from reports.paper.exhibit import Exhibit
from reports.paper.labels import CORRECTED, TCGA

TITLE = "Fig. 1: fold and unfold"
N = 14  # values: two less than a square
COLOURS = "viridis"


def fig1(evidence: Evidence) -> Exhibit:
    """Draw the first 14 genes of a stored sample, folded by the engine's layout."""
    group = evidence.group(TCGA, CORRECTED)
    arrays = evidence.arrays(group)
    if "example_images" not in arrays:
        return Exhibit("fig1", TITLE, "", missing="needs an image of TCGA in natural order")
    values = arrays["example_images"][0].reshape(-1)[:N].astype(np.float32)
    row = int(arrays["example_rows"][0])
    layout = natural(N)
    image = layout.fold(values[None])[0, 0]
    unfolded = layout.unfold(image)
    if not np.array_equal(unfolded, values):
        message = "unfolding did not give the vector back"
        raise AssertionError(message)
    figure = Figure(figsize=(COLUMN, 3.3), layout="constrained")
    top, middle, below = figure.subplots(3, 1, height_ratios=(1, 4.2, 1))
    in_line = [[f"v{i + 1}" for i in range(N)]]
    for axes, vector in ((top, values), (below, unfolded)):
        _squares(axes, vector[None], np.zeros((1, N), bool), in_line, aspect=1.3)
    side = layout.shape[0]
    padded = np.ones(layout.shape, bool)
    padded.flat[layout.pixel_of_feature] = False
    names = [
        ["0" if padded[r, c] else f"v{r * side + c + 1}" for c in range(side)] for r in range(side)
    ]
    _squares(middle, image, padded, names)
    top.set_title(f"a vector of {N} values", loc="center")
    middle.set_title("↓ folded row by row; hatched: zeros", loc="center")
    below.set_title("↓ unfolded: the vector again", loc="center")
    caption = (
        f"A vector and its image. The values are those of the first {N} genes of TCGA test sample "
        f"{row} (log1p, scaled to 0..1 on training rows). Row by row they fill the smallest square "
        f"that holds them, {side}×{side}; the {padded.sum()} pixels left over are zero. Unfolding "
        "gives the vector back exactly (checked when the figure is drawn)."
    )
    return Exhibit("fig1", TITLE, caption, keys_of(group), figure)


def _squares(
    axes: Axes, image: np.ndarray, padded: np.ndarray, names: list[list[str]], aspect: float = 1.0
) -> None:
    from matplotlib.patches import Rectangle

    shown = np.ma.masked_array(image, padded)
    brightest = max(1e-9, float(image.max()))
    axes.imshow(shown, cmap=COLOURS, vmin=0, vmax=brightest, aspect=aspect)
    for r, c in np.ndindex(image.shape):
        dark = not padded[r, c] and image[r, c] < 0.55 * image.max()
        text = f"{names[r][c]}\n{_short(float(image[r, c]))}" if not padded[r, c] else names[r][c]
        written = axes.text(
            c, r, text, ha="center", va="center", color="white" if dark else INK, size=SMALLEST
        )
        if padded[r, c]:
            written.set_bbox({"color": "white", "pad": 1.5})  # clear of the hatching
        hatch = "////" if padded[r, c] else None
        axes.add_patch(
            Rectangle((c - 0.5, r - 0.5), 1, 1, fill=False, edgecolor=QUIET, lw=0.5, hatch=hatch)
        )
    axes.set_axis_off()


def _short(value: float) -> str:
    """Format two decimals without the leading zero, to fit 14 in a column."""
    return f"{value:.2f}".removeprefix("0")
