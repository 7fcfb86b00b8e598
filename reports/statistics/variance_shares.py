"""The share of the variance of the error that layout, network, gate and table explain.

The methods of a factorial experiment have labels "LAYOUT / NETWORK / gate" or "LAYOUT / NETWORK /
no gate". The response is the logit of the error rate, with half an error and half a right row added
(Haldane 1956, Anscombe 1956), so that 0 errors count and tables of different difficulty compare.

Analysis of variance with the table as a block: main effects and interactions of two factors. The
residual has the interactions of three factors and the seeds. In a complete grid each term is
orthogonal to the others, so the sums of squares of types I, II and III are equal, and each is a sum
of squared cell means. Intervals are percentiles of a bootstrap that draws (table, seed) pairs, and
need two tables.
Limits: a term with many degrees of freedom has a share above 0 by chance. Seeds of one table share
rows, so intervals are for tables and seeds of this kind.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from reports.statistics.estimates import LEVEL

SEPARATOR = " / "
GATES = ("gate", "no gate")
FACTORS = ("table", "layout", "network", "gate")
TERMS = [*combinations(range(4), 1), *combinations(range(4), 2)]
RESIDUAL = "residual"
N_RESAMPLES = 1000


@dataclass(frozen=True)
class Share:
    """A term, its degrees of freedom, and its share of the sum of squares with an interval."""

    term: str
    df: int
    share: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, eq=False)
class Grid:
    """A complete grid.

    logits: (n_blocks, n_layouts, n_networks, n_gates), a block is a table and a seed.
    levels: the blocks as (table, seed), the layouts, the networks and the gates.
    left_out: the levels without all of their cells, as texts.
    """

    logits: np.ndarray
    levels: list[list]
    left_out: list[str]

    @property
    def tables(self) -> list[str]:
        return list(dict.fromkeys(table for table, _ in self.levels[0]))

    def of_table(self, table: str) -> "Grid":
        is_there = [name == table for name, _ in self.levels[0]]
        blocks = [block for block in self.levels[0] if block[0] == table]
        return Grid(self.logits[is_there], [blocks, *self.levels[1:]], [])

    def shares(self) -> list[Share]:
        """Return the share of each term, the largest first, the residual last.

        Terms of a factor with one level are left out. Empty if all logits are equal.
        """
        tables = np.unique([table for table, _ in self.levels[0]], return_inverse=True)[1]
        squares = sums_of_squares(self.logits, tables)
        if not squares.sum() > 0:
            return []
        sizes = np.array([tables.max() + 1, *self.logits.shape[1:]])
        dfs = [int(np.prod(sizes[list(term)] - 1)) for term in TERMS]
        dfs.append(self.logits.size - 1 - sum(dfs))
        lows, highs = self._interval(tables)
        names = [" × ".join(FACTORS[f] for f in term) for term in TERMS] + [RESIDUAL]
        values = (squares / squares.sum()).tolist()
        terms = [Share(*of_term) for of_term in zip(names, dfs, values, lows, highs, strict=True)]
        varying = sorted((s for s in terms[:-1] if s.df), key=lambda s: -s.share)
        return [*varying, terms[-1]]

    def _interval(self, tables: np.ndarray) -> tuple[list[float | None], list[float | None]]:
        n = len(tables)
        if len(np.unique(tables)) < 2:  # few seeds of one table say little about others
            return [None] * (len(TERMS) + 1), [None] * (len(TERMS) + 1)
        draws = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=N_RESAMPLES)
        squares = np.array([sums_of_squares(self.logits, tables, draw) for draw in draws])
        ends = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
        totals = np.maximum(squares.sum(1, keepdims=True), 1e-30)
        lows, highs = np.quantile(squares / totals, ends, axis=0)
        return lows.tolist(), highs.tolist()


def sums_of_squares(
    logits: np.ndarray, tables: np.ndarray, counts: np.ndarray | None = None
) -> np.ndarray:
    """Return the sum of squares of each of TERMS and of the residual, (11,).

    `logits` are (n_blocks, n_layouts, n_networks, n_gates), `tables` the codes of the blocks'
    tables, (n_blocks,). `counts` tells how often each block counts, by default once.
    """
    counts = np.ones(len(logits)) if counts is None else counts.astype(float)
    membership = np.eye(tables.max() + 1)[tables] * counts[:, None]  # (n_blocks, n_tables)
    weights = membership.sum(0)
    drawn = weights > 0
    sums = np.tensordot(membership[:, drawn].T, logits, 1)  # (n_tables, layouts, networks, gates)
    n_cells = np.broadcast_to(weights[drawn][:, None, None, None], sums.shape)

    def explained(term: tuple[int, ...]) -> float:
        """Return the sum of squared means of the cells of a term."""
        others = tuple(set(range(4)) - set(term))
        return float((sums.sum(others) ** 2 / n_cells.sum(others)).sum())

    constant = explained(())
    of_main = [explained((f,)) - constant for f in range(4)]
    of_pairs = [
        explained((a, b)) - of_main[a] - of_main[b] - constant for a, b in combinations(range(4), 2)
    ]
    squares = np.tensordot(counts, logits**2, 1).sum()
    residual = squares - constant - sum(of_main) - sum(of_pairs)
    return np.maximum([*of_main, *of_pairs, residual], 0)  # rounding may leave a negative one


def factors_of(label: str) -> tuple[str, str, str] | None:
    """Return layout, network and gate of a method label, or None for another label.

    >>> factors_of("learned / patch / no gate")
    ('learned', 'patch', 'no gate')
    """
    parts = label.split(SEPARATOR)
    if len(parts) != 3 or parts[2] not in GATES:
        return None
    layout, network, gate = parts
    return layout, network, gate


def has_grid(frame: pd.DataFrame) -> bool:
    """Return whether a method of the frame has such a label."""
    return any(factors_of(label) for label in set(frame["method_label"]))


def read_grids(frame: pd.DataFrame) -> list[Grid]:
    """Return the complete grid of all tables, then those of tables with further layouts.

    A layout may refuse wide tables, or exist for one table alone.
    """
    layouts = frame["method_label"].map(lambda label: (factors_of(label) or [None])[0])
    ran = frame.assign(layout=layouts)[layouts.notna() & (frame["status"] == "ok")]
    sets = ran.groupby("dataset_label")["layout"].agg(frozenset)
    grids = [read_grid(frame)]
    for of_tables in sorted(set(sets), key=len):
        if of_tables > set(grids[0].levels[1]):
            tables = sets.index[sets >= of_tables]
            part = frame["dataset_label"].isin(tables) & layouts.isin(of_tables)
            grids.append(read_grid(frame[part]))
    return grids


def read_grid(frame: pd.DataFrame) -> Grid:
    """Return the complete part of the grid in a frame of `reports.aggregate`.

    Cells that are not ok are missing. As long as a cell is missing, the layout, network, gate or
    block with the largest share of missing cells is left out.
    """
    logits = {}
    for cell in frame.to_dict("records"):
        if factors := factors_of(cell["method_label"]):
            logits[(cell["dataset_label"], cell["seed"]), *factors] = error_logit(cell)
    levels: list[list] = [sorted(set(names)) for names in zip(*logits, strict=True)]
    values = np.full([len(names) for names in levels], np.nan)
    for point, logit in logits.items():
        values[tuple(names.index(name) for names, name in zip(levels, point, strict=True))] = logit
    left_out = []
    while np.isnan(values).any():
        axis, worst, missing = _most_missing(values)
        name = levels[axis][worst]
        text = f"seed {name[1]} of {name[0]}" if axis == 0 else f"{FACTORS[axis]} {name}"
        left_out.append(f"{text} ({missing:.0%} of its cells are missing or not ok)")
        values = np.delete(values, worst, axis)
        levels[axis] = [other for other in levels[axis] if other != name]
    return Grid(values, levels, left_out)


def error_logit(cell: dict) -> float:
    """Return the logit of the error rate of a cell, NaN if it is not ok."""
    if cell["status"] != "ok" or pd.isna(cell["accuracy"]):
        return np.nan
    right = cell["accuracy"] * cell["n_test"]
    return float(np.log((cell["n_test"] - right + 0.5) / (right + 0.5)))


def _most_missing(values: np.ndarray) -> tuple[int, int, float]:
    """Return axis and index of the level with the largest share of NaN, and the share."""
    shares = [np.isnan(values).mean(axis=tuple(set(range(4)) - {axis})) for axis in (1, 2, 3, 0)]
    place = int(np.argmax([of_axis.max() for of_axis in shares]))
    worst = int(shares[place].argmax())
    return (1, 2, 3, 0)[place], worst, float(shares[place][worst])
