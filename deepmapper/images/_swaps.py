"""Swaps of pixels that bring tied features closer.

Quadratic assignment by simulated annealing, after Burkard & Rendl, European Journal of Operational
Research 17 (1984) 169-174. Each proposal moves a feature next to one of its neighbours. Many
proposals are evaluated at once, and accepted swaps that share no pixel are made together.
"""

import numpy as np

from deepmapper.images._neighbours import FeatureGraph, ranked_ties
from deepmapper.training.streams import stream

MOST_TIES = 16  # strongest ties of a feature that swaps use
# Chosen on unlabelled training images of MNIST (20,000 and 60,000; 20,000 sweeps). The share of
# adjacent pixels that stay adjacent rises from 0.88 and 0.91 to 0.91 and 0.95. With a fifth of the
# slope the start is too hot. With five times the slope the share is 0.89, on 20,000.
WELL, SLOPE = 1.0, 0.1
START_TEMPERATURE = 1.0  # in units of the mean weight of a tie
COLD = 0.1  # the last share of the sweeps takes gains only
SHARE_MOVED = 0.1  # of all features in a sweep, so that swaps seldom touch each other
PROPOSALS_BUDGET = 5_000_000
MOST_SWEEPS = 16_000
SWEEPS_A_FEATURE = 25  # small images need fewer sweeps


def anneal(graph: FeatureGraph, cells: np.ndarray, shape: tuple[int, int], seed: int) -> np.ndarray:
    """The cells after swaps that make the ties shorter (see `_costs`)."""
    p = graph.n_features
    if p < 3:
        return cells
    draw = stream(seed, "layout", "swaps")
    swaps = _Swaps(graph, cells, shape)
    n_movers = max(1, int(SHARE_MOVED * p))
    sweeps = min(SWEEPS_A_FEATURE * p, MOST_SWEEPS, PROPOSALS_BUDGET // n_movers)
    for sweep in range(sweeps):
        left = 1 - sweep / sweeps
        temperature = START_TEMPERATURE * left**2 if left > COLD else 0.0
        swaps.sweep(draw.choice(p, n_movers, replace=False), temperature, draw)
    return swaps.cell_of[:p].copy()


class _Swaps:
    """Features and empty cells as one permutation of the grid, changed by swaps.

    Ids below n_features are features. The others are empty cells and have no ties.
    """

    def __init__(self, graph: FeatureGraph, cells: np.ndarray, shape: tuple[int, int]) -> None:
        n_cells = shape[0] * shape[1]
        self.shape = shape
        self.cell_of = np.concatenate([cells, np.setdiff1d(np.arange(n_cells), cells)])
        self.holder = np.argsort(self.cell_of)  # of each cell
        self.costs = _costs(shape).ravel()
        self.neighbours, self.weights = _pad_ties(graph, n_cells)
        self.degrees = np.minimum(np.diff(graph.weights.indptr), MOST_TIES)

    def sweep(self, movers: np.ndarray, temperature: float, draw: np.random.Generator) -> None:
        """Propose a cell next to a neighbour for each mover. Swap by the Metropolis rule."""
        movers, targets = self._propose(movers, draw)
        homes, holders = self.cell_of[movers], self.holder[targets]
        gain = self._gain(movers, targets, holders, homes)
        gain += self._gain(holders, homes, movers, targets)
        accepted = gain > 0
        if temperature > 0:
            accepted |= draw.random(len(gain)) < np.exp(np.minimum(gain, 0) / temperature)
        a, b = movers[accepted], holders[accepted]
        homes, targets = homes[accepted], targets[accepted]
        # If two swaps share a cell, only the last one is made.
        claim = np.empty(len(self.holder), dtype=np.int64)
        order = np.arange(len(a))
        claim[homes] = order
        claim[targets] = order
        is_single = (claim[homes] == order) & (claim[targets] == order)
        a, b, homes, targets = a[is_single], b[is_single], homes[is_single], targets[is_single]
        self.cell_of[a], self.cell_of[b] = targets, homes
        self.holder[targets], self.holder[homes] = a, b

    def _propose(
        self, movers: np.ndarray, draw: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        height, width = self.shape
        slot = (draw.random(len(movers)) * self.degrees[movers]).astype(np.int64)
        row, column = np.divmod(self.cell_of[self.neighbours[movers, slot]], width)
        step = draw.integers(8, size=len(movers))
        step += step >= 4  # 0..8 without 4, the neighbour's own cell
        row, column = row + step // 3 - 1, column + step % 3 - 1
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        targets = row[inside] * width + column[inside]
        movers = movers[inside]
        is_move = self.holder[targets] != movers
        return movers[is_move], targets[is_move]

    def _gain(
        self, movers: np.ndarray, targets: np.ndarray, holders: np.ndarray, homes: np.ndarray
    ) -> np.ndarray:
        """The cost that movers save by the swap of their home with the target's holder."""
        ties, weights = self.neighbours[movers], self.weights[movers]  # (proposals, MOST_TIES)
        weights = np.where(ties == holders[:, None], 0, weights)  # as far apart as before
        cells = self.cell_of[ties]
        saved = self._cost(homes, cells) - self._cost(targets, cells)
        return np.einsum("ij,ij->i", weights, saved)

    def _cost(self, cell: np.ndarray, cells: np.ndarray) -> np.ndarray:
        width = self.shape[1]
        row, column = np.divmod(cell, width)
        rows, columns = np.divmod(cells, width)
        rows -= row[:, None]
        columns -= column[:, None]
        return self.costs[np.abs(rows) * width + np.abs(columns)]


def _costs(shape: tuple[int, int]) -> np.ndarray:
    """The cost of a tie by its offset in rows and columns, (height, width).

    It has a well one cell wide, so that many short ties are not broken for a long one, and a slope
    that brings distant features back.
    """
    rows, columns = np.meshgrid(np.arange(shape[0]), np.arange(shape[1]), indexing="ij")
    squares = (rows**2 + columns**2).astype(np.float32)
    return (1 - np.exp(-squares / (2 * WELL**2)) + SLOPE * np.sqrt(squares)).astype(np.float32)


def _pad_ties(graph: FeatureGraph, n_cells: int) -> tuple[np.ndarray, np.ndarray]:
    """The strongest ties of each id: neighbours and weights, (n_cells, MOST_TIES)."""
    weights = graph.weights
    source = np.repeat(np.arange(graph.n_features), np.diff(weights.indptr))
    order, rank = ranked_ties(graph)
    kept = rank < MOST_TIES
    neighbours = np.zeros((n_cells, MOST_TIES), dtype=np.int64)
    table = np.zeros((n_cells, MOST_TIES), dtype=np.float32)
    neighbours[source[kept], rank[kept]] = weights.indices[order][kept]
    table[source[kept], rank[kept]] = weights.data[order][kept] / weights.data.mean()
    return neighbours, table


def tie_length(graph: FeatureGraph, cells: np.ndarray, shape: tuple[int, int]) -> float:
    """The summed cost of all ties, weighted by their strength."""
    ties = graph.weights.tocoo()
    rows, columns = np.divmod(cells, shape[1])
    apart = (np.abs(rows[ties.row] - rows[ties.col]), np.abs(columns[ties.row] - columns[ties.col]))
    return float((ties.data * _costs(shape)[apart]).sum())
