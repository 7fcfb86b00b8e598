"""Shares of the variance of the error: a row for each factor and pair of factors."""

import pandas as pd

from reports import units
from reports.results import Results
from reports.statistics.variance_shares import Grid, Share, read_grids
from reports.tables.views import Block, Cell, Column, Footnotes, View

ALL = "All tables"
READING = (
    "Analysis of variance of the logit of the error rate over layout, network, gate and table, as "
    "percent of the sum of squares. A pair of factors is their interaction. The residual has the "
    "interactions of three factors, and the seeds. 95% intervals: a bootstrap of tables and seeds. "
    "Columns of single tables have no factor table. Shares of many degrees of freedom (df) are "
    "above 0 by chance."
)


def variance(results: Results) -> View:
    """Build a block for each grid: terms are rows, all its tables and each table are columns."""
    notes = Footnotes()
    first, *others = read_grids(results.frame)
    grids = {ALL: first} | {_name(grid, first): grid for grid in others}
    shares = {name: _shares(name, grid) for name, grid in grids.items()}
    blocks = [_block(name, grid, shares[name], notes) for name, grid in grids.items()]
    data = pd.concat(_data(name, of_grid) for name, of_grid in shares.items())
    reading = " ".join([READING, *map(_size, grids.values())])
    title = "Causes: shares of the variance of the error"
    return View("variance", title, reading, blocks, notes.texts, data)


def _name(grid: Grid, first: Grid) -> str:
    more = ", ".join(name for name in grid.levels[1] if name not in first.levels[1])
    tables = grid.tables[0] if len(grid.tables) == 1 else units.counted(len(grid.tables), "table")
    return f"{tables} with {more}"


def _shares(name: str, grid: Grid) -> dict[str, dict[str, Share]]:
    """Return the shares of all tables, and of each if there are several, by name and term."""
    parts = {name: grid}
    if name == ALL or len(grid.tables) > 1:
        parts |= {table: grid.of_table(table) for table in grid.tables}
    return {part: {share.term: share for share in of.shares()} for part, of in parts.items()}


def _block(name: str, grid: Grid, shares: dict[str, dict[str, Share]], notes: Footnotes) -> Block:
    numbers = tuple(notes.number(f"Left out: {text}.") for text in grid.left_out)
    columns = [Column("Term"), Column("df"), Column(name, notes=numbers)]
    columns += [Column(part) for part in shares if part != name]
    rows = [
        [
            Cell(term),
            Cell(str(share.df)),
            *(_cell(of_part.get(term)) for of_part in shares.values()),
        ]
        for term, share in shares[name].items()
    ]
    return Block(f"Shares of the variance of the error: {name}", columns, rows)


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


def _data(name: str, shares: dict[str, dict[str, Share]]) -> pd.DataFrame:
    rows = [
        {"grid": name, "tables": part, **vars(share)}
        for part, of_part in shares.items()
        for share in of_part.values()
    ]
    return pd.DataFrame(rows, columns=["grid", "tables", "term", "df", "share", "low", "high"])
