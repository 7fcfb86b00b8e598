"""Conversion and training time on a log scale: a panel for each dataset."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from reports.figures.style import (
    MOST_METHODS_NOTE,
    QUIET,
    TITLE_WIDTH,
    broken,
    colours,
    few_methods,
    legend_below,
    method_rows,
    panels,
    say,
)
from reports.results import Group, Results

TITLE = "Conversion and training time"
CAPTION = (
    "Medians over seeds on a log scale, with the range of the seeds as a thick line. Times below "
    "1 ms are drawn at 1 ms." + MOST_METHODS_NOTE
)
WITHOUT = "No cell was timed."
FLOOR_SECONDS = 0.001  # faster times are drawn here, because the clock does not resolve them

PARTS = {"conversion_seconds": ("conversion", "o", 0), "train_seconds": ("training", "s", 1)}


def draw(results: Results) -> Figure | None:
    """Draw conversion and training seconds, or return None if no cell was timed."""
    shown = [d for d in results.datasets if any(map(_timed, results.groups(d)))]
    if not shown:
        return None
    methods = few_methods(results, results.methods)
    figure, axes = panels(len(shown), 4.1, 0.7 + 0.17 * len(methods))
    for panel, dataset in zip(axes, shown, strict=True):
        method_rows(panel, methods)
        _phases_panel(panel, results, dataset, methods)
    legend_below(
        figure,
        [
            Line2D([], [], color=colours()[colour], marker=marker, linestyle="", label=label)
            for label, marker, colour in PARTS.values()
        ],
    )
    return figure


def _timed(group: Group) -> bool:
    return any(group.spread(column) for column in PARTS)


def _phases_panel(axes: Axes, results: Results, dataset: str, methods: list[str]) -> None:
    axes.set_title(broken(dataset, TITLE_WIDTH))
    axes.set_xscale("log")
    axes.set_xlabel("seconds")
    for row, method in enumerate(methods):
        group = results.group(dataset, method)
        if group is None or not _timed(group):
            instead = (group.words or ("shared" if group.shared else "no value")) if group else ""
            say(axes, row, instead or "not run")
        else:
            _phases_row(axes, group, row)
    whole_decades(axes)


def _phases_row(axes: Axes, group: Group, row: int) -> None:
    spreads = {column: group.spread(column) for column in PARTS}
    medians = [max(s.median, FLOOR_SECONDS) for s in spreads.values() if s]
    axes.plot([min(medians), max(medians)], [row, row], color=QUIET, linewidth=0.8, zorder=2)
    for column, (_, marker, colour) in PARTS.items():
        spread, y = spreads[column], row + (0.14 if colour else -0.14)  # so that both are visible
        if spread:
            ends = [max(spread.low, FLOOR_SECONDS), max(spread.high, FLOOR_SECONDS)]
            axes.plot(ends, [y, y], color=colours()[colour], linewidth=1.6, zorder=3)
            at = max(spread.median, FLOOR_SECONDS)
            look = {"color": colours()[colour], "markersize": 4, "mec": "white", "mew": 0.5}
            axes.plot(at, y, marker, zorder=4, **look)


def whole_decades(axes: Axes) -> None:
    """Write ticks as plain numbers, and show at least two decades."""
    low, high = axes.get_xlim()
    low, high = np.log10(low), np.log10(high)
    spare = max(0.0, 2 - (high - low)) / 2
    axes.set_xlim(10 ** (low - spare), 10 ** (high + spare))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.tick_params(axis="x", which="both", labelfontfamily="DejaVu Sans")
    axes.grid(visible=True, axis="x", which="major")
