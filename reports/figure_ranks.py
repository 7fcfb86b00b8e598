"""Mean ranks of methods over tables, and which of them the tables do not distinguish."""

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from reports.figure_style import INK, QUIET, bare, colours, method_rows, panels
from reports.pairs import FEWEST_TABLES, correct, table_differences, wilcoxon
from reports.results import Results
from reports.statistics import base_table, mean_ranks

TITLE = "Mean ranks"
CAPTION = (
    "Mean rank of the balanced accuracy within table and seed, 1 is best. A table counts once, "
    "with its mean over seeds and variants. Failed cells share the last ranks. Bars join methods "
    "that Wilcoxon's signed-rank test does not distinguish (p >= 0.05, corrected by Holm for all "
    "pairs of methods; Demšar 2006), on tables where both have values for a common seed. There are "
    "no bars if the tables are too few for this correction."
)
WITHOUT = "There are fewer than six tables or three methods with a balanced accuracy."
FEWEST_METHODS = 3
SIGNIFICANT = 0.05
MEASURE = "balanced_accuracy"


def draw(results: Results) -> Figure | None:
    """Draw ranks and bars, or return None for few tables or methods."""
    ranks = mean_ranks_of_tables(results)
    if len(ranks) < FEWEST_METHODS:
        return None
    methods = [str(name) for name in ranks.index]
    groups = cliques(_is_joined(results, methods))
    figure, [axes] = panels(1, 5.6, 0.9 + 0.24 * len(methods))
    method_rows(axes, methods)
    axes.plot(ranks, range(len(ranks)), "o", color=colours()[0], markersize=5.5, mec="white")
    for row, rank in enumerate(ranks):
        axes.text(1.02, row, f"{rank:.1f}", transform=axes.get_yaxis_transform(), va="center")
    low, high = 0.5, float(ranks.max()) + 0.5
    step = 0.025 * (high - low)
    for number, (first, last) in enumerate(groups):
        x = high + (number + 1) * step
        axes.plot([x, x], [first - 0.2, last + 0.2], color=INK, linewidth=2.2)
    axes.set_xlim(low, high + (len(groups) + 1) * step)
    axes.axvline(high, color=QUIET, linewidth=0.5)
    axes.set_xlabel("mean rank")
    bare(axes)
    return figure


def mean_ranks_of_tables(results: Results) -> pd.Series:
    """Return the mean rank of each method with a value, the best first. Empty for few tables."""
    frame = results.frame
    ok = frame[frame["status"] == "ok"].dropna(subset=MEASURE)
    if ok["dataset_label"].map(base_table).nunique() < FEWEST_TABLES:
        return pd.Series(dtype=float)
    ranks = mean_ranks(frame, MEASURE)["mean_rank"]
    return ranks[ranks.index.isin(ok["method_label"])]


def _is_joined(results: Results, methods: Sequence[str]) -> np.ndarray:
    """Whether each pair of methods is not distinguished, bool (n, n)."""
    n = len(methods)
    pairs = list(itertools.combinations(range(n), 2))
    p, most_tables = [], 0
    for a, b in pairs:
        differences = table_differences(results, methods[a], methods[b], MEASURE)
        most_tables = max(most_tables, len(differences))
        p.append(wilcoxon(np.array(list(differences.values()))))
    is_joined = np.eye(n, dtype=bool)
    if len(pairs) * math.ldexp(1.0, 1 - most_tables) >= SIGNIFICANT:  # the smallest p, corrected
        return is_joined
    for (a, b), value in zip(pairs, correct(p), strict=True):
        is_joined[a, b] = is_joined[b, a] = value is None or value >= SIGNIFICANT
    return is_joined


def cliques(is_joined: np.ndarray) -> list[tuple[int, int]]:
    """Return the first and the last row of each longest run of rows of which no pair differs.

    Runs of one row are left out.
    """
    runs: list[tuple[int, int]] = []
    for first in range(len(is_joined)):
        last = first
        while last + 1 < len(is_joined) and is_joined[first : last + 2, first : last + 2].all():
            last += 1
        if last > first and (not runs or last > runs[-1][1]):
            runs.append((first, last))
    return runs
