"""Figures of stores with many datasets and methods: heat maps instead of panels.

Dozens of panels with dozens of rows would take minutes to draw and a metre of page. In a heat map
every pair has a small cell. Images and curves are not drawn.
"""

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from reports.figure_front import MANY, MARK, front_of, method_handles
from reports.figure_style import QUIET, bare, legend_below, method_styles
from reports.figure_time import FLOOR_SECONDS, whole_decades
from reports.results import Group, Results

MOST_ENTRIES = 600  # pairs of dataset and method: beyond, figures are these
NOT_DRAWN = f"Not drawn for more than {MOST_ENTRIES} pairs of dataset and method."
ABOVE, RIGHT = 0.1, 0.9  # inches, the right for a colour bar
NOTHING = "#f0f0f0"  # colour of cells without a number


def is_many(results: Results) -> bool:
    return len(results.datasets) * len(results.methods) > MOST_ENTRIES


def _accuracy(group: Group) -> float | None:
    return group.accuracy.mean if group.accuracy else None


def _total_seconds(group: Group) -> float | None:
    return group.total_seconds


def _worst_rank(group: Group) -> float | None:
    return group.median("worst_needle_rank")


def _heat_map(
    results: Results,
    value: Callable[[Group], float | None],
    label: str,
    *,
    logarithmic: bool = True,
) -> Figure | None:
    """The values of all pairs as colours, without empty rows and columns."""
    grid = _grid(results, value)
    is_known = ~np.isnan(grid)
    rows, columns = np.flatnonzero(is_known.any(1)), np.flatnonzero(is_known.any(0))
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
    # The colour bar is at the right, a third of the height.
    place, width = axes.get_position(), figure.get_figwidth()
    bar = figure.add_axes(
        (place.x1 + 0.2 / width, place.y1 - place.height / 3, 0.15 / width, place.height / 3)
    )
    figure.colorbar(picture, cax=bar, label=label)
    return figure


def _grid(results: Results, value: Callable[[Group], float | None]) -> np.ndarray:
    """(n_methods, n_datasets), NaN for no number."""
    grid = np.full((len(results.methods), len(results.datasets)), np.nan)
    for column, dataset in enumerate(results.datasets):
        for row, method in enumerate(results.methods):
            group = results.group(dataset, method)
            number = value(group) if group is not None else None
            if number is not None:
                grid[row, column] = number
    return grid


def _inches(labels: list[str]) -> float:
    """The room that labels of this length take."""
    return 0.15 + 0.06 * max(map(len, labels))


def _sheet(methods: list[str], datasets: list[str]) -> tuple[Figure, Axes]:
    """One pair of axes with a row a method and a column a dataset, each of size 1."""
    left, below = _inches(methods), _inches(datasets)
    inside = 0.26 * len(datasets), 0.19 * len(methods)
    width, height = left + inside[0] + RIGHT, below + inside[1] + ABOVE
    # Placed by hand: matplotlib would draw the figure twice to lay out all labels.
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((left / width, below / height, inside[0] / width, inside[1] / height))
    axes.set_xlim(-0.5, len(datasets) - 0.5)
    axes.set_ylim(len(methods) - 0.5, -0.5)
    axes.set_xticks(range(len(datasets)), datasets, rotation=90, fontsize=7)
    axes.set_yticks(range(len(methods)), methods, fontsize=7)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    return figure, axes


def _accuracy_vs_time(results: Results) -> Figure | None:
    """One panel: mean rank by accuracy against the median over datasets of total seconds."""
    points = {}
    for method, row in zip(results.methods, _grid(results, _total_seconds), strict=True):
        rank = float(results.mean_ranks["mean_rank"][method])
        if not np.isnan(row).all() and not np.isnan(rank):
            points[method] = (max(float(np.nanmedian(row)), FLOOR_SECONDS), rank)
    if not points:
        return None
    figure = Figure(figsize=(9.2, 5.6), layout="constrained")
    axes, styles = figure.subplots(), method_styles(results.methods)
    for method, (x, y) in points.items():
        axes.plot(x, y, zorder=4, **MARK, **styles[method])
    front = front_of({method: (x, -y) for method, (x, y) in points.items()})
    line = [points[method] for method in front]
    axes.step(*zip(*line, strict=True), where="post", color=QUIET, linewidth=1.2, zorder=2)
    for method in front if len(points) > MANY else points:
        place = points[method]
        axes.annotate(method, place, (5, 4), textcoords="offset points", fontsize=6.5, zorder=5)
    axes.set_xscale("log")
    whole_decades(axes)
    axes.invert_yaxis()  # the best on top
    axes.set_xlabel("total seconds (median over datasets)")
    axes.set_ylabel("mean rank by test accuracy")
    bare(axes)
    legend_below(figure, method_handles(results.methods, points))
    return figure


FIGURES: dict[str, tuple[str, Callable[[Results], Figure | None]]] = {  # caption, what draws it
    "accuracy": (
        "Means over seeds, of all datasets and methods as colours; grey: no number. Intervals and "
        "failures are in the table.",
        lambda results: _heat_map(results, _accuracy, "test accuracy", logarithmic=False),
    ),
    "time": (
        "Conversion, training and prediction together, medians over seeds, of all datasets and "
        "methods as colours on a log scale; grey: no number. The table has each phase.",
        lambda results: _heat_map(results, _total_seconds, "total seconds"),
    ),
    "accuracy_vs_time": (
        "Of each method the mean rank by test accuracy over all datasets and seeds (1 is best, "
        "failed cells rank last) against the median over datasets of its total seconds "
        "(conversion, training and prediction; datasets on which it finished). The line is the "
        "Pareto front, whose methods have names; the interactive chart has each dataset.",
        _accuracy_vs_time,
    ),
    "needle_ranks": (
        "The rank of the needle (a feature known to matter) that is ranked last, median over "
        "seeds, as a colour on a log scale: the number of needles would be perfect. Grey: no "
        "attribution.",
        lambda results: _heat_map(results, _worst_rank, "rank of the needle ranked last"),
    ),
}
