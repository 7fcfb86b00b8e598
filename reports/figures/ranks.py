"""Critical-difference diagram: mean ranks of methods over tables, and which of them differ."""

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from reports.figures.style import INK, QUIET, bare, colours, method_rows, panels
from reports.results import Results
from reports.statistics.estimates import base_table, correct
from reports.statistics.over_tables import (
    FEWEST_TABLES,
    SIGNIFICANT,
    main_entries,
    table_differences,
    wilcoxon,
)

TITLE = "Mean ranks"
CAPTION = (
    "Critical-difference diagram (Demšar 2006): mean rank of the balanced accuracy within table "
    "and seed, 1 is best. The best ranked methods and the reference, at most ten, one entry each, "
    "on tables and seeds on which all of them are ok. A table counts once, with its mean over "
    "seeds and variants. Bars join methods that Wilcoxon's signed-rank test over tables does not "
    "distinguish (p >= 0.05, corrected by Holm for all pairs)."
)
WITHOUT = "There are fewer than six tables or three methods with a balanced accuracy."
FEWEST_METHODS = 3


def draw(results: Results) -> Figure | None:
    """Draw ranks and bars, or return None for few tables or methods."""
    values = common_values(results)
    n_tables = values.index.get_level_values(0).map(base_table).nunique()
    if n_tables < FEWEST_TABLES or values.shape[1] < FEWEST_METHODS:
        return None
    ranks = mean_ranks(values)
    methods = [str(name) for name in ranks.index]
    figure, [axes] = panels(1, 5.6, 1.1 + 0.24 * len(methods))
    method_rows(axes, methods)
    axes.plot(ranks, range(len(ranks)), "o", color=colours()[0], markersize=5.5, mec="white")
    for row, rank in enumerate(ranks):
        axes.text(1.02, row, f"{rank:.1f}", transform=axes.get_yaxis_transform(), va="center")
    joined = _is_joined(values, methods)
    groups = [] if joined is None else cliques(joined)
    low, high = 0.5, float(ranks.max()) + 0.5
    step = 0.025 * (high - low)
    for number, (first, last) in enumerate(groups):
        x = high + (number + 1) * step
        axes.plot([x, x], [first - 0.2, last + 0.2], color=INK, linewidth=2.2)
    axes.set_xlim(low, high + (len(groups) + 1) * step)
    axes.axvline(high, color=QUIET, linewidth=0.5)
    few = ": too few for a test of all pairs, so there are no bars" if joined is None else ""
    axes.set_xlabel(f"mean rank over {n_tables} tables{few}")
    bare(axes)
    return figure


def common_values(results: Results) -> pd.DataFrame:
    """Return the balanced accuracies of the methods shown, where all of them are ok."""
    return results.values()[main_entries(results)].dropna()


def mean_ranks(values: pd.DataFrame) -> pd.Series:
    """Return the mean rank of each column of `common_values`, the best first."""
    ranks = values.rank(axis=1, ascending=False).groupby(level=0).mean()
    return ranks.groupby(base_table).mean().mean().sort_values(kind="stable")


def _is_joined(values: pd.DataFrame, methods: Sequence[str]) -> np.ndarray | None:
    """Whether each pair of methods is not distinguished, bool (n, n). None for few tables."""
    pairs = list(itertools.combinations(range(len(methods)), 2))
    listed = [table_differences(values, methods[a], methods[b]).to_numpy() for a, b in pairs]
    if len(pairs) * math.ldexp(1.0, 1 - len(listed[0])) >= SIGNIFICANT:  # the smallest p, corrected
        return None
    is_joined = np.eye(len(methods), dtype=bool)
    for (a, b), p in zip(pairs, correct([wilcoxon(d) for d in listed]), strict=True):
        is_joined[a, b] = is_joined[b, a] = p is None or p >= SIGNIFICANT
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
