"""How well a layout keeps together what belongs together."""

import numpy as np

from deepmapper.images._neighbours import FeatureGraph
from deepmapper.images.layouts import Layout

TOUCHING = 8  # pixels that touch a pixel


def neighbour_preservation(layout: Layout, graph: FeatureGraph) -> float | None:
    """The share of the ties' weight whose features touch, from 0 (a random layout) to 1 (the best).

    Pixels touch when they are one row and one column apart at most. The best that can be hoped for
    is that each feature touches the eight that it is tied to most strongly; it is an upper bound
    that no layout may reach. None where the graph has no ties.

    Args:
        graph: over the features of the layout.
    """
    ties = graph.weights.tocoo()
    total = float(ties.data.sum())
    if total == 0:
        return None
    touching = _steps_apart(layout, ties.row, ties.col) <= 1
    share = float(ties.data[touching].sum()) / total
    by_chance = _touching_by_chance(layout.shape)
    best = _strongest_share(graph)
    if best <= by_chance:  # so small an image that all pixels touch
        return 1.0
    return float(np.clip((share - by_chance) / (best - by_chance), 0.0, 1.0))


def adjacency_recovered(
    layout: Layout, true_positions: np.ndarray, features: np.ndarray | None = None, steps: int = 1
) -> float:
    """The share of truly adjacent pairs that lie at most `steps` rows and columns apart.

    Args:
        true_positions: int (n_features, 2), the row and the column where each feature truly is;
            two are adjacent when they share an edge.
        features: indices of those that count (pixels that vary, say); None means all.
    """
    at = {tuple(place): feature for feature, place in enumerate(true_positions.tolist())}
    counted = set(range(layout.n_features) if features is None else np.asarray(features).tolist())
    pairs = [
        (a, b)
        for (row, column), a in at.items()
        for b in (at.get((row + 1, column)), at.get((row, column + 1)))
        if b is not None and a in counted and b in counted
    ]
    first, second = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return float(np.mean(_steps_apart(layout, first, second) <= steps)) if pairs else float("nan")


def _steps_apart(layout: Layout, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Chebyshev distances of pairs of features, in pixels."""
    rows, columns = np.divmod(layout.pixel_of_feature, layout.shape[1])
    return np.maximum(np.abs(rows[first] - rows[second]), np.abs(columns[first] - columns[second]))


def _touching_by_chance(shape: tuple[int, int]) -> float:
    """The chance that two different pixels of the image, drawn at random, touch."""
    height, width = shape
    n = height * width
    if n < 2:
        return 1.0
    touching = (height - 1) * width + height * (width - 1) + 2 * (height - 1) * (width - 1)
    return touching / (n * (n - 1) / 2)


def _strongest_share(graph: FeatureGraph) -> float:
    """The share of all weight that each feature's eight strongest ties hold."""
    weights = graph.weights
    source = np.repeat(np.arange(graph.n_features), np.diff(weights.indptr))
    order = np.lexsort((-weights.data, source))
    rank = np.arange(len(order)) - weights.indptr[source]
    return float(weights.data[order][rank < TOUCHING].sum() / weights.data.sum())
