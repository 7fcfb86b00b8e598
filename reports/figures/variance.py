"""Shares of the variance of the error as stacked bars, one for each table and one for all."""

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports.figures.style import FAINT, PAGE, PALETTE, bare, legend_below, method_rows, panels
from reports.results import Results
from reports.statistics.variance_shares import FACTORS, RESIDUAL, TERMS, has_grid, read_grid
from reports.tables.variance import ALL

TITLE = "Causes of the error"
CAPTION = (
    "Shares of the sum of squares of the logit of the error rate, by analysis of variance, for all "
    "tables and within each. The table of the shares has intervals and the limits of this analysis."
)
WITHOUT = "There is no grid of layouts and networks, or every cell of it has the same error."


def draw(results: Results) -> Figure | None:
    """Draw the bars, or return None if no error varies."""
    if not has_grid(results.frame):
        return None
    grid = read_grid(results.frame)
    parts = {ALL: grid} | {table: grid.of_table(table) for table in grid.tables}
    shares = {name: {s.term: s.share for s in part.shares()} for name, part in parts.items()}
    shares = {name: of_part for name, of_part in shares.items() if of_part}
    if not shares:
        return None
    figure, [axes] = panels(1, PAGE, 0.9 + 0.2 * len(shares))
    # Main effects, then interactions, then the residual. The palette has as many colours as terms.
    names = [" × ".join(FACTORS[f] for f in term) for term in TERMS]
    colours = dict(zip(names, PALETTE, strict=True)) | {RESIDUAL: FAINT}
    for row, of_part in enumerate(shares.values()):
        left = 0.0
        for name, colour in colours.items():
            width = 100 * of_part.get(name, 0.0)
            axes.barh(row, width, left=left, height=0.7, color=colour, linewidth=0.5)
            left += width
    method_rows(axes, list(shares))
    axes.grid(visible=False, axis="y")
    axes.set_xlim(0, 100)
    axes.set_xlabel("share of the sum of squares (%)")
    bare(axes)
    handles = [
        Line2D([], [], color=colour, marker="s", linestyle="", label=name)
        for name, colour in colours.items()
    ]
    legend_below(figure, handles)
    return figure
