"""Balanced accuracy by method: a panel for each dataset, with intervals and chance."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports import units
from reports.figures.style import (
    INK,
    MOST_METHODS_NOTE,
    QUIET,
    SMALLEST,
    TITLE_WIDTH,
    broken,
    colours,
    few_methods,
    method_rows,
    panels,
    say,
)
from reports.results import Results

TITLE = "Balanced accuracy of each table"
CAPTION = (
    "Points are means over seeds, lines are 95% intervals (as in the table). Blue circles: methods "
    "that make images. Orange diamonds: plain methods. Dashed: chance. Words: the status of a cell "
    "without a value." + MOST_METHODS_NOTE
)
WITHOUT = "No cell has a balanced accuracy."


def draw(results: Results) -> Figure | None:
    """Draw a panel for each dataset, or return None if no cell has an accuracy."""
    shown = [d for d in results.datasets if any(g.main for g in results.groups(d))]
    if not shown:
        return None
    methods = few_methods(results, results.methods)
    figure, axes = panels(len(shown), 4.1, 0.7 + 0.16 * len(methods))
    for panel, dataset in zip(axes, shown, strict=True):
        method_rows(panel, methods)
        _panel(panel, results, dataset, methods)
    return figure


def _panel(axes: Axes, results: Results, dataset: str, methods: list[str]) -> None:
    axes.set_title(broken(dataset, TITLE_WIDTH))
    axes.set_xlabel("balanced accuracy")
    digits = units.share_digits(results.dataset_facts(dataset).get("n_test"))
    for row, method in enumerate(methods):
        _row(axes, results, dataset, method, row, digits)
    if n_classes := results.dataset_facts(dataset).get("n_classes"):
        axes.axvline(1 / n_classes, color=QUIET, linestyle=(0, (4, 3)), linewidth=1, zorder=1)
    low, high = axes.get_xlim()
    axes.set_xlim(max(-0.02, low), min(1.02, high))


def _row(axes: Axes, results: Results, dataset: str, method: str, row: int, digits: int) -> None:
    group = results.group(dataset, method)
    if group is None or group.main is None:
        say(axes, row, (group.words or "no value") if group else "not run")
        return
    mean, low, high = group.main.mean, group.main.low, group.main.high
    colour, marker = (colours()[0], "o") if group.image_shape else (colours()[1], "D")
    if low is not None and high is not None:
        axes.plot([low, high], [row, row], color=colour, linewidth=1.3, zorder=3)
    axes.plot(mean, row, marker, color=colour, markersize=4, mec="white", mew=0.5, zorder=4)
    text = units.share(mean, digits)
    at = axes.get_yaxis_transform()
    axes.text(1.02, row, text, transform=at, va="center", fontsize=SMALLEST, color=INK)
