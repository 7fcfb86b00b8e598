"""One figure or one table of the paper, with the cells behind its numbers."""

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.views import View

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHORT = 8  # hex digits of a key that are printed


@dataclass(frozen=True)
class Exhibit:
    """A figure or a table, its text and its source.

    Args:
        name: of the files, such as "fig4".
        title: one line.
        caption: a paragraph that can stand below it in print.
        cells: the keys of the cells behind it; () if it needs none.
        figure: drawn within `reports.figure_style.style`; None for a table.
        view: the table; None for a figure.
        missing: the cells that the store lacks, in words, instead of figure and view.
    """

    name: str
    title: str
    caption: str
    cells: tuple[str, ...] = ()
    figure: "Figure | None" = None
    view: View | None = None
    missing: str | None = None


def short(keys: tuple[str, ...]) -> str:
    """The beginnings of keys, enough to find the records by."""
    return " ".join(key[:SHORT] for key in keys)


def traces(view: View) -> list[str]:
    """A line for each number or group of numbers that share their cells, in reading order."""
    places: dict[tuple[str, ...], dict[str, None]] = defaultdict(dict)
    for block in view.blocks:
        start = f"{block.dataset or block.caption} / " if len(view.blocks) > 1 else ""
        for row in block.rows:
            for cell in row:
                if cell.keys:
                    places[cell.keys][f"{start}{row[0].text}"] = None
    return [f"{', '.join(named)}: {short(keys)}" for keys, named in places.items()]
