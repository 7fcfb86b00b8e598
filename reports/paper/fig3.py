"""Fig. 3: digits of MNIST, and the same digits with their pixels shuffled."""

import numpy as np
from matplotlib.figure import Figure

from reports.paper.evidence import Evidence, keys_of
from reports.paper.exhibit import Exhibit
from reports.paper.labels import FAITHFUL, MNIST, SHUFFLED
from reports.paper.print_style import PAGE

TITLE = "Fig. 3: MNIST and its shuffled counterpart"
CAPTION = (
    "The first test image of each digit, and below it the same image with its 784 pixels in the "
    "order of one fixed permutation, the same for all images."
)


def fig3(evidence: Evidence) -> Exhibit:
    """Both rows show the same test images."""
    groups = [evidence.group(label, FAITHFUL) for label in (MNIST, SHUFFLED)]
    stored = [evidence.arrays(group) for group in groups]
    if not all("example_images" in arrays for arrays in stored):
        return Exhibit("fig3", TITLE, CAPTION, missing="needs images of MNIST, plain and shuffled")
    rows = [row for row in stored[0]["example_rows"] if row in stored[1]["example_rows"]]
    figure = Figure(figsize=(PAGE, 1.62), layout="constrained")
    grid = figure.subplots(2, len(rows), squeeze=False)
    for line, arrays, name in zip(grid, stored, ("original", "shuffled"), strict=True):
        for axes, row in zip(line, rows, strict=True):
            (place,) = np.flatnonzero(arrays["example_rows"] == row)
            image = arrays["example_images"][place].astype(float)
            axes.imshow(image, cmap="gray", interpolation="none")
            axes.set_xticks([])
            axes.set_yticks([])
            if line is grid[0]:
                axes.set_title(str(arrays["example_labels"][place]), loc="center")
        line[0].set_ylabel(name)
    return Exhibit("fig3", TITLE, CAPTION, keys_of(*groups), figure)
