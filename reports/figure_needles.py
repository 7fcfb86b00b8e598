"""Ranks that attributions give to the features that are known to matter."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from bench.metrics import feature_strength
from reports.figure_style import QUIET, bare, method_styles, panels
from reports.results import Group, Results

TITLE = "Ranks of the needles in the attributions"
CAPTION = (
    "Each point is one needle (a feature known to matter) of one seed, ranked by the strength of "
    "its attribution (each class's shares, averaged). Rank 1 is on top, ties have the lower rank. "
    "Shaded: the top k, where all k needles should be. Dotted: the number of features. More than "
    "200 points of a method are summarised: the median, a thick line from the first to the third "
    "quartile, and a thin line from the 5th to the 95th percentile."
)
WITHOUT = "No method attributed on a dataset whose true features are known."
SPREAD = 0.5  # width of the points of one method, in columns
MOST_POINTS = 200  # of one method
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def draw(results: Results) -> Figure | None:
    """Draw a panel for each dataset with needles, or return None without ranks."""
    ranks = {dataset: _of_dataset(results, dataset) for dataset in results.datasets}
    shown = [dataset for dataset, of_methods in ranks.items() if of_methods]
    if not shown:
        return None
    widest = max(len(ranks[dataset]) for dataset in shown)
    width = max(4.1, 1.0 + 0.42 * widest)
    figure, axes = panels(len(shown), width, 3.9, max_columns=max(1, int(13 / width)))
    for panel, dataset in zip(axes, shown, strict=True):
        _panel(panel, results, dataset, ranks[dataset])
    return figure


def _of_dataset(results: Results, dataset: str) -> dict[str, np.ndarray]:
    ranks = {group.method: _ranks(results, group) for group in results.groups(dataset)}
    return {method: listed for method, listed in ranks.items() if len(listed)}


def _ranks(results: Results, group: Group) -> np.ndarray:
    ranks = []
    for cell in group.ok:
        relevant = results.records[cell["key"]]["dataset"].get("relevant")  # of this seed
        scores = results.source.array(cell["key"], "attributions") if relevant else None
        if scores is not None:
            ranks.append(needle_ranks(scores, relevant))
    return np.concatenate(ranks) if ranks else np.array([], dtype=int)


def needle_ranks(attributions: np.ndarray, relevant: list[int]) -> np.ndarray:
    """Return the rank (from 1) of each needle (k,). A tie has the lower rank."""
    strength = feature_strength(attributions)  # (p,)
    return np.array([int((strength >= strength[i]).sum()) for i in relevant])


def _panel(axes: Axes, results: Results, dataset: str, of_methods: dict[str, np.ndarray]) -> None:
    facts, styles = results.dataset_facts(dataset), method_styles(results.methods)
    k, p = len(facts["relevant"]), facts["n_features"]
    axes.axhspan(0.7, k + 0.5, color="#0173b2", alpha=0.08, linewidth=0)
    for column, (method, ranks) in enumerate(of_methods.items()):
        _method(axes, column, ranks, styles[method])
    axes.axhline(p, color=QUIET, linewidth=0.8, linestyle=":")
    axes.set_yscale("log")
    axes.set_ylim(p * 1.4, 0.7)  # rank 1 at the top
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_xlim(-0.6, len(of_methods) - 0.4)
    labels = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"}
    axes.set_xticks(range(len(of_methods)), list(of_methods), **labels)  # type: ignore[arg-type]
    axes.grid(visible=False, axis="x")
    axes.set_title(f"{dataset}\n{k:,} needles in {p:,} features")
    axes.set_ylabel("rank of a needle")
    bare(axes)


def _method(axes: Axes, column: int, ranks: np.ndarray, style: dict[str, Any]) -> None:
    look = {"mec": "white", "mew": 0.4, **style}
    if len(ranks) <= MOST_POINTS:
        at = column + np.linspace(-SPREAD / 2, SPREAD / 2, len(ranks) + 2)[1:-1]
        axes.plot(at, np.sort(ranks), linestyle="", alpha=0.9, zorder=3, markersize=5, **look)
        return
    low, first, median, third, high = np.quantile(ranks, QUANTILES)
    for ends, width in (((low, high), 1.2), ((first, third), 5.0)):
        axes.plot([column, column], ends, color=style["color"], linewidth=width, alpha=0.6)
    axes.plot([column], [median], linestyle="", zorder=3, markersize=8, **look)
