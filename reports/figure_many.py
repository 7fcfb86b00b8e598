"""Figures of stores with many datasets and methods: heat maps instead of panels.

With dozens of both, a panel for each dataset with a row for each method takes minutes to draw and a
metre to show. In a heat map every pair has a small cell. Images and curves are not drawn.
"""

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from reports.figure_front import MANY, draw_points
from reports.results import Group, Results
from reports.statistics import pareto_front

MOST_ENTRIES = 600  # pairs of dataset and method: beyond, figures are these
NOT_DRAWN = f"Not drawn for more than {MOST_ENTRIES} pairs of dataset and method."
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
    "needle_ranks": (
        "The rank of the needle (a feature known to matter) that is ranked last, median over "
        "seeds, as a colour on a log scale: the number of needles would be perfect. Grey: no "
        "attribution.",
        needle_ranks,
    ),
}
