"""Ranks that attributions give to the features that are known to matter."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from bench.metrics import feature_strength
from reports.figures.naming import FEW_NEEDLES
from reports.figures.style import (
    MOST_METHODS_NOTE,
    QUIET,
    bare,
    few_methods,
    method_styles,
    panels,
)
from reports.results import Group, Results

TITLE = "Ranks of the needles in the attributions"
CAPTION = (
    "Each point is one needle (a feature known to matter) of one seed, ranked by the strength of "
    "its attribution (each class's shares, averaged). Rank 1 is on top, ties have the lower rank. "
    "Shaded: the top k, where all k needles should be. Dotted: the number of features."
    + MOST_METHODS_NOTE
)
WITHOUT = f"No method attributed on a table with at most {FEW_NEEDLES} known features."
SPREAD = 0.5  # width of the points of one method, in columns


def draw(results: Results) -> Figure | None:
    """Draw a panel for each dataset with needles, or return None without ranks."""
    ranks = {dataset: _of_dataset(results, dataset) for dataset in results.datasets}
    shown = [dataset for dataset, of_methods in ranks.items() if of_methods]
    if not shown:
        return None
    ranked = [m for m in results.methods if any(m in ranks[d] for d in shown)]
    methods = few_methods(results, ranked)
    figure, axes = panels(len(shown), 3.54, 2.4, max_columns=2)
    for panel, dataset in zip(axes, shown, strict=True):
        of_methods = {m: ranks[dataset][m] for m in methods if m in ranks[dataset]}
        _panel(panel, results, dataset, of_methods, method_styles(methods))
    return figure


def _of_dataset(results: Results, dataset: str) -> dict[str, np.ndarray]:
    if len(results.dataset_facts(dataset).get("relevant") or []) > FEW_NEEDLES:
        return {}
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


def _panel(
    axes: Axes,
    results: Results,
    dataset: str,
    of_methods: dict[str, np.ndarray],
    styles: dict[str, dict[str, Any]],
) -> None:
    facts = results.dataset_facts(dataset)
    k, p = len(facts["relevant"]), facts["n_features"]
    axes.axhspan(0.7, k + 0.5, color="#0173b2", alpha=0.08, linewidth=0)
    for column, (method, ranks) in enumerate(of_methods.items()):
        look = {"mec": "white", "mew": 0.4, "markersize": 4, **styles[method]}
        at = column + np.linspace(-SPREAD / 2, SPREAD / 2, len(ranks) + 2)[1:-1]
        axes.plot(at, np.sort(ranks), linestyle="", alpha=0.9, zorder=3, **look)
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
