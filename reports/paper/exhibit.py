"""One figure or one table of the paper, with the cells that it was made of."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.views import View

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHORT = 8  # hex digits of a key that are printed; a store holds the whole of it


@dataclass(frozen=True)
class Exhibit:
    """What is shown, what it says, and where it comes from.

    Args:
        name: of the files, such as "fig4".
        title: one line.
        caption: a paragraph that can stand below it in print.
        cells: the keys of the cells behind it; () for what needs none.
        figure: drawn within `reports.paper.print_style`; None for a table.
        view: the table; None for a figure.
        missing: what is said in its place where the store lacks the cells; then it has neither.
    """

    name: str
    title: str
    caption: str
    cells: tuple[str, ...] = ()
    figure: "Figure | None" = None
    view: View | None = None
    missing: str | None = None


def short(key: str) -> str:
    """The beginning of a key, enough to find the record by."""
    return key[:SHORT]
