"""REFINED: features where multidimensional scaling puts them, then hill climbing between pixels.

Bazgir et al., "Representation of features as images with neighborhood dependencies for
compatibility with convolutional neural networks", Nat Commun 11 (2020). The start is TINTOlib's:
metric scaling of Euclidean distances (instead of the paper's Bayesian one), coordinates replaced by
their ranks, then each feature to its nearest free pixel. The climb is ours: TINTOlib's starts
`mpirun`, shares files in the working folder, and fails with numpy 2.4 (`float` of an array, in
`paraHill`).

Time and memory grow with the square of the number of features; it stops at 2,500. What it takes is
measured by `python -m bench run growth`.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.manifold import MDS
from sklearn.pipeline import Pipeline

from baselines import _tintolib
from baselines._tintolib import Placement, build_with, one_each, refusal
from datasets.table import Table
from deepmapper.images.layouts import square_side

REQUIRES = {"TINTOlib": "TINTOlib"}
MOST_FEATURES = 2_500
STEPS = np.array(list(product((-1, 0, 1), repeat=2)))  # rows and columns away, TINTOlib's order


@dataclass(frozen=True)
class Params(_tintolib.Params):
    """climbs: times that every pixel has had its turn."""

    climbs: int = 5


def supports(table: Table) -> str | None:
    """Memory and time grow with the square of the number of features."""
    return refusal(table, MOST_FEATURES)


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Place, climb, fold, train."""
    return build_with(_REFINED(params.climbs, seed), params, device=device, seed=seed)


@dataclass(frozen=True)
class _REFINED:
    climbs: int
    seed: int

    def __call__(self, X: np.ndarray) -> Placement:
        from TINTOlib.utils import Toolbox

        features = X.T.astype(np.float64)
        side = square_side(len(features))
        scaling = MDS(2, n_init=1, init="random", random_state=self.seed)
        ranks = Toolbox.two_d_eq(scaling.fit_transform(features), len(features))
        names = Toolbox.Assign_features_to_pixels(ranks, side)  # "F12"; "F-1" where none is
        start = np.char.lstrip(names.astype(str), "F").astype(int)
        feature_of_pixel = climb(start, cdist(features, features), self.climbs)
        pixels = np.empty(len(features), dtype=np.int64)
        taken = feature_of_pixel.ravel() >= 0
        pixels[feature_of_pixel.ravel()[taken]] = np.flatnonzero(taken)
        return one_each(pixels, (side, side))


def climb(feature_of_pixel: np.ndarray, distances: np.ndarray, n_climbs: int) -> np.ndarray:
    """A better (side, side) of features, -1 where there is none, for distances (p, p).

    What falls is the sum over pairs of (distance of pixels - distance of features)^2. In nine
    turns, pixels three apart choose the best of their swaps with a neighbour, judged as if they
    alone moved; then all move.
    """
    grid = feature_of_pixel.copy()
    side = len(grid)
    for _, row, column in product(range(n_climbs), range(3), range(3)):
        places = np.empty((len(distances), 2))
        places[grid[grid >= 0]] = np.argwhere(grid >= 0)
        turns = list(product(range(row, side, 3), range(column, side, 3)))
        moves = [_best_neighbour(grid, places, distances, np.array(turn)) for turn in turns]
        for turn, move in zip(turns, moves, strict=True):
            grid[turn], grid[move] = grid[move], grid[turn]
    return grid


def _best_neighbour(
    grid: np.ndarray, places: np.ndarray, distances: np.ndarray, here: np.ndarray
) -> tuple[int, int]:
    """The pixel to swap with: itself where no swap helps."""
    there = here + STEPS
    there = there[((there >= 0) & (there < len(grid))).all(1)]
    ours, theirs = grid[tuple(here)], grid[tuple(there.T)]
    from_here, from_there = cdist(here[None], places), cdist(there, places)  # to every feature
    nearer, both = from_here - from_there, from_here + from_there  # (neighbours, p)
    # (there - f)^2 - (here - f)^2 = (here - there) (2 f - here - there), for what moves there;
    # the opposite for what moves here. A pixel without a feature adds nothing.
    change = nearer * (2 * distances[ours] - both) * (ours >= 0)
    change -= nearer * (2 * distances[theirs] - both) * (theirs >= 0)[:, None]
    neighbours = np.arange(len(there))
    for moved in (ours, theirs):  # the distance between the two stays
        change[neighbours, moved] *= moved < 0
    best = there[change.sum(1).argmin()]
    return int(best[0]), int(best[1])
