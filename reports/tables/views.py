"""The parts of a table, before it becomes Markdown, CSV, LaTeX or HTML."""

from dataclasses import dataclass, field

import pandas as pd

# Marks of cells and columns; each writer has a style for them.
PLAIN, BEST, LEVEL, UNSURE = "", "best", "level", "unsure"
PREFIXES = {LEVEL: "≈ ", UNSURE: "? "}
FAILED, ABSENT, PUBLISHED, PROSE = "failed", "absent", "published", "prose"


@dataclass(frozen=True)
class Cell:
    """One entry: its text, a smaller detail, the number to sort by, its footnotes.

    `keys` are those of the stored cells behind it, for the tables of the paper.
    """

    text: str
    detail: str = ""
    sort: float | str | None = None
    mark: str = PLAIN
    notes: tuple[int, ...] = ()
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Column:
    """A header, and its dataset if any. A column of sentences has the mark `PROSE`."""

    header: str
    dataset: str | None = None
    mark: str = PLAIN
    notes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Block:
    """One grid. A view has one block, or one for each dataset."""

    caption: str
    columns: list[Column]
    rows: list[list[Cell]]
    dataset: str | None = None

    def notes(self) -> list[int]:
        """Return the footnotes that its entries refer to, in order."""
        in_head = {n for column in self.columns for n in column.notes}
        return sorted(in_head | {n for row in self.rows for cell in row for n in cell.notes})


@dataclass
class Footnotes:
    """Numbered remarks of a view. Equal remarks have the same number."""

    _numbers: dict[str, int] = field(default_factory=dict)

    @property
    def texts(self) -> list[str]:
        return list(self._numbers)

    def number(self, text: str) -> int:
        """Return the number of a remark, and add the remark if it is new."""
        return self._numbers.setdefault(text, len(self._numbers) + 1)


@dataclass(frozen=True)
class View:
    """A table of the report: how to read it, its blocks, footnotes and plain data."""

    name: str
    title: str
    reading: str
    blocks: list[Block]
    footnotes: list[str]
    data: pd.DataFrame
