"""Accuracy, and named needles, against the number of training rows: a panel for each table."""

import re
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from reports.figures.style import (
    MOST_METHODS_NOTE,
    PAGE,
    bare,
    few_methods,
    legend_below,
    method_styles,
    panels,
)
from reports.results import Results

TITLE = "Learning curves"
CAPTION = (
    "Points are means over seeds, vertical lines 95% intervals. The rows of a small number are "
    "among those of a larger one, and the test rows are the same. Tables with known needles have "
    "a second panel: the area under the precision-recall curve of the needles." + MOST_METHODS_NOTE
)
WITHOUT = "No table was used with three numbers of training rows."
LABEL = re.compile(r"(.+) \((\d+) rows\)")
FEWEST_SIZES = 3
MEASURES = {"balanced_accuracy": "balanced accuracy", "needle_auprc": "needles, area"}
SPREAD = 0.05  # of the points of one size, as a factor

Sizes = dict[int, str]  # number of rows -> label


def draw(results: Results) -> Figure | None:
    """Draw the panels, or return None without a table of several sizes."""
    shown = [
        (table, sizes, measure)
        for table, sizes in tables_by_rows(results).items()
        for measure in MEASURES
        if any(group.values(measure) for label in sizes.values() for group in results.groups(label))
    ]
    if not shown:
        return None
    methods = few_methods(results, results.methods)
    styles = method_styles(methods)
    figure, axes = panels(len(shown), PAGE, 2.1)
    for panel, (table, sizes, measure) in zip(axes, shown, strict=True):
        panel.set_title(table)
        panel.set_ylabel(MEASURES[measure])
        _panel(panel, results, sizes, measure, styles)
    legend_below(figure, [Line2D([], [], label=name, **styles[name]) for name in methods])
    return figure


def tables_by_rows(results: Results) -> dict[str, Sizes]:
    """Return table -> number of rows -> label, of labels such as `x (50 rows)`."""
    tables: dict[str, Sizes] = {}
    for label in results.datasets:
        if match := LABEL.fullmatch(label):
            tables.setdefault(match[1], {})[int(match[2])] = label
    return {table: sizes for table, sizes in tables.items() if len(sizes) >= FEWEST_SIZES}


def _panel(
    axes: Axes, results: Results, sizes: Sizes, measure: str, styles: dict[str, dict[str, Any]]
) -> None:
    for place, (method, look) in enumerate(styles.items()):
        groups = {n: results.group(label, method) for n, label in sizes.items()}
        means = {n: group.mean(measure) for n, group in groups.items() if group}
        shift = 1 + SPREAD * (place - (len(styles) - 1) / 2) / len(styles)
        points = [(n * shift, *_with_ends(mean)) for n, mean in sorted(means.items()) if mean]
        if points:
            x, y, low, high = np.array(points).T
            axes.vlines(x, low, high, color=look["color"], linewidth=0.7, alpha=0.6)
            axes.plot(x, y, markersize=4, mec="white", mew=0.4, zorder=3, **look)
    axes.set_xscale("log")
    axes.set_xticks(sorted(sizes), [f"{n:,}" for n in sorted(sizes)])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("training rows")
    low, high = axes.get_ylim()
    axes.set_ylim(max(-0.02, low), min(1.02, high))
    bare(axes)


def _with_ends(mean: Any) -> tuple[float, float, float]:
    return mean.mean, *mean.ends
