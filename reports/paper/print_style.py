"""Figures for print: the width of a column, 300 dots an inch, letters of at least 7 points."""

import math
from typing import Any

from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from reports.figure_style import SETTINGS

COLUMN = 3.46  # inches: 88 mm, a column of Scientific Reports
SMALLEST = 7  # points, for every letter in a figure

PRINT: dict[str, Any] = SETTINGS | {
    "font.size": 7.5,
    "axes.titlesize": 8,
    "axes.labelsize": 7.5,
    "xtick.labelsize": SMALLEST,
    "ytick.labelsize": SMALLEST,
    "legend.fontsize": SMALLEST,
    "axes.linewidth": 0.6,
    "grid.linewidth": 0.5,
    # Ticks are hidden, but keep labels at their distance.
    **{"xtick.bottom": False, "xtick.major.size": 3.5, "xtick.minor.size": 2.0},
    **{"ytick.left": False, "ytick.major.size": 3.5, "ytick.minor.size": 2.0},
    "lines.linewidth": 1.1,
    "lines.markersize": 3,
    "savefig.dpi": 300,
    "pdf.fonttype": 42,  # text in a PDF stays text
}


def plain_logarithms(axis: Axis) -> None:
    """Ticks of a logarithmic axis at 1, 2 and 5 times the powers of ten, as plain numbers."""
    low, high = axis.get_view_interval()
    decades = math.log10(high / low)
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if decades < 2.5 else (1.0,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_locator(NullLocator())
