"""REFINED: features placed by multidimensional scaling, then hill climbing.

Bazgir et al., Nat Commun 11 (2020). The start is TINTOlib's: metric scaling of Euclidean distances
(instead of the paper's Bayesian one), coordinates replaced by their ranks, then each feature on its
nearest free pixel. The climb is ours: TINTOlib's starts `mpirun`, shares files in the working
folder, and fails with numpy 2.4. Five sweeps. The image goes to the CNN of `deepmapper`, with its
settings, or with recipe="published" to REFINED's own.
Limits: 4 to 2,500 features, because time and memory grow with their square. 1,000 genes
of 364 samples took 3 s on two cores.
"""

from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.manifold import MDS
from sklearn.pipeline import Pipeline

from baselines import _tintolib
from baselines._published_networks import REFINED, RecipeParams, model_of
from baselines._tintolib import PlacedConverter, Placement, one_each, refusal
from datasets.table import Table
from deepmapper.images.layouts import square_side

REQUIRES = {"TINTOlib": "TINTOlib"}
MAX_FEATURES = 2_500
STEPS = np.array(list(product((-1, 0, 1), repeat=2)))  # row and column, in TINTOlib's order


@dataclass(frozen=True)
class Params(RecipeParams, _tintolib.Params):
    """Settings of the climb.

    Attributes
    ----------
    climbs : int
        Number of sweeps over all pixels.
    """

    climbs: int = 5


def supports(table: Table) -> str | None:
    """Refuse tables with too few or too many features."""
    return refusal(table, MAX_FEATURES)


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: place, climb, fold, train."""
    params, model = model_of(params, REFINED, device=device, seed=seed)
    converter = PlacedConverter(partial(place, params, seed), params.scaling)
    return Pipeline([("convert", converter), ("model", model)])


def place(params: Params, seed: int, X: np.ndarray) -> Placement:
    """Return the pixels of the features of X, scaled rows (n_samples, n_features)."""
    from TINTOlib.utils import Toolbox

    features = X.T.astype(np.float64)
    side = square_side(len(features))
    scaling = MDS(2, n_init=1, init="random", random_state=seed)
    ranks = Toolbox.two_d_eq(scaling.fit_transform(features), len(features))
    names = Toolbox.Assign_features_to_pixels(ranks, side)  # "F12", or "F-1" for an empty pixel
    start = np.char.lstrip(names.astype(str), "F").astype(int)
    feature_of_pixel = climb(start, cdist(features, features), params.climbs)
    pixels = np.empty(len(features), dtype=np.int64)
    taken = feature_of_pixel.ravel() >= 0
    pixels[feature_of_pixel.ravel()[taken]] = np.flatnonzero(taken)
    return one_each(pixels, (side, side))


def climb(feature_of_pixel: np.ndarray, distances: np.ndarray, n_climbs: int) -> np.ndarray:
    """Return a better (side, side) of features, -1 for an empty pixel.

    Lowers the sum over pairs of (distance of pixels - distance of features (p, p))^2. In nine
    turns, pixels three apart choose their best swap with a neighbour, each as if no other moved.
    Then all move.
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
    there = here + STEPS
    there = there[((there >= 0) & (there < len(grid))).all(1)]
    ours, theirs = grid[tuple(here)], grid[tuple(there.T)]
    from_here, from_there = cdist(here[None], places), cdist(there, places)  # to every feature
    nearer, both = from_here - from_there, from_here + from_there  # (neighbours, p)
    # (there - f)^2 - (here - f)^2 = (here - there) (2 f - here - there) for the feature that moves
    # there; the opposite for the one that moves here. A pixel without a feature adds nothing.
    change = nearer * (2 * distances[ours] - both) * (ours >= 0)
    change -= nearer * (2 * distances[theirs] - both) * (theirs >= 0)[:, None]
    neighbours = np.arange(len(there))
    for moved in (ours, theirs):  # their own distance does not change
        change[neighbours, moved] *= moved < 0
    best = there[change.sum(1).argmin()]
    return int(best[0]), int(best[1])
