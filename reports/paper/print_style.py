"""Figures for print: at the width of a column, 300 dots an inch, letters of 7 points or more."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from bench.store.store import write_atomically
from reports.figure_style import SETTINGS, keep_layout

if TYPE_CHECKING:
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

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
    "lines.linewidth": 1.1,
    "lines.markersize": 3,
    "savefig.dpi": 300,
    "pdf.fonttype": 42,  # letters stay letters
}
WITHOUT_DATES: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "svg": {"Date": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


@contextmanager
def print_style() -> Iterator[None]:
    """Drawing and saving both happen inside."""
    import seaborn
    from matplotlib import rc_context

    with rc_context(seaborn.axes_style("whitegrid") | PRINT):
        yield


def plain_logarithms(axis: "Axis") -> None:
    """Ticks of a logarithmic axis at 1, 2 and 5 times the powers of ten, as plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    low, high = axis.get_view_interval()
    decades = math.log10(high / low)
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if decades < 2.5 else (1.0,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_locator(NullLocator())


def save(figure: "Figure", folder: Path, name: str) -> dict[str, Path]:
    """The figure as .png, .svg and .pdf, the same bytes whenever it is drawn again."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {kind: folder / f"{name}.{kind}" for kind in WITHOUT_DATES}
    for kind, path in paths.items():
        write_atomically(path, lambda file, kind=kind: _save(figure, file, kind))  # type: ignore[misc]
        keep_layout(figure)
    return paths


def _save(figure: "Figure", file: IO[bytes], kind: str) -> None:
    figure.savefig(file, format=kind, metadata=WITHOUT_DATES[kind])
