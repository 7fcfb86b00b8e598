"""Mean ranks of methods over tables, and which of them the tables do not distinguish."""

import itertools

import numpy as np
from matplotlib.figure import Figure

from reports.figure_style import INK, QUIET, bare, colours, method_rows, panels
from reports.pairs import FEWEST_TABLES, holm, table_means, wilcoxon
from reports.results import Results

TITLE = "Mean ranks"
CAPTION = (
    "Mean rank of the balanced accuracy over tables, 1 is best. A table counts once, with its mean "
    "over seeds, and a method without a value has the last rank of the table. Bars join methods "
    "that Wilcoxon's signed-rank test over tables does not distinguish (p >= 0.05, corrected by "
    "Holm for all pairs; Demšar 2006)."
)
WITHOUT = "There are fewer than six tables or three methods with a balanced accuracy."
FEWEST_METHODS = 3
SIGNIFICANT = 0.05


def draw(results: Results) -> Figure | None:
    """Draw ranks and bars, or return None for few tables or methods."""
    means = table_means(results, "balanced_accuracy")  # methods x tables
    means = means.dropna(how="all")
    if means.shape[1] < FEWEST_TABLES or len(means) < FEWEST_METHODS:
        return None
    ranks = means.fillna(-np.inf).rank(ascending=False).mean(axis=1).sort_values(kind="stable")
    means = means.loc[ranks.index]
    groups = cliques(_indistinct(means.to_numpy()))
    figure, [axes] = panels(1, 5.6, 0.9 + 0.24 * len(means))
    method_rows(axes, [str(name) for name in means.index])
    axes.plot(ranks, range(len(ranks)), "o", color=colours()[0], markersize=5.5, mec="white")
    for row, rank in enumerate(ranks):
        axes.text(1.02, row, f"{rank:.1f}", transform=axes.get_yaxis_transform(), va="center")
    low, high = 0.5, float(ranks.max()) + 0.5
    step = 0.025 * (high - low)
    for number, (first, last) in enumerate(groups):
        x = high + (number + 1) * step
        axes.plot(
            [x, x], [first - 0.2, last + 0.2], color=INK, linewidth=2.2, solid_capstyle="butt"
        )
    axes.set_xlim(low, high + (len(groups) + 1) * step)
    axes.axvline(high, color=QUIET, linewidth=0.5)
    axes.set_xlabel("mean rank")
    bare(axes)
    return figure


def _indistinct(means: np.ndarray) -> np.ndarray:
    """Whether each pair of rows is not distinguished, bool (n, n). NaN is left out of a pair."""
    n = len(means)
    pairs = list(itertools.combinations(range(n), 2))
    differences = (means[a] - means[b] for a, b in pairs)
    p = [wilcoxon(values[np.isfinite(values)]) for values in differences]
    corrected = holm([1.0 if value is None else value for value in p])
    same = np.eye(n, dtype=bool)
    for (a, b), value in zip(pairs, corrected, strict=True):
        same[a, b] = same[b, a] = value >= SIGNIFICANT
    return same


def cliques(same: np.ndarray) -> list[tuple[int, int]]:
    """Return the first and the last row of each longest run of rows of which no pair differs.

    Runs of one row are left out.
    """
    runs: list[tuple[int, int]] = []
    for first in range(len(same)):
        last = first
        while last + 1 < len(same) and same[first : last + 2, first : last + 2].all():
            last += 1
        if last > first and (not runs or last > runs[-1][1]):
            runs.append((first, last))
    return runs
