"""What a table is made of, before it becomes Markdown, CSV, LaTeX or HTML."""

from dataclasses import dataclass, field

import pandas as pd

# The marks a cell may bear; each writer decides how it looks.
PLAIN, BEST, LEVEL, FAILED, ABSENT, PUBLISHED, PROSE = (
    "",
    "best",
    "level",
    "failed",
    "absent",
    "published",
    "prose",
)


@dataclass(frozen=True)
class Cell:
    """One entry: its text, a smaller detail after it, the number to sort by, its footnotes.

    `keys`: of the cells behind it, where the view says so.
    """

    text: str
    detail: str = ""
    sort: float | str | None = None
    mark: str = PLAIN
    notes: tuple[int, ...] = ()
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Column:
    """A header; `dataset` where the column belongs to one, `mark` to set it apart.

    A column of sentences is marked `PROSE`.
    """

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
        """The footnotes that its entries refer to, in order."""
        in_head = {n for column in self.columns for n in column.notes}
        return sorted(in_head | {n for row in self.rows for cell in row for n in cell.notes})


@dataclass
class Footnotes:
    """Numbered remarks of a view; the same remark has the same number."""

    texts: list[str] = field(default_factory=list)
    _numbers: dict[str, int] = field(default_factory=dict)

    def number(self, text: str) -> int:
        if text not in self._numbers:
            self.texts.append(text)
            self._numbers[text] = len(self.texts)
        return self._numbers[text]


@dataclass(frozen=True)
class View:
    """A table of the report: how to read it, its blocks, its footnotes, and its plain data."""

    name: str
    title: str
    reading: str
    blocks: list[Block]
    footnotes: list[str]
    data: pd.DataFrame
