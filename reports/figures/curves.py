"""Accuracy by epoch on training and validation rows, for methods with a history."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports.figures.style import (
    MOST_COLUMNS,
    MOST_METHODS_NOTE,
    PAGE,
    QUIET,
    SMALLEST,
    bare,
    broken,
    colours,
    few_methods,
    legend_below,
)
from reports.results import Results

SIDES: dict[str, dict[str, Any]] = {
    "train": {"linestyle": (0, (3, 2)), "linewidth": 1.0, "markersize": 2},
    "validation": {"linewidth": 1.5, "markersize": 3.5},
}

TITLE = "Training curves"
CAPTION = (
    "Accuracy by epoch, from 0 to 1, of the first seed with a history. The number of epochs is "
    "below each panel. Dashed: training rows. Solid: validation rows. Passes follow one another, "
    f"with a gap between them. At most {MOST_COLUMNS} datasets." + MOST_METHODS_NOTE
)
WITHOUT = "No run recorded a training history."
SHORT = 7  # maximum number of epochs with a marker each

History = list[dict[str, Any]]


def draw(results: Results) -> Figure | None:
    """Draw a row a method and a column a dataset, or return None without a history."""
    by_dataset = {dataset: histories(results, dataset) for dataset in results.datasets}
    with_any = [dataset for dataset, of_methods in by_dataset.items() if of_methods]
    shown = {dataset: by_dataset[dataset] for dataset in with_any[:MOST_COLUMNS]}
    if not shown:
        return None
    drawn = {method for of_methods in shown.values() for method in of_methods}
    methods = few_methods(results, [method for method in results.methods if method in drawn])
    figure = Figure(figsize=(PAGE, 0.8 + 0.5 * len(methods)), layout="constrained")
    grid = figure.subplots(len(methods), len(shown), squeeze=False, sharey=True)
    colour = colours()[0]
    for axes, dataset in zip(grid[0], shown, strict=True):
        axes.set_title(broken(dataset), pad=9)
    for line, method in zip(grid, methods, strict=True):
        line[0].set_ylabel(method, rotation=0, ha="right", va="center")
        for axes, of_methods in zip(line, shown.values(), strict=True):
            _small_panel(axes, of_methods.get(method), colour)
    sides = [Line2D([], [], color=colour, label=side, **look) for side, look in SIDES.items()]
    legend_below(figure, sides)
    return figure


def _small_panel(axes: Axes, history: History | None, colour: Any) -> None:
    axes.set_ylim(-0.02, 1.05)
    axes.set_yticks([0, 0.5, 1], ["0", "", "1"])
    axes.tick_params(labelsize=SMALLEST, pad=1)
    bare(axes)
    curves = {side: series(history, f"{side}_accuracy") for side in SIDES} if history else {}
    drawable = {side: values for side, values in curves.items() if np.isfinite(values).any()}
    if not drawable:
        axes.set_xticks([])
        axes.grid(visible=False)
        axes.text(0.5, 0.5, "none", color=QUIET, ha="center", va="center", fontsize=SMALLEST)
        axes.set_xlim(0, 1)
        return
    last = max(map(len, drawable.values()))
    marker = "o" if last <= SHORT else ""
    for side, values in drawable.items():
        look = SIDES[side] | {"marker": marker, "markersize": 2.5, "linewidth": 1.1}
        axes.plot(np.arange(1, len(values) + 1), values, color=colour, **look)
    ends = {1: "1", last: str(len(history or []))}  # gaps between passes are not epochs
    axes.set_xlim(1 - 0.04 * last, 1.04 * last)
    axes.set_xticks(list(ends), list(ends.values()))


def histories(results: Results, dataset: str) -> dict[str, History]:
    """Return method -> the history of its first seed that has one."""
    first = {}
    for group in results.groups(dataset):
        listed = (results.history(cell["key"]) for cell in group.ok)
        if history := next(filter(None, listed), None):
            first[group.method] = history
    return first


def series(history: History, name: str) -> np.ndarray:
    """Return the values by epoch, with NaN for null and between passes."""
    values: list[float] = []
    for before, step in zip([history[0], *history], history, strict=False):
        if step.get("pass") != before.get("pass"):
            values.append(np.nan)
        value = step.get(name)
        values.append(np.nan if value is None else float(value))
    return np.array(values)
