"""How often a method finds all needles, over the numbers of features and rows (phase diagrams)."""

import re
from collections import defaultdict

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from reports.figures.style import (
    FAINT,
    INK,
    MOST_METHODS_NOTE,
    PAGE,
    SMALLEST,
    WARNING,
    broken,
    few_methods,
)
from reports.results import Group, Results

TITLE = "Sizes at which all needles are found"
CAPTION = (
    "Each number is the share of seeds, in tenths, whose k needles are the first k features of the "
    "ranking. Cells that failed count as not found, empty ones were not run. Red line: from here "
    "to the right at least nine of ten seeds succeed. Rows of the table include its test rows."
    + MOST_METHODS_NOTE
)
WITHOUT = "No table has labels such as `x (100 features, 250 rows)`."
LABEL = re.compile(r"(.+) \((\d+) features, (\d+) rows\)")
ENOUGH = 0.9
COLOURS = LinearSegmentedColormap.from_list("found", ["white", "#0173b2"])
DARK = 0.6  # on darker colours, text is white
LINE = 0.15  # inches of a number of features

Sizes = dict[tuple[int, int], str]  # numbers of features and rows -> label


def draw(results: Results) -> Figure | None:
    """Draw a row of panels for each kind of needle, a panel for each method, or return None."""
    kinds: dict[str, Sizes] = defaultdict(dict)
    for label in results.datasets:
        if match := LABEL.fullmatch(label):
            kinds[match[1]][int(match[2]), int(match[3])] = label
    if not kinds:
        return None
    methods = few_methods(results, results.methods)
    heights = [0.25 + LINE * len({p for p, _ in sizes}) for sizes in kinds.values()]
    figure = Figure(figsize=(PAGE, 0.7 + sum(heights) + 0.25 * len(kinds)), layout="constrained")
    grid = figure.subplots(len(kinds), len(methods), squeeze=False, height_ratios=heights)
    for line, (kind, sizes) in zip(grid, kinds.items(), strict=True):
        line[0].set_ylabel(broken(kind), rotation=0, ha="right", va="center")
        for axes, method in zip(line, methods, strict=True):
            _panel(axes, results, sizes, method, is_first=axes is line[0])
    for axes, method in zip(grid[0], methods, strict=True):
        axes.set_title(broken(method), loc="center", fontsize=SMALLEST)
    figure.supxlabel("across: rows of the table, down: features", fontsize=7.5)
    return figure


def success(group: Group | None) -> float | None:
    """Return the share of seeds whose needles are on top, or None without any run.

    Cells that were `unavailable` are left out. Others that are not ok are no success.
    """
    cells = [cell for cell in group.cells if cell["status"] != "unavailable"] if group else []
    successes = [cell["status"] == "ok" and cell["precision_at_k"] == 1 for cell in cells]
    return sum(successes) / len(successes) if successes else None


def _panel(axes: Axes, results: Results, sizes: Sizes, method: str, *, is_first: bool) -> None:
    numbers = sorted({p for p, _ in sizes}), sorted({n for _, n in sizes})
    shares = np.full(tuple(map(len, numbers)), np.nan)
    for (p, n), label in sizes.items():
        share = success(results.group(label, method))
        if share is not None:
            row, column = numbers[0].index(p), numbers[1].index(n)
            shares[row, column] = share
            colour = "white" if share > DARK else INK
            text = f"{10 * share:.0f}"
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=SMALLEST)
    axes.imshow(np.ma.masked_invalid(shares), cmap=COLOURS, vmin=0, vmax=1, aspect="auto")
    axes.set_facecolor(FAINT)
    axes.grid(visible=False)
    axes.stairs(
        boundary(shares),
        np.arange(len(shares) + 1) - 0.5,
        orientation="horizontal",
        baseline=None,
        color=WARNING,
        linewidth=1.6,
    )
    names = [f"{p:,}" for p in numbers[0]] if is_first else []
    axes.set_yticks(range(len(numbers[0])) if is_first else [], names)
    axes.set_xticks(range(len(numbers[1])), [_short(n) for n in numbers[1]])
    axes.tick_params(length=0, pad=2)
    axes.set_xlim(-0.55, len(numbers[1]) - 0.45)


def boundary(shares: np.ndarray) -> np.ndarray:
    """Return the left edge of the first column with enough successes in each row, NaN without one.

    All later columns that were run have enough successes, too.
    """
    edges = np.full(len(shares), np.nan)
    for row, values in enumerate(shares):
        failing = np.flatnonzero(values < ENOUGH)
        passing = np.flatnonzero(values >= ENOUGH)
        passing = passing[passing > failing.max(initial=-1)]
        if len(passing):
            edges[row] = passing[0] - 0.5
    return edges


def _short(n: int) -> str:
    return f"{n / 1000:g}k" if n >= 1000 else str(n)
