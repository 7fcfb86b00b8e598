"""Loss and accuracy by epoch, on training and on validation rows, for methods with a history.

A few methods are drawn over one another; more would hide each other, and each gets panels of its
own, one a dataset, with its accuracy.
"""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from reports.figure_style import INK, QUIET, bare, colours, legend_below, method_styles
from reports.results import Group, Results

SIDES: dict[str, dict[str, Any]] = {
    "train": {"linestyle": (0, (3, 2)), "linewidth": 1.0, "markersize": 2},
    "validation": {"linewidth": 1.5, "markersize": 3.5},
}

TITLE = "Training curves"
CAPTION = (
    "The first seed that recorded a history. Dashed: training rows; solid: validation rows. Passes "
    "follow one another, with a gap between them. Losses are on a log scale; those below 0.0001 "
    "are drawn there. If there are more than eight methods, each has a row of panels with its "
    "accuracy and the number of its epochs."
)
WITHOUT = "No run recorded a training history."
MOST_OVERLAID = 8  # methods
SHORT = 7  # epochs, of a small panel whose points are marked
LOSS_FLOOR = 1e-4  # lower losses are drawn here: a logarithmic axis has no zero

History = list[dict[str, Any]]


def draw(results: Results) -> Figure | None:
    """The curves of every method that has some; None where nothing was recorded."""
    found = {dataset: histories(results, dataset) for dataset in results.datasets}
    shown = {dataset: histories for dataset, histories in found.items() if histories}
    if not shown:
        return None
    drawn = {method for histories in shown.values() for method in histories}
    methods = [method for method in results.methods if method in drawn]
    few = len(methods) <= MOST_OVERLAID
    return _overlaid(results, shown, methods) if few else _apart(shown, methods)


def _overlaid(results: Results, shown: dict[str, dict[str, History]], methods: list[str]) -> Figure:
    """A line of two panels a dataset, loss and accuracy."""
    figure = Figure(figsize=(9.2, 2.5 * len(shown) + 0.7), layout="constrained")
    grid = figure.subplots(len(shown), 2, squeeze=False)
    for line, (dataset, histories) in zip(grid, shown.items(), strict=True):
        for axes, measure in zip(line, ("loss", "accuracy"), strict=True):
            _panel(axes, results, dataset, histories, measure)
    styles = method_styles(results.methods)
    handles = [Line2D([], [], linewidth=1.5, markersize=4, label=m, **styles[m]) for m in methods]
    legend_below(figure, [*handles, *_sides(INK)])
    return figure


def _apart(shown: dict[str, dict[str, History]], methods: list[str]) -> Figure:
    """A row a method and a column a dataset: accuracy, from 0 to 1."""
    figure = Figure(
        figsize=(2.6 + 1.6 * len(shown), 0.8 + 0.58 * len(methods)), layout="constrained"
    )
    grid = figure.subplots(len(methods), len(shown), squeeze=False, sharey=True)
    colour = colours()[0]
    for axes, dataset in zip(grid[0], shown, strict=True):
        axes.set_title(dataset, pad=9)
    for line, method in zip(grid, methods, strict=True):
        line[0].set_ylabel(method, rotation=0, ha="right", va="center")
        for axes, histories in zip(line, shown.values(), strict=True):
            _small_panel(axes, histories.get(method), colour)
    legend_below(figure, _sides(colour))
    return figure


def _small_panel(axes: Axes, history: History | None, colour: Any) -> None:
    axes.set_ylim(-0.02, 1.05)
    axes.set_yticks([0, 0.5, 1], ["0", "", "1"])
    axes.tick_params(labelsize=6.5, pad=1)
    bare(axes)
    curves = {side: series(history, f"{side}_accuracy") for side in SIDES} if history else {}
    drawable = {side: values for side, values in curves.items() if np.isfinite(values).any()}
    if not drawable:
        axes.set_xticks([])
        axes.grid(visible=False)
        axes.text(0.5, 0.5, "none", color=QUIET, ha="center", va="center", fontsize=7)
        axes.set_xlim(0, 1)
        return
    last = max(map(len, drawable.values()))
    marker = "o" if last <= SHORT else ""
    for side, values in drawable.items():
        look = SIDES[side] | {"marker": marker, "markersize": 2.5, "linewidth": 1.1}
        axes.plot(np.arange(1, len(values) + 1), values, color=colour, **look)
    ends = {1: "1", last: str(len(history or []))}  # the gaps between passes are no epochs
    axes.set_xlim(1 - 0.04 * last, 1.04 * last)
    axes.set_xticks(list(ends), list(ends.values()))


def histories(results: Results, dataset: str) -> dict[str, History]:
    """Method -> the history of its first seed that has one."""
    found = {group.method: _history(results, group) for group in results.groups(dataset)}
    return {method: history for method, history in found.items() if history}


def _history(results: Results, group: Group) -> History:
    for key in group.ok_keys:
        if history := results.history(key):
            return history
    return []


def series(history: History, name: str) -> np.ndarray:
    """The values by epoch, passes one after the other with a gap between them; NaN for null."""
    values: list[float] = []
    for before, step in zip([history[0], *history], history, strict=False):
        if step.get("pass") != before.get("pass"):
            values.append(np.nan)
        value = step.get(name)
        values.append(np.nan if value is None else float(value))
    return np.array(values)


def _panel(
    axes: Axes, results: Results, dataset: str, histories: dict[str, History], measure: str
) -> None:
    styles = method_styles(results.methods)
    for method, history in histories.items():
        for side, look in SIDES.items():
            values = series(history, f"{side}_{measure}")
            values = np.maximum(values, LOSS_FLOOR) if measure == "loss" else values
            if np.isfinite(values).any():
                epochs = np.arange(1, len(values) + 1)
                axes.plot(epochs, values, **styles[method], **look)
    if measure == "loss" and axes.lines:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    if not axes.lines:
        axes.text(0.5, 0.5, f"no {measure} recorded", ha="center", transform=axes.transAxes)
    axes.set_title(f"{dataset}: {measure}")
    axes.set_xlabel("epoch")
    axes.xaxis.get_major_locator().set_params(integer=True)  # type: ignore[call-arg]
    bare(axes)


def _sides(colour: Any) -> list[Line2D]:
    return [Line2D([], [], color=colour, label=side, **look) for side, look in SIDES.items()]
