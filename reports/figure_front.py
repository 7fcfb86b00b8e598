"""Accuracy against what it costs: total time, a panel a dataset, the Pareto front as a line.

Accuracies crowd near 1, so their axis is logarithmic in the error and labelled with the accuracy.
"""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from reports.figure_style import QUIET, bare, legend_below, method_styles, panels
from reports.figure_time import FLOOR_SECONDS, whole_decades
from reports.results import Results
from reports.statistics import pareto_front

TITLE = "Accuracy against total time"
CAPTION = (
    "Total is conversion, training and prediction (median over seeds), on a log scale. The line is "
    "the Pareto front: no method is both as fast and as accurate as those on it. Vertical lines "
    "are 95% intervals, cut where they leave the panel. The accuracy axis is stretched towards 1 "
    "(logarithmic in the error), where methods differ."
)
WITHOUT = "No cell has both an accuracy and a time."
MANY = 12  # methods: beyond, those on the front are named where they stand
LINE_PIXELS = 11  # between names, in the figure's own pixels, 100 an inch
ERROR_TICKS = [0.9, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005]


def draw(results: Results) -> Figure | None:
    """Accuracy against conversion + training + prediction, the Pareto front as a line."""
    shown = [d for d in results.datasets if _points(results, d)]
    if not shown:
        return None
    figure, axes = panels(len(shown), 4.1, 3.1)
    for panel, dataset in zip(axes, shown, strict=True):
        _front_panel(panel, results, dataset)
    legend_below(figure, _method_handles(results, shown))
    return figure


def _points(results: Results, dataset: str) -> dict[str, tuple[float, float]]:
    """Method -> (total seconds, mean accuracy)."""
    found = {}
    for group in results.groups(dataset):
        seconds = group.total_seconds
        if group.accuracy and seconds is not None:
            found[group.method] = (max(seconds, FLOOR_SECONDS), group.accuracy.mean)
    return found


def _front_panel(axes: Axes, results: Results, dataset: str) -> None:
    points, styles = _points(results, dataset), method_styles(results.methods)
    floor = 0.5 / (results.dataset_facts(dataset).get("n_test") or 500)
    front = _front(axes, points, floor)
    for method, (x, y) in points.items():
        group = results.group(dataset, method)
        look = styles[method]
        if group and group.accuracy and group.accuracy.low is not None:
            ends = [_error(group.accuracy.low, floor), _error(group.accuracy.high, floor)]
            axes.plot([x, x], ends, color=look["color"], linewidth=1, alpha=0.6, zorder=3)
        look = {"markersize": 7, "mec": "white", "mew": 0.7, **look}
        axes.plot(x, _error(y, floor), linestyle="", zorder=4, **look)
    errors = [_error(accuracy, floor) for _, accuracy in points.values()]
    _scales(axes, min(errors), max(errors))
    if len(styles) > MANY:
        _name(axes, front)
    axes.set_title(dataset)


def _error(accuracy: float | None, floor: float) -> float:
    """1 - accuracy, kept above half a test row: no logarithm of zero."""
    return max(1 - (accuracy or 0.0), floor)


def _front(
    axes: Axes, points: dict[str, tuple[float, float]], floor: float
) -> list[tuple[str, float, float]]:
    """Draw the front; its methods, seconds and errors, the cheapest first."""
    seconds, accuracies = np.array(list(points.values())).T
    on_front = np.flatnonzero(pareto_front(seconds, accuracies))
    on_front = on_front[np.argsort(seconds[on_front])]
    errors, x = np.maximum(1 - accuracies[on_front], floor), seconds[on_front]
    axes.step(x, errors, where="post", color=QUIET, linewidth=1.2, zorder=2)
    return [(list(points)[i], at, error) for i, at, error in zip(on_front, x, errors, strict=True)]


def _name(axes: Axes, front: list[tuple[str, float, float]]) -> None:
    """Names beside the points of the front, from the best down, where there is room for one."""
    below = -math.inf
    for method, seconds, error in reversed(front):
        height = -axes.transData.transform((seconds, error))[1]
        if height - below > LINE_PIXELS:
            is_first = method == front[0][0]
            axes.annotate(
                method,
                (seconds, error),
                (5 if is_first else -5, 3),
                textcoords="offset points",
                ha="left" if is_first else "right",
                fontsize=6.5,
                zorder=5,
            )
            below = height


def draw_points(
    methods: list[str],
    points: dict[str, tuple[float, float]],
    on_front: list[str],
    named: list[str],
) -> Figure:
    """One panel for all datasets: mean ranks against seconds, the front as a line."""
    figure = Figure(figsize=(9.2, 5.6), layout="constrained")
    axes, styles = figure.subplots(), method_styles(methods)
    for method, (x, y) in points.items():
        look = {"markersize": 7, "mec": "white", "mew": 0.7, **styles[method]}
        axes.plot(max(x, FLOOR_SECONDS), y, linestyle="", zorder=4, **look)
    line = sorted((max(points[m][0], FLOOR_SECONDS), points[m][1]) for m in on_front)
    axes.step(*zip(*line, strict=True), where="post", color=QUIET, linewidth=1.2, zorder=2)
    for method in named:
        at = max(points[method][0], FLOOR_SECONDS), points[method][1]
        axes.annotate(method, at, (5, 4), textcoords="offset points", fontsize=6.5, zorder=5)
    axes.set_xscale("log")
    whole_decades(axes)
    axes.invert_yaxis()  # the best on top
    axes.set_xlabel("total seconds (median over datasets)")
    axes.set_ylabel("mean rank by test accuracy")
    bare(axes)
    handles = [
        Line2D([], [], linestyle="", markersize=7, mec="white", mew=0.7, label=m, **styles[m])
        for m in methods
        if m in points
    ]
    legend_below(figure, handles)
    return figure


def _scales(axes: Axes, least: float, most: float) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    whole_decades(axes)
    axes.set_ylim(min(1.05, most * 1.6), least / 2.5)  # the best on top
    axes.yaxis.set_major_locator(FixedLocator(ERROR_TICKS))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda error, _: f"{1 - error:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("total seconds")
    axes.set_ylabel("test accuracy")
    bare(axes)


def _method_handles(results: Results, shown: list[str]) -> list[Line2D]:
    styles = method_styles(results.methods)
    drawn = {method for dataset in shown for method in _points(results, dataset)}
    handles = [
        Line2D([], [], linestyle="", markersize=7, mec="white", mew=0.7, label=m, **styles[m])
        for m in results.methods
        if m in drawn
    ]
    return [*handles, Line2D([], [], color=QUIET, linewidth=1.2, label="Pareto front")]
