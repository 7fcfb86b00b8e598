"""Fig. 3: digits of MNIST, and the same digits with their pixels shuffled."""

import math

import numpy as np
from matplotlib.figure import Figure

from reports.figures.style import COLUMN, no_ticks
from reports.paper.evidence import Evidence, keys_of
from reports.paper.exhibit import Exhibit
from reports.paper.labels import FAITHFUL, MNIST, SHUFFLED

TITLE = "Fig. 3: MNIST and its shuffled counterpart"
CAPTION = (
    "The first test image of each digit, and below it the same image with its 784 pixels in the "
    "order of one fixed permutation, the same for all images."
)


def fig3(evidence: Evidence) -> Exhibit:
    """Draw originals in two lines, under each line the same images shuffled."""
    groups = [evidence.group(label, FAITHFUL) for label in (MNIST, SHUFFLED)]
    stored = [evidence.arrays(group) for group in groups]
    if not all("example_images" in arrays for arrays in stored):
        return Exhibit("fig3", TITLE, CAPTION, missing="needs images of MNIST, plain and shuffled")
    rows = [row for row in stored[0]["example_rows"] if row in stored[1]["example_rows"]]
    n_columns = math.ceil(len(rows) / 2)
    figure = Figure(figsize=(COLUMN, 3.1), layout="constrained")
    grid = figure.subplots(4, n_columns, squeeze=False)
    for axes in grid.flat:
        no_ticks(axes)
    for side, (arrays, name) in enumerate(zip(stored, ("original", "shuffled"), strict=True)):
        for place, row in enumerate(rows):
            axes = grid[2 * (place // n_columns) + side, place % n_columns]
            (stored_at,) = np.flatnonzero(arrays["example_rows"] == row)
            image = arrays["example_images"][stored_at].astype(float)
            axes.imshow(image, cmap="gray", interpolation="none")
            if side == 0:
                axes.set_title(str(arrays["example_labels"][stored_at]), loc="center", pad=2)
        for line in grid[side::2]:
            line[0].set_ylabel(name)
    for axes in grid[2:, len(rows) - n_columns :].flat:  # if the second half is one short
        axes.set_visible(False)
    return Exhibit("fig3", TITLE, CAPTION, keys_of(*groups), figure)
