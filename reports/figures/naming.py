"""Found needles against the share of false discoveries: of rankings, and of named features."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.metrics import feature_strength
from reports.figures.style import (
    MOST_METHODS_NOTE,
    PAGE,
    QUIET,
    bare,
    few_methods,
    legend_below,
    method_styles,
    panels,
)
from reports.results import Group, Results

TITLE = "Named features"
CAPTION = (
    "Needles are the features known to matter. Lines follow a ranking from its first feature to "
    "the last one with a score: the share of all needles among the first k, against the share of "
    "these k that are no needles. Points are the features that a method names itself. Both are "
    "means over seeds. Dotted: the share of false discoveries that these methods tolerate (0.1). "
    "Up and left is better." + MOST_METHODS_NOTE
)
WITHOUT = "No method ranked or named features on a table with more than 20 known ones."
FEW_NEEDLES = 20  # up to this number the figure of needle ranks shows each of them
TOLERATED = 0.1
N_POINTS = 100  # of a line


def draw(results: Results) -> Figure | None:
    """Draw a panel for each dataset with many needles, or return None without any."""
    shown = {dataset: _lines(results, dataset) for dataset in results.datasets}
    shown = {dataset: lines for dataset, lines in shown.items() if lines}
    if not shown:
        return None
    drawn = {method for lines in shown.values() for method in lines}
    methods = few_methods(results, [method for method in results.methods if method in drawn])
    styles = method_styles(methods)
    figure, axes = panels(len(shown), PAGE, 2.5)
    for panel, (dataset, lines) in zip(axes, shown.items(), strict=True):
        facts = results.dataset_facts(dataset)
        panel.set_title(dataset)
        panel.set_xlabel("share of false discoveries")
        panel.set_ylabel(f"share of {len(facts['relevant']):,} needles")
        _panel(panel, results, dataset, {m: lines[m] for m in methods if m in lines}, styles)
    legend_below(figure, [Line2D([], [], label=name, **styles[name]) for name in methods])
    return figure


def _lines(results: Results, dataset: str) -> dict[str, np.ndarray]:
    """Method -> its line (2, k), of those with a ranking or named features."""
    if len(results.dataset_facts(dataset).get("relevant") or []) <= FEW_NEEDLES:
        return {}
    lines = {group.method: _line(results, group) for group in results.groups(dataset)}
    names = {group.method for group in results.groups(dataset) if group.values("selected_recall")}
    return {method: line for method, line in lines.items() if line.size or method in names}


def _line(results: Results, group: Group) -> np.ndarray:
    """Shares of false discoveries and of found needles, (2, k), means over seeds."""
    of_seeds = []
    for cell in group.ok:
        scores = results.source.array(cell["key"], "attributions")
        relevant = results.records[cell["key"]]["dataset"].get("relevant")
        if scores is not None and relevant:
            of_seeds.append(trace_ranking(feature_strength(scores), relevant))
    return np.mean(of_seeds, axis=0) if of_seeds else np.empty((2, 0))


def trace_ranking(strength: np.ndarray, relevant: list[int]) -> np.ndarray:
    """Shares of false discoveries and of found needles among the first k features, (2, k).

    Numbers k up to all features are evenly spaced on a logarithmic scale. Needles follow the other
    features of equal strength (p,). NaN from the first feature of strength 0.

    >>> trace_ranking(np.array([3.0, 2.0, 1.0, 0.0]), [0, 2]).round(2).tolist()
    [[0.0, 0.5, 0.33, nan], [0.5, 0.5, 1.0, nan]]
    """
    is_needle = np.zeros(len(strength), dtype=bool)
    is_needle[relevant] = True
    n_hits = np.cumsum(is_needle[np.lexsort((is_needle, -strength))])
    k = np.unique(np.geomspace(1, len(strength), N_POINTS).round().astype(int))
    shares = np.stack([1 - n_hits[k - 1] / k, n_hits[k - 1] / len(relevant)])
    return np.where(k <= (strength > 0).sum(), shares, np.nan)


def _panel(
    axes: Axes,
    results: Results,
    dataset: str,
    lines: dict[str, np.ndarray],
    styles: dict[str, dict[str, Any]],
) -> None:
    axes.axvline(TOLERATED, color=QUIET, linewidth=0.8, linestyle=":")
    for method, line in lines.items():
        group, look = results.group(dataset, method), styles[method]
        axes.plot(*line, color=look["color"], linewidth=1.1, zorder=3)
        recall, false_share = (
            group.mean(column) if group else None
            for column in ("selected_recall", "false_discovery_share")
        )
        if recall and false_share:
            look = look | {"mec": "white", "mew": 0.5, "markersize": 6}
            axes.plot(false_share.mean, recall.mean, zorder=4, **look)
    axes.set_xlim(-0.03, 1.03)
    axes.set_ylim(-0.03, 1.03)
    bare(axes)
