"""Fig. 2: the pipeline, drawn with the numbers of one sample."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from deepmapper.images.layouts import natural
from reports.figures.style import COLUMN, INK, QUIET, WARNING, no_ticks
from reports.paper.evidence import Evidence, keys_of
from reports.paper.exhibit import Exhibit
from reports.paper.labels import CORRECTED, TCGA
from reports.paper.needles import TOP, strongest

TITLE = "Fig. 2: from a row to ranked features"
N_CELLS = 24  # values of the row that are drawn
N_BARS = 5
LAYERS = (30, 23, 16, 9)  # heights of the drawn layers


def fig2(evidence: Evidence) -> Exhibit:
    """Draw the steps of a stored cell whose pixels are in the order of the table."""
    group = evidence.group(TCGA, CORRECTED)
    arrays = evidence.arrays(group)
    top = strongest(arrays, TOP)
    if "example_images" not in arrays or not top:
        return Exhibit("fig2", TITLE, "", missing="needs an image and attributions of TCGA")
    image = arrays["example_images"][0].astype(np.float32)
    n_features = int(evidence.results.dataset_facts(TCGA)["n_features"])
    figure = Figure(figsize=(COLUMN, 3.9), layout="constrained")
    row, *panels = figure.subplot_mosaic(
        [["row", "row"], ["image", "network"], ["map", "ranking"]], height_ratios=(0.4, 2, 2)
    ).values()
    row.imshow(image.reshape(1, -1)[:, :N_CELLS], cmap="viridis")
    row.set_title(f"1  a row of {n_features:,} numbers, its first {N_CELLS} shown", loc="left")
    panels[0].imshow(image, cmap="viridis", interpolation="none")
    panels[0].set_title("2  scaled and folded", loc="left")
    _network(panels[1])
    panels[1].set_title("3  network, trained", loc="left")
    layout = natural(n_features)
    strengths = np.zeros((1, n_features), np.float32)
    strengths[0, list(top)] = list(top.values())
    y, x = np.nonzero(layout.fold(strengths)[0, 0])
    panels[2].scatter(x, y, s=9, color=WARNING, linewidth=0)
    panels[2].set(xlim=(0, layout.shape[1]), ylim=(layout.shape[0], 0), box_aspect=1)
    panels[2].set_title(f"4  attribution, top {TOP}", loc="left")
    strongest_first = np.array(list(top.values())[:N_BARS])
    panels[3].barh(range(N_BARS), strongest_first / strongest_first[0], color=WARNING, linewidth=0)
    for place, feature in enumerate(list(top)[:N_BARS]):
        panels[3].text(0.04, place, f"gene {feature:,}", va="center", color="white")
    panels[3].set(ylim=(N_BARS - 0.4, -0.6), xlim=(0, 1.02), box_aspect=1)
    panels[3].set_title("5  ranked features", loc="left")
    for axes in (row, panels[0], panels[2], panels[3]):
        no_ticks(axes)
    caption = (
        "The pipeline of this repository, with a stored sample and network of TCGA (`corrected`, "
        "first seed). The row is scaled on training rows and folded to "
        f"{image.shape[0]}×{image.shape[1]} pixels, one a feature. A network is trained on the "
        "images of the training rows: ResNet-18 here, in `best` a smaller CNN behind a screen and "
        "a gate, mixed with plain models. Attribution gives each pixel a strength, and pixels are "
        "features again. `best` repeats training and attribution until the scores agree. Fig. 2 of "
        "the paper (Sci Rep 14, 2024) has the same steps: files are merged and indexed, scaled by "
        "logarithms and folded, ResNet-18 is trained, Captum attributes true positives and true "
        "negatives, and this is repeated until convergence."
    )
    return Exhibit("fig2", TITLE, caption, keys_of(group), figure)


def _network(axes: Axes) -> None:
    """Draw convolutions as ever smaller squares, and the classes as dots."""
    for place, height in enumerate(LAYERS):
        for offset in (4, 2, 0):
            corner = (22 * place + offset, 20 - height / 2 - offset)
            square = Rectangle(corner, height / 2, height, facecolor="white", edgecolor=INK, lw=0.7)
            axes.add_patch(square)
    axes.scatter([94] * 6, np.linspace(8, 32, 6), s=10, color=QUIET, linewidth=0)
    axes.set(xlim=(-3, 100), ylim=(42, -4), xlabel="convolutions → classes", box_aspect=1)
    no_ticks(axes)
    axes.spines[:].set_visible(False)
