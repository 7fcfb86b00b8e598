"""Balanced accuracy of all methods on all tables, as a heat map."""

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from reports.figures.style import FAINT, INK, QUIET, bare
from reports.results import Group, Results

TITLE = "Balanced accuracy"
CAPTION = (
    "Mean balanced accuracy over seeds, one entry a method, in the order of mean ranks. The "
    "darker, the nearer to the best method of the table. Letters: no value, because the cells were "
    "unsupported (u), timed out (t), ran out of memory (m), failed (f), diverged (d) or were "
    "unavailable (n). *: without the seeds that failed."
)
WITHOUT = "There are fewer than six tables or three methods with a balanced accuracy."
FEWEST_TABLES, FEWEST_METHODS = 6, 3
WIDTH = 7.09  # inches: 180 mm, a page
MOST_COLUMNS = 20  # with more tables than this, and than methods, the tables are the rows
LETTERS = {"out_of_memory": "m", "unavailable": "n"}  # else the first letter of the status
WORST = 0.3  # this far below the best a cell is white
COLOURS = LinearSegmentedColormap.from_list("behind", ["white", "#0173b2"])
DARK = 0.85  # on darker colours, text is white


def draw(results: Results) -> Figure | None:
    """Draw the map, or return None for few tables or methods."""
    tables, methods = results.datasets, results.entries
    values = np.array([[_mean(results, t, m) for t in tables] for m in methods], dtype=float)
    known = np.isfinite(values).any(0)
    if known.sum() < FEWEST_TABLES or np.isfinite(values).any(1).sum() < FEWEST_METHODS:
        return None
    best = np.full(len(tables), np.nan)
    best[known] = np.nanmax(values[:, known], axis=0)
    near = 1 - np.clip((best - values) / WORST, 0, 1)
    rows, columns = methods, tables
    if len(tables) > max(MOST_COLUMNS, len(methods)):
        rows, columns, near, values = tables, methods, near.T, values.T
    size = min(WIDTH, 2.2 + 0.46 * len(columns)), 1.3 + 0.17 * len(rows)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    axes.imshow(np.ma.masked_invalid(near), cmap=COLOURS, vmin=0, vmax=1, aspect="auto")
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            pair = (row, column) if rows is tables else (column, row)
            group, value = results.group(*pair), values[i, j]
            text, colour = f"{value:.2f}".removeprefix("0").replace("1.00", "1.0"), INK
            if group is not None and group.failures:
                text += "*"
            if not np.isfinite(value):
                text, colour = _letters(group) if group else "", QUIET
            elif near[i, j] > DARK:
                colour = "white"
            axes.text(j, i, text, ha="center", va="center", fontsize=7, color=colour)
    labels = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"}
    axes.set_xticks(range(len(columns)), columns, **labels)  # type: ignore[arg-type]
    axes.set_yticks(range(len(rows)), rows)
    axes.grid(visible=False)
    axes.set_facecolor(FAINT)
    bare(axes)
    return figure


def _mean(results: Results, table: str, method: str) -> float:
    group = results.group(table, method)
    values = group.values("balanced_accuracy") if group else []
    return float(np.mean(values)) if values else float("nan")


def _letters(group: Group) -> str:
    """The statuses of cells without a value, a letter each."""
    return ",".join(sorted({LETTERS.get(status, status[0]) for status, _ in group.failures}))
