"""Loss and accuracy by epoch, on training and on validation rows, for methods with a history."""

import json
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from reports.figure_style import INK, bare, legend_below, method_styles
from reports.results import Group, Results

SIDES: dict[str, dict[str, Any]] = {
    "train": {"linestyle": (0, (3, 2)), "linewidth": 1.0, "markersize": 2},
    "validation": {"linewidth": 1.5, "markersize": 3.5},
}

LOSS_FLOOR = 1e-4  # lower losses are drawn here: a logarithmic axis has no zero

History = list[dict[str, Any]]


def draw(results: Results) -> Figure | None:
    """A line of two panels a dataset, loss and accuracy; None where nothing was recorded."""
    found = {dataset: _of_dataset(results, dataset) for dataset in results.datasets}
    shown = {dataset: histories for dataset, histories in found.items() if histories}
    if not shown:
        return None
    figure = Figure(figsize=(9.2, 2.5 * len(shown) + 0.7), layout="constrained")
    grid = figure.subplots(len(shown), 2, squeeze=False)
    for line, (dataset, histories) in zip(grid, shown.items(), strict=True):
        for axes, measure in zip(line, ("loss", "accuracy"), strict=True):
            _panel(axes, results, dataset, histories, measure)
    handles = _handles(results, shown)
    legend_below(figure, handles)
    return figure


def _of_dataset(results: Results, dataset: str) -> dict[str, History]:
    found = {group.method: _history(results, group) for group in results.groups(dataset)}
    return {method: history for method, history in found.items() if history}


def _history(results: Results, group: Group) -> History:
    """That of the first seed that has one."""
    for key in group.ok["key"]:
        text = results.store.artifact(key).get("history")
        if text is not None and (history := json.loads(str(text))):
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


def _handles(results: Results, shown: dict[str, dict[str, History]]) -> list[Line2D]:
    styles = method_styles(results.methods)
    drawn = {method for histories in shown.values() for method in histories}
    methods = [
        Line2D([], [], linewidth=1.5, markersize=4, label=m, **styles[m])
        for m in results.methods
        if m in drawn
    ]
    sides = [Line2D([], [], color=INK, label=side, **look) for side, look in SIDES.items()]
    return methods + sides
