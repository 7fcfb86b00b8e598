"""Figures of stores with many datasets and methods: a grid of small cells in place of panels.

A panel a dataset with a row a method takes minutes to draw and a metre to show when there are
dozens of both. Here every pair has a cell of its own all the same: nothing is left out.
"""

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from reports.figure_curves import History, histories, series
from reports.figure_front import MANY, draw_points
from reports.figure_images import Examples, common_row, examples_of
from reports.figure_style import FAINT, QUIET, colours
from reports.results import Group, Results
from reports.statistics import pareto_front

MOST_ENTRIES = 600  # pairs of dataset and method: beyond, figures are these
TILE = 28  # pixels: a side of an example image
ABOVE, RIGHT = 0.1, 0.9  # inches, the right for a colour bar
NOTHING = "#f0f0f0"  # of cells without a number


def is_many(results: Results) -> bool:
    return len(results.datasets) * len(results.methods) > MOST_ENTRIES


def accuracy(results: Results) -> Figure | None:
    """Mean test accuracy as a colour."""

    def value(group: Group) -> float | None:
        return group.accuracy.mean if group.accuracy else None

    return _heat_map(results, value, "test accuracy", logarithmic=False)


def time(results: Results) -> Figure | None:
    """Median total seconds as a colour."""
    return _heat_map(results, _total_seconds, "total seconds", logarithmic=True)


def _total_seconds(group: Group) -> float | None:
    return group.total_seconds


def needle_ranks(results: Results) -> Figure | None:
    """The median over seeds of the rank of the needle that is ranked last, as a colour."""

    def value(group: Group) -> float | None:
        found = group.spread("worst_needle_rank")
        return found.median if found else None

    return _heat_map(results, value, "rank of the needle ranked last", logarithmic=True)


def _heat_map(
    results: Results, value: Callable[[Group], float | None], label: str, *, logarithmic: bool
) -> Figure | None:
    grid = _grid(results, value)
    rows, columns = _known(~np.isnan(grid))
    if not len(rows):
        return None
    shown = grid[np.ix_(rows, columns)]
    figure, axes = _sheet(
        [results.methods[i] for i in rows], [results.datasets[i] for i in columns]
    )
    axes.set_facecolor(NOTHING)
    low, high = float(np.nanmin(shown)), float(np.nanmax(shown))
    scale: Normalize = Normalize(low, high)
    if logarithmic:
        low = max(low, 1e-3)
        scale = LogNorm(low, max(high, 2 * low))
        shown = np.maximum(shown, low)
    picture = axes.imshow(
        np.ma.masked_invalid(shown), cmap="viridis", norm=scale, aspect="auto", zorder=1
    )
    _colour_bar(figure, axes, picture, label)
    return figure


def _colour_bar(figure: Figure, axes: Axes, picture: AxesImage, label: str) -> None:
    """At the right, a third of the height."""
    place, width = axes.get_position(), figure.get_figwidth()
    bar = figure.add_axes(
        (place.x1 + 0.2 / width, place.y1 - place.height / 3, 0.15 / width, place.height / 3)
    )
    figure.colorbar(picture, cax=bar, label=label)


def _grid(results: Results, value: Callable[[Group], float | None]) -> np.ndarray:
    """(n_methods, n_datasets), NaN where there is no number."""
    grid = np.full((len(results.methods), len(results.datasets)), np.nan)
    for column, dataset in enumerate(results.datasets):
        for row, method in enumerate(results.methods):
            group = results.group(dataset, method)
            found = value(group) if group is not None else None
            if found is not None:
                grid[row, column] = found
    return grid


def _known(is_known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows and the columns that hold anything."""
    return np.flatnonzero(is_known.any(1)), np.flatnonzero(is_known.any(0))


def _inches(labels: list[str]) -> float:
    """The room that labels of this length take."""
    return 0.15 + 0.06 * max(map(len, labels))


def _sheet(methods: list[str], datasets: list[str]) -> tuple[Figure, Axes]:
    """One pair of axes with a row a method and a column a dataset, each of size 1."""
    left, below = _inches(methods), _inches(datasets)
    inside = 0.26 * len(datasets), 0.19 * len(methods)
    width, height = left + inside[0] + RIGHT, below + inside[1] + ABOVE
    # Placed by hand: to lay out so many labels, matplotlib draws the figure twice.
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((left / width, below / height, inside[0] / width, inside[1] / height))
    axes.set_xlim(-0.5, len(datasets) - 0.5)
    axes.set_ylim(len(methods) - 0.5, -0.5)
    axes.set_xticks(range(len(datasets)), datasets, rotation=90, fontsize=7)
    axes.set_yticks(range(len(methods)), methods, fontsize=7)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    return figure, axes


def accuracy_vs_time(results: Results) -> Figure | None:
    """One panel: mean rank by accuracy against the median over datasets of total seconds."""
    seconds = _grid(results, _total_seconds)
    points = {}
    for method, row in zip(results.methods, seconds, strict=True):
        rank = results.mean_ranks["mean_rank"].get(method, np.nan)
        if not np.isnan(row).all() and not np.isnan(rank):
            points[method] = (float(np.nanmedian(row)), float(rank))
    if not points:
        return None
    x, y = np.array(list(points.values())).T
    on_front = [list(points)[i] for i in np.flatnonzero(pareto_front(x, -y))]
    named = on_front if len(points) > MANY else list(points)
    return draw_points(results.methods, points, on_front, named)


def images(results: Results) -> Figure | None:
    """A row a method and a column a dataset: the same sample down a column, made smaller."""
    found = {dataset: examples_of(results, dataset) for dataset in results.datasets}
    methods = [m for m in results.methods if any(m in examples for examples in found.values())]
    datasets = [dataset for dataset, examples in found.items() if examples]
    if not datasets:
        return None
    figure, axes = _sheet(methods, datasets)
    sheet = np.full((len(methods) * TILE, len(datasets) * TILE), np.nan)
    for column, dataset in enumerate(datasets):
        row = common_row(list(found[dataset].values()))
        for line, method in enumerate(methods):
            if method in found[dataset]:
                top, left = line * TILE, column * TILE
                tile = _tile(found[dataset][method], row)
                sheet[top + 1 : top + TILE - 1, left + 1 : left + TILE - 1] = tile
    axes.set_facecolor(NOTHING)
    extent = (-0.5, len(datasets) - 0.5, len(methods) - 0.5, -0.5)
    picture = np.ma.masked_invalid(sheet)
    axes.imshow(picture, cmap="magma", extent=extent, aspect="auto", vmin=0, vmax=1)
    return figure


def _tile(examples: Examples, row: int | None) -> np.ndarray:
    """The image between 0 and 1, every so many pixels of it."""
    at = 0 if row is None else examples.rows.index(row)
    image = np.nan_to_num(examples.images[at].astype(float))
    side = TILE - 2
    down = np.arange(side) * image.shape[0] // side
    across = np.arange(side) * image.shape[1] // side
    low, high = image.min(), np.quantile(image, 0.995)
    return np.clip((image[np.ix_(down, across)] - low) / max(high - low, 1e-12), 0, 1)


def curves(results: Results) -> Figure | None:
    """A row a method and a column a dataset: accuracy by epoch, from 0 to 1 in each."""
    found = {
        (method, dataset): curves
        for dataset in results.datasets
        for method, history in histories(results, dataset).items()
        if (curves := _accuracies(history))
    }
    if not found:
        return None
    methods = [m for m in results.methods if any(m == method for method, _ in found)]
    datasets = [d for d in results.datasets if any(d == dataset for _, dataset in found)]
    figure, axes = _sheet(methods, datasets)
    axes.set_xticks(np.arange(len(datasets)) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(methods)) - 0.5, minor=True)
    axes.tick_params(which="minor", length=0)
    axes.grid(visible=True, which="minor", color=FAINT)
    for side, colour in (("train", QUIET), ("validation", colours()[0])):
        lines = [
            _line(history[side], datasets.index(dataset), methods.index(method))
            for (method, dataset), history in found.items()
            if side in history
        ]
        axes.add_collection(LineCollection(lines, colors=[colour], linewidths=0.8), autolim=False)
    return figure


def _accuracies(history: History) -> dict[str, np.ndarray]:
    """Those that were recorded, by epoch."""
    found = {side: series(history, f"{side}_accuracy") for side in ("train", "validation")}
    return {side: values for side, values in found.items() if np.isfinite(values).any()}


def _line(values: np.ndarray, column: int, row: int) -> np.ndarray:
    """Points (n, 2) within the cell: epochs from left to right, accuracy from 0 up to 1."""
    x = column - 0.42 + 0.84 * np.linspace(0, 1, len(values))
    return np.column_stack([x, row + 0.42 - 0.84 * values])


FIGURES: dict[str, tuple[str, Callable[[Results], Figure | None]]] = {  # caption, what draws it
    "accuracy": (
        "Means over seeds, of all datasets and methods as colours; grey: no number. Intervals and "
        "failures are in the table.",
        accuracy,
    ),
    "time": (
        "Conversion, training and prediction together, medians over seeds, of all datasets and "
        "methods as colours on a log scale; grey: no number. The table has each phase.",
        time,
    ),
    "accuracy_vs_time": (
        "Of each method the mean rank by test accuracy over all datasets and seeds (1 is best, "
        "failed cells rank last) against the median over datasets of its total seconds "
        "(conversion, training and prediction; datasets on which it finished). The line is the "
        "Pareto front, whose methods have names; the interactive chart has each dataset.",
        accuracy_vs_time,
    ),
    "images": (
        "Rows are the methods that make images, columns the datasets; one sample a column, of each "
        f"image {TILE - 2} × {TILE - 2} pixels. Brightness is scaled for each image, its top 0.5% "
        "clipped. Grey: no image.",
        images,
    ),
    "needle_ranks": (
        "The rank of the needle (a feature known to matter) that is ranked last, median over "
        "seeds, as a colour on a log scale: the number of needles would be perfect. Grey: no "
        "attribution.",
        needle_ranks,
    ),
    "curves": (
        "Accuracy by epoch, in each cell from 0 (below) to 1 (above), of the first seed. Grey: "
        "training rows; blue: validation rows.",
        curves,
    ),
}
