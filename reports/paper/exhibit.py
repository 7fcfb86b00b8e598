"""One figure or one table of the paper, with the cells behind its numbers."""

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.tables.views import View

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHORT = 8  # hex digits of a key that are printed


@dataclass(frozen=True)
class Exhibit:
    """A figure or a table, its text and its source.

    `name` is that of the files, such as "fig4". `cells` are the keys of the cells behind it.
    `figure` is drawn within `reports.figures.style.style`, and None for a table. `missing` names
    the cells that the store lacks, and replaces figure and view.
    """

    name: str
    title: str
    caption: str
    cells: tuple[str, ...] = ()
    figure: "Figure | None" = None
    view: View | None = None
    missing: str | None = None


def short(keys: tuple[str, ...]) -> str:
    """Return the beginnings of keys, long enough to find the records."""
    return " ".join(key[:SHORT] for key in keys)


def traces(view: View) -> list[str]:
    """Return a line for each number or group of numbers with the same cells."""
    places: dict[tuple[str, ...], dict[str, None]] = defaultdict(dict)
    for block in view.blocks:
        start = f"{block.dataset or block.caption} / " if len(view.blocks) > 1 else ""
        for row in block.rows:
            for cell in row:
                if cell.keys:
                    places[cell.keys][f"{start}{row[0].text}"] = None
    return [f"{', '.join(named)}: {short(keys)}" for keys, named in places.items()]
