"""Pixels from a graph of features: embed in the plane, assign to the grid, swap.

1. `landmark_start`: shortest paths along the graph (a tie of weight w has length 1 / w), from
   landmarks to all. Then classical scaling of the landmarks and triangulation of the rest (de Silva
   & Tenenbaum 2004). It is right at large scale and wrong in detail.
2. `unfold_plane`: descent on the t-SNE objective (van der Maaten & Hinton 2008) with the weights of
   the ties as attraction. The repulsion is exact for few features, a sampled estimate for many.
3. `assign`: one feature a cell. An optimal linear assignment for few features, median splits of
   the plane along alternating axes for many.
4. `_swaps.anneal`: swaps of pixels that shorten the ties.

No step needs memory for p x p values if p is large.
"""

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse.csgraph import dijkstra
from scipy.sparse.linalg import eigsh

from deepmapper.images._neighbours import FeatureGraph, ranked_ties
from deepmapper.images._neighbours import strongest_products as strongest_products
from deepmapper.images._swaps import anneal, tie_length
from deepmapper.training.streams import stream

__all__ = ["assign", "strongest_products"]

PATH_BUDGET = 2_000_000  # lengths of paths that are kept: landmarks x features
FEWEST_LANDMARKS = 48
REPULSION_BUDGET = 1 << 20  # pairs that repel each other in a step
N_STEPS = 300
EXAGGERATION = 4.0  # attraction is stronger at first (the t-SNE paper has 4)
EXAGGERATED_STEPS = 100
LARGEST_ASSIGNMENT = 2048  # an exact one takes seconds there and grows with the cube
TOUCHING = 8  # pixels that touch a pixel
N_ANGLES = 6  # within a quarter turn: quarter turns and mirror images map a grid to itself


def place(graph: FeatureGraph, shape: tuple[int, int], seed: int) -> np.ndarray:
    """The cell (flat index) of each feature, int64 (n_features,), tied ones together.

    Features without ties get the remaining cells, in their order.
    """
    n_cells = shape[0] * shape[1]
    cells = np.full(graph.n_features, -1, dtype=np.int64)
    tied = graph.tied
    if len(tied) > 0:
        inner = graph.among(tied)
        plane = unfold_plane(inner, landmark_start(inner, seed), seed)
        cells[tied] = anneal(inner, best_turn(inner, plane, shape), shape, seed)
    free = np.setdiff1d(np.arange(n_cells), cells[tied], assume_unique=True)
    untied = np.flatnonzero(cells < 0)
    cells[untied] = free[: len(untied)]
    return cells


def landmark_start(graph: FeatureGraph, seed: int) -> np.ndarray:
    """Points in the plane, (n_features, 2), at distances like the graph's paths."""
    p = graph.n_features
    n_landmarks = min(p, max(FEWEST_LANDMARKS, PATH_BUDGET // p))
    landmarks = stream(seed, "layout", "landmarks").permutation(p)[:n_landmarks]
    lengths = graph.weights.copy()
    lengths.data = 1.0 / lengths.data
    paths = dijkstra(lengths, directed=False, indices=landmarks)  # (landmarks, p)
    reached = np.isfinite(paths)
    paths[~reached] = 1.5 * max(paths[reached].max(), 1.0)  # separate parts of the graph
    squares = paths**2
    means = squares[:, landmarks].mean(0)
    centred = squares[:, landmarks] - means - means[:, None] + means.mean()
    if n_landmarks < 4:  # too few for the solver; any placement is equally good
        return np.stack([np.arange(p, dtype=float), np.zeros(p)], axis=1)
    spectrum, axes = eigsh(-0.5 * centred, k=2, which="LA", v0=np.linspace(1, 2, n_landmarks))
    return -0.5 * (squares - means[:, None]).T @ (axes / np.sqrt(np.maximum(spectrum, 1e-9)))


def unfold_plane(graph: FeatureGraph, start: np.ndarray, seed: int) -> np.ndarray:
    """Points of low t-SNE loss, (n_features, 2), near the start."""
    p = graph.n_features
    if p < 3:
        return start
    ties = graph.weights.copy()
    attraction = ties.data / ties.data.sum()
    source = np.repeat(np.arange(p), np.diff(ties.indptr))
    draw = stream(seed, "layout", "repulsion")
    points = ((start - start.mean(0)) / max(float(start.std()), 1e-9)).astype(np.float32)
    points += 1e-3 * draw.standard_normal((p, 2), dtype=np.float32)  # no two at one place
    velocity, gains = np.zeros_like(points), np.ones_like(points)
    n_others = min(p, max(32, REPULSION_BUDGET // p))
    for step in range(N_STEPS):
        is_early = step < EXAGGERATED_STEPS
        offsets = points[source] - points[ties.indices]
        ties.data = attraction / (1 + np.einsum("ij,ij->i", offsets, offsets))
        pull = ties.sum(1).A1[:, None] * points - ties @ points
        others = points
        if n_others < p:
            others = points[draw.choice(p, n_others, replace=False)]
        gradient = (EXAGGERATION if is_early else 1.0) * pull - _repulsion(points, others)
        continues = gradient * velocity < 0
        gains = np.maximum(np.where(continues, gains + 0.2, gains * 0.8), 0.01)
        velocity = (0.5 if is_early else 0.8) * velocity - (p / 4) * gains * gradient
        points += velocity
    return points.astype(np.float64)


def best_turn(graph: FeatureGraph, plane: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Assign several turns of the plane. Return the cells with the shortest ties."""
    turns = []
    for angle in np.arange(N_ANGLES) * (np.pi / 2 / N_ANGLES):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        cells = assign(plane @ turn, shape)
        turns.append((tie_length(graph, cells, shape), cells))
    return min(turns, key=lambda pair: pair[0])[1]


def assign(plane: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Assign a different cell near each point.

    Parameters
    ----------
    plane : array of shape (n_points, 2)
        Coordinates, in any unit.
    shape : tuple of int
        Height and width of the grid, with at least n_points cells.

    Returns
    -------
    int64 array of shape (n_points,)
        Flat index of each cell.
    """
    low, high = np.quantile(plane, [0.01, 0.99], axis=0)
    scale = (np.array(shape) - 1) / max(float((high - low).max()), 1e-12)
    places = (plane - (low + high) / 2) * scale + (np.array(shape) - 1) / 2
    if len(plane) > LARGEST_ASSIGNMENT:
        return _split(places, shape)
    grid = np.stack(np.divmod(np.arange(shape[0] * shape[1]), shape[1]), axis=1)
    squares = ((places[:, None] - grid) ** 2).sum(2)
    return linear_sum_assignment(squares)[1].astype(np.int64)


def neighbour_preservation(
    graph: FeatureGraph, cells: np.ndarray, shape: tuple[int, int]
) -> float | None:
    """The share of the ties' weight whose features touch: 0 is random, 1 is best.

    Pixels touch if they are at most one row and one column apart. At best, each feature touches the
    eight features with its strongest ties. This upper bound may be out of reach. The result is None
    if the graph has no ties.
    """
    ties = graph.weights.tocoo()
    total = float(ties.data.sum())
    if total == 0:
        return None
    rows, columns = np.divmod(cells, shape[1])
    touching = (np.abs(rows[ties.row] - rows[ties.col]) <= 1) & (
        np.abs(columns[ties.row] - columns[ties.col]) <= 1
    )
    share = float(ties.data[touching].sum()) / total
    height, width = shape
    n = height * width
    n_touching = (height - 1) * width + height * (width - 1) + 2 * (height - 1) * (width - 1)
    by_chance = n_touching / max(n * (n - 1) / 2, 1)
    order, rank = ranked_ties(graph)
    best = float(graph.weights.data[order][rank < TOUCHING].sum() / graph.weights.data.sum())
    if best <= by_chance:  # all pixels of a small image touch
        return 1.0
    return float(np.clip((share - by_chance) / (best - by_chance), 0.0, 1.0))


def _repulsion(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The t-SNE repulsion of each point, (n, 2), estimated from a sample of points."""
    across = points[:, :1] - others[:, 0]  # (n, others)
    down = points[:, 1:] - others[:, 1]
    kernel = across * across
    kernel += down * down
    kernel += 1
    np.reciprocal(kernel, out=kernel)
    total = float(kernel.sum()) - len(others)  # less the points with themselves
    kernel *= kernel
    push = np.stack(
        [np.einsum("ij,ij->i", kernel, across), np.einsum("ij,ij->i", kernel, down)], axis=1
    )
    return push / max(total, 1e-9)


def _split(places: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Cells by repeated proportional splits of points and grid on the longer side.

    Empty cells take part as points below all others, so that they end up in the last rows.
    """
    n_cells = shape[0] * shape[1]
    n_empty = n_cells - len(places)
    low, high = places.min(0), places.max(0)
    empty = np.stack([np.full(n_empty, high[0] + 1), np.linspace(low[1], high[1], n_empty)], axis=1)
    points = np.concatenate([places, empty])
    cells = np.empty(n_cells, dtype=np.int64)
    parts = [(np.arange(n_cells), 0, 0, *shape)]
    while parts:
        members, top, left, height, width = parts.pop()
        if len(members) == 1:
            cells[members] = top * shape[1] + left
            continue
        axis = 0 if height >= width else 1
        members = members[np.argsort(points[members, axis], kind="stable")]
        if axis == 0:
            half = height // 2
            cut = half * width
            parts.append((members[:cut], top, left, half, width))
            parts.append((members[cut:], top + half, left, height - half, width))
        else:
            half = width // 2
            cut = half * height
            parts.append((members[:cut], top, left, height, half))
            parts.append((members[cut:], top, left + half, height, width - half))
    return cells[: len(places)]
