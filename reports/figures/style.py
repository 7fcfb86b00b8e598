"""One style for all figures: readable in print, safe for colour-blind readers, same bytes again."""

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.style import context
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from bench.store.store import write_atomically
from reports.results import Results

INK, QUIET, FAINT, WARNING = "#1d2433", "#6b7385", "#e3e6ec", "#a33b20"
# Seaborn's palette "colorblind", with a dark olive for its yellow, which is too pale on white.
PALETTE = (
    *("#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc"),
    *("#ca9161", "#56b4e9", "#fbafe4", "#949494", "#665c00"),
)
MARKERS = "osD^v<>"  # 7 markers and 10 colours: 70 methods look different

PAGE, COLUMN = 7.09, 3.46  # inches: 180 mm and 88 mm, the widths of Scientific Reports
TITLE_WIDTH = 26  # letters of the title of a panel
SMALLEST = 7  # points, for every letter in a figure
ENGINE = "deepmapper"
MOST_METHODS = 10  # in a panel
MOST_COLUMNS = 6  # of figures with a row a method and a column a dataset
MOST_METHODS_NOTE = (
    f" Of more than {MOST_METHODS} methods, `{ENGINE}` and the {MOST_METHODS - 1} best by mean "
    "rank are drawn, the first entry of each method before its variants."
)

SETTINGS: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # part of matplotlib: the same on every machine
    "font.size": 7.5,
    "axes.titlesize": 8,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 7.5,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "patch.edgecolor": "white",
    "patch.force_edgecolor": True,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": SMALLEST,
    "ytick.labelsize": SMALLEST,
    "grid.color": FAINT,
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "legend.fontsize": SMALLEST,
    "lines.linewidth": 1.1,
    "lines.markersize": 3,
    "savefig.dpi": 150,
    "svg.hashsalt": "deepmapper-benchmark",
    "svg.fonttype": "path",
}
PRINT: dict[str, Any] = SETTINGS | {
    # Ticks are hidden, but keep labels at their distance.
    **{"xtick.bottom": False, "xtick.major.size": 3.5, "xtick.minor.size": 2.0},
    **{"ytick.left": False, "ytick.major.size": 3.5, "ytick.minor.size": 2.0},
    "savefig.dpi": 300,
    "pdf.fonttype": 42,  # text in a PDF stays text
}
WITHOUT_DATES: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "svg": {"Date": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


@contextmanager
def style(settings: dict[Any, Any] = SETTINGS) -> Iterator[None]:
    with context("seaborn-v0_8-whitegrid"), rc_context(settings):
        yield


def colours() -> list[Any]:
    return [to_rgb(colour) for colour in PALETTE]


def plain_logarithms(axis: Axis) -> None:
    """Set ticks of a logarithmic axis at 1, 2 and 5 times powers of ten, as numbers."""
    low, high = axis.get_view_interval()
    decades = math.log10(high / low)
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if decades < 2.5 else (1.0,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_locator(NullLocator())


def few_methods(results: Results, methods: Sequence[str]) -> list[str]:
    """Return the first `MOST_METHODS` of these labels, in their order, and always the engine.

    Repeated methods (`replicate`) are left out.
    """
    methods = [label for label in methods if label not in results.replicates]
    kept = sorted(methods, key=lambda label: label != ENGINE)[:MOST_METHODS]
    return [label for label in methods if label in kept]


def method_styles(methods: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return a colour and a marker for each method, by alphabetical position."""
    palette = colours()
    return {
        method: {"color": palette[i % len(palette)], "marker": MARKERS[i % len(MARKERS)]}
        for i, method in enumerate(sorted(methods))
    }


def panels(
    n: int, width: float, height: float, max_columns: int = 3, **options: Any
) -> tuple[Figure, list[Axes]]:
    """Return a figure with n axes in a grid, each of the given size in inches if they fit."""
    columns = 2 if n == 4 else min(n, max_columns)
    rows = math.ceil(n / columns)
    size = min(PAGE, width * columns), height * rows
    figure = Figure(figsize=size, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.05, h_pad=0.05)  # type: ignore[union-attr,call-arg]
    grid = figure.subplots(rows, columns, squeeze=False, **options)
    axes = list(grid.flat)
    for spare in axes[n:]:
        spare.remove()
    return figure, axes[:n]


def bare(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)


def no_ticks(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)


def method_rows(axes: Axes, methods: Sequence[str]) -> None:
    """Set a row for each method on the y axis, with names in the first column."""
    place = axes.get_subplotspec()
    labelled = place is not None and place.is_first_col()
    axes.set_ylim(len(methods) - 0.4, -0.6)
    axes.set_yticks(range(len(methods)), list(methods) if labelled else [""] * len(methods))
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=True, axis="y")
    bare(axes)


def broken(name: str, width: int = 14) -> str:
    """Break a name after underscores and spaces into lines of `width` letters, if it can be."""
    lines = [""]
    for part in re.findall(r"[^_ ]+_?|_| ", name):
        if len(lines[-1] + part) > width and lines[-1]:
            lines.append("")
        lines[-1] += part
    return "\n".join(line.strip() for line in lines if line.strip())


def say(axes: Axes, row: int, words: str) -> None:
    axes.text(
        0.02,
        row,
        words,
        transform=axes.get_yaxis_transform(),
        va="center",
        color=WARNING,
        fontsize=SMALLEST,
        fontstyle="italic",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        zorder=5,
    )


def legend_below(figure: Figure, handles: Sequence[Line2D]) -> None:
    """Put a legend under the panels, with as many columns as the width allows."""
    longest = max(len(str(handle.get_label())) for handle in handles)
    fitting = int(figure.get_figwidth() / (0.062 * longest + 0.45))  # inches of a letter, a marker
    columns = max(1, min(len(handles), fitting))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns)


def save(
    figure: Figure, folder: Path, name: str, kinds: Sequence[str] = ("png", "svg")
) -> dict[str, Path]:
    """Write a figure as files of these kinds, without dates. Call within `style()`."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {kind: folder / f"{name}.{kind}" for kind in kinds}
    for kind, path in paths.items():
        options: dict[str, Any] = {"format": kind, "metadata": WITHOUT_DATES[kind]}
        write_atomically(path, partial(figure.savefig, **options))
        _fix_layout(figure)
    return paths


def _fix_layout(figure: Figure) -> None:
    """Keep the places of the axes, rounded.

    The last digits of the layout's solver vary, and ids of clip paths in SVG depend on all digits.
    """
    figure.set_layout_engine("none")
    for axes in figure.axes:
        left, bottom, width, height = axes.get_position(original=True).bounds
        axes.set_position((round(left, 9), round(bottom, 9), round(width, 9), round(height, 9)))
