"""Shares of the variance of the error: a row for each factor and pair of factors."""

import pandas as pd

from reports import units
from reports.results import Results
from reports.variance_shares import Grid, Share, read_grid
from reports.views import Block, Cell, Column, Footnotes, View

ALL = "All tables"
READING = (
    "Analysis of variance of the logit of the error rate over layout, network, gate and table, as "
    "percent of the sum of squares. A pair of factors is their interaction. The residual has the "
    "interactions of three factors, and the seeds. 95% intervals: a bootstrap of tables and seeds. "
    "Columns of single tables have no factor table. Shares of many degrees of freedom (df) are "
    "above 0 by chance."
)


def variance(results: Results) -> View:
    """Build one block: terms are rows, all tables and each table are columns."""
    grid = read_grid(results.frame)
    notes = Footnotes()
    numbers = tuple(notes.number(f"Left out: {text}.") for text in grid.left_out)
    parts = {ALL: grid} | {table: grid.of_table(table) for table in grid.tables}
    shares = {name: {s.term: s for s in part.shares()} for name, part in parts.items()}
    columns = [Column("Term"), Column("df, all tables"), *(Column(name) for name in shares)]
    columns[2] = Column(ALL, notes=numbers)
    rows = [
        [
            Cell(term),
            Cell(str(share.df)),
            *(_cell(of_part.get(term)) for of_part in shares.values()),
        ]
        for term, share in shares[ALL].items()
    ]
    block = Block("Shares of the variance of the error", columns, rows)
    reading = f"{READING} {_size(grid)}"
    title = "Causes: shares of the variance of the error"
    return View("variance", title, reading, [block], notes.texts, _data(shares))


def _cell(share: Share | None) -> Cell:
    if share is None:
        return Cell("–")
    interval = ""
    if share.low is not None and share.high is not None:
        interval = f"[{100 * share.low:.1f}, {100 * share.high:.1f}]"
    return Cell(f"{100 * share.share:.1f}", interval, share.share)


def _size(grid: Grid) -> str:
    nouns = ("layout", "network", "gate")
    sizes = [units.counted(n, noun) for n, noun in zip(grid.logits.shape[1:], nouns, strict=True)]
    n_blocks = units.counted(len(grid.levels[0]), "pair")
    return f"The complete part of the grid: {n_blocks} of table and seed, {', '.join(sizes)}."


def _data(shares: dict[str, dict[str, Share]]) -> pd.DataFrame:
    rows = [{"tables": name, **vars(share)} for name, of in shares.items() for share in of.values()]
    return pd.DataFrame(rows, columns=["tables", "term", "df", "share", "low", "high"])
