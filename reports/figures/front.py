"""Balanced accuracy against total time, a panel for each dataset, with the Pareto front.

Accuracies crowd near 1, so their axis is logarithmic in the error and labelled with the accuracy.
"""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from reports.figures.style import (
    MOST_METHODS_NOTE,
    QUIET,
    TITLE_WIDTH,
    bare,
    broken,
    few_methods,
    legend_below,
    method_styles,
    panels,
)
from reports.figures.time import FLOOR_SECONDS, whole_decades
from reports.results import Results
from reports.statistics.estimates import pareto_front

TITLE = "Balanced accuracy against total time"
CAPTION = (
    "Total is conversion, training and prediction (median over seeds), on a log scale. The line is "
    "the Pareto front: no method is both faster and more accurate than those on it. Vertical "
    "lines are 95% intervals, cut at the edge of the panel. The accuracy axis is logarithmic in "
    "the error, because methods differ near 1." + MOST_METHODS_NOTE
)
WITHOUT = "No cell has both a balanced accuracy and a time."
ERROR_TICKS = [0.9, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005]
MARK: dict[str, Any] = {"linestyle": "", "markersize": 5, "mec": "white", "mew": 0.5}

Points = dict[str, tuple[float, float]]  # method -> seconds and accuracy


def draw(results: Results) -> Figure | None:
    """Draw a panel for each dataset, or return None without accuracy and time."""
    methods = few_methods(results, results.methods)
    by_dataset = {dataset: _points(results, dataset, methods) for dataset in results.datasets}
    shown = {dataset: points for dataset, points in by_dataset.items() if points}
    if not shown:
        return None
    figure, axes = panels(len(shown), 4.1, 2.1)
    for panel, (dataset, points) in zip(axes, shown.items(), strict=True):
        _panel(panel, results, dataset, points, method_styles(methods))
    styles = method_styles(methods)
    drawn = [method for method in methods if any(method in points for points in shown.values())]
    handles = [Line2D([], [], label=method, **MARK, **styles[method]) for method in drawn]
    front = Line2D([], [], color=QUIET, linewidth=1.2, label="Pareto front")
    legend_below(figure, [*handles, front])
    return figure


def _points(results: Results, dataset: str, methods: list[str]) -> Points:
    points = {}
    for group in results.groups(dataset):
        seconds = group.total_seconds
        if group.method in methods and group.main and seconds is not None:
            points[group.method] = (max(seconds, FLOOR_SECONDS), group.main.mean)
    return points


def _panel(
    axes: Axes, results: Results, dataset: str, points: Points, styles: dict[str, dict[str, Any]]
) -> None:
    floor = 0.5 / (results.dataset_facts(dataset).get("n_test") or 500)

    def error(accuracy: float) -> float:
        """Return 1 - accuracy, at least half a test row: no logarithm of zero."""
        return max(1 - accuracy, floor)

    places = {method: (x, error(y)) for method, (x, y) in points.items()}
    on_front = np.flatnonzero(pareto_front(*zip(*points.values(), strict=True)))
    front = sorted(list(places.values())[i] for i in on_front)
    axes.step(*zip(*front, strict=True), where="post", color=QUIET, lw=1.2, zorder=2)
    for method, (x, y) in places.items():
        group, look = results.group(dataset, method), styles[method]
        estimate = group.main if group else None
        if estimate and estimate.low is not None and estimate.high is not None:
            ends = [error(estimate.low), error(estimate.high)]
            axes.plot([x, x], ends, color=look["color"], linewidth=1, alpha=0.6, zorder=3)
        axes.plot(x, y, zorder=4, **MARK, **look)
    errors = [y for _, y in places.values()]
    _scales(axes, min(errors), max(errors))
    axes.set_title(broken(dataset, TITLE_WIDTH))


def _scales(axes: Axes, least: float, most: float) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    whole_decades(axes)
    axes.set_ylim(min(1.05, most * 1.6), least / 2.5)  # the best on top
    axes.yaxis.set_major_locator(FixedLocator(ERROR_TICKS))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda error, _: f"{1 - error:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("total seconds")
    axes.set_ylabel("balanced accuracy")
    bare(axes)
