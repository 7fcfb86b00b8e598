"""Fig. 5: needles in a haystack: images, confusion, strongest attributions."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix

from reports.figures.style import COLUMN, INK, QUIET, WARNING, no_ticks
from reports.paper.evidence import Evidence, keys_of
from reports.paper.exhibit import Exhibit
from reports.paper.labels import BEST, CORRECTED, FAITHFUL, NIHS, NIHS_NOTEBOOK
from reports.paper.needles import BAR, strongest
from reports.results import Group

TITLE = "Fig. 5: needles in a haystack"
SHOWN = ((NIHS_NOTEBOOK, FAITHFUL), (NIHS, CORRECTED), (NIHS, BEST))
N_BARS = 10


def fig5(evidence: Evidence) -> Exhibit:
    """Draw a column a mode: images of both classes, confusion, attributions."""
    groups = [(mode, evidence.group(dataset, mode)) for dataset, mode in SHOWN]
    lines = [(mode, group) for mode, group in groups if group is not None and group.ok]
    if not lines:
        return Exhibit("fig5", TITLE, "", missing="needs a cell on NIHS that is ok")
    figure = Figure(figsize=(COLUMN, 5.4), layout="constrained")
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=(1, 1.35)).flat
    images = above.subplots(2, len(lines), squeeze=False)
    rest = below.subplots(2, len(lines), squeeze=False, height_ratios=(1, 1.8))
    grid = np.vstack([images, rest])
    for column, (mode, group) in zip(grid.T, lines, strict=True):
        arrays = evidence.arrays(group)
        _images(column[:2], arrays)
        _confusion(column[2], arrays)
        _bars(column[3], arrays, _needles(evidence, group))
        column[0].set_title(mode, loc="center")
    for axes, head in zip(
        grid[:, 0], ("class 0", "class 1", "true class", f"top {N_BARS} features"), strict=True
    ):
        axes.set_ylabel(head)
    caption = (
        "One column a mode, the first seed of each. Above: a test row of each class as an image. "
        "Middle: true (down) and predicted (across) classes of all test rows. Below: the "
        f"{N_BARS} features with the strongest attribution (mean over classes), relative to the "
        "strongest, with needles in red. `faithful` runs the loop of the notebook. A pass below a "
        f"test accuracy of {BAR} does not count in the table of needles."
    )
    return Exhibit("fig5", TITLE, caption, keys_of(*(group for _, group in lines)), figure)


def _needles(evidence: Evidence, group: Group) -> list[int]:
    record = evidence.results.records[group.ok[0]["key"]]
    return [int(feature) for feature in record["dataset"].get("relevant") or []]


def _images(pair: np.ndarray, arrays: dict[str, np.ndarray]) -> None:
    for axes, image in zip(pair, arrays.get("example_images", [])[:2], strict=False):
        axes.imshow(image.astype(float), cmap="viridis", interpolation="none")
    for axes in pair:
        no_ticks(axes)


def _confusion(axes: Axes, arrays: dict[str, np.ndarray]) -> None:
    predicted, n_classes = arrays["probabilities"].argmax(1), arrays["probabilities"].shape[1]
    counts = confusion_matrix(arrays["y_test"], predicted, labels=range(n_classes))
    axes.imshow(counts, cmap="Blues", vmin=0, vmax=counts.max() * 1.3)
    for (row, column), count in np.ndenumerate(counts):
        colour = "white" if count > counts.max() / 2 else INK
        axes.text(column, row, f"{count:,}", ha="center", va="center", color=colour)
    ticks = range(len(counts))
    axes.set_xticks(ticks, [str(c) for c in ticks])
    axes.set_yticks(ticks, [str(c) for c in ticks])
    axes.set_xlabel("predicted", labelpad=1)
    axes.grid(visible=False)


def _bars(axes: Axes, arrays: dict[str, np.ndarray], needles: list[int]) -> None:
    top = strongest(arrays, N_BARS)
    features, values = list(top), np.array(list(top.values()))
    places = np.arange(len(features))
    colours = [WARNING if feature in needles else QUIET for feature in features]
    axes.barh(places, values / max(values.max(initial=0), 1e-30), color=colours, linewidth=0)
    axes.set_yticks(places, [f"{feature:,}" for feature in features])
    axes.invert_yaxis()
    axes.set_xlim(0, 1.02)
    axes.grid(visible=False, axis="y")
