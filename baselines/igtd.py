"""IGTD: swap pixels until their distances rank as those between features do.

Zhu et al., Sci Rep 11 (2021). Pearson and Euclidean distances, squared error. The number of steps
is that of the authors' example: at most 10,000, stop if 300 steps gain less than 1e-5. The image
goes to the CNN of `deepmapper`, with its settings, or with recipe="published" to IGTD's own. The
search is ours, with the steps of TINTOlib (a test compares the places).
Limits: 4 to 5,000 features, because time and memory
grow with their square.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.spatial.distance import cdist, squareform
from scipy.stats import rankdata
from sklearn.pipeline import Pipeline

from baselines import _tintolib
from baselines._published_networks import IGTD, RecipeParams, model_of
from baselines._tintolib import PlacedConverter, Placement, one_each, refusal
from datasets.table import Table
from deepmapper.images.layouts import square_side

MAX_FEATURES = 5_000
MIN_GAIN = 1e-5


@dataclass(frozen=True)
class Params(RecipeParams, _tintolib.Params):
    """Settings of the search.

    Attributes
    ----------
    max_step : int
        Maximum number of steps.
    val_step : int
        Stop if this number of steps gains less than MIN_GAIN of the error.
    """

    max_step: int = 10_000
    val_step: int = 300


def supports(table: Table) -> str | None:
    """Refuse tables with too few or too many features."""
    return refusal(table, MAX_FEATURES)


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: swap, fold, train."""
    params, model = model_of(params, IGTD, device=device, seed=seed)
    converter = PlacedConverter(partial(place, params, seed), params.scaling)
    return Pipeline([("convert", converter), ("model", model)])


def place(params: Params, seed: int, X: np.ndarray) -> Placement:
    """Return the pixels of the features of X, scaled rows (n_samples, n_features)."""
    side = square_side(X.shape[1])
    pixels = np.stack(np.divmod(np.arange(X.shape[1]), side), axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):  # constant features
        distances = np.around(1 - np.nan_to_num(np.corrcoef(X.T.astype(np.float64))), 10)
    feature_of_pixel = swap_to_match(
        rank_of_pairs(distances),
        rank_of_pairs(cdist(pixels, pixels)),
        params.max_step,
        params.val_step,
        np.random.RandomState(seed),  # draws as TINTOlib does
    )
    return one_each(np.argsort(feature_of_pixel), (side, side))


def rank_of_pairs(distances: np.ndarray) -> np.ndarray:
    """Return symmetric ranks (p, p) of the distances of pairs, 0 on the diagonal."""
    return squareform(rankdata(squareform(distances, checks=False)))


def swap_to_match(
    source: np.ndarray, target: np.ndarray, max_step: int, val_step: int, rng: np.random.RandomState
) -> np.ndarray:
    """Return an order (p,) of source's rows and columns that fits target.

    Each step picks the item that was moved least recently and makes its best swap, unless that
    raises the squared error over pairs. Swapping i and j changes the error by 2 sum_k (s_ik -
    s_jk)(t_ik - t_jk) over k other than i and j: two matrix-vector products for all j.
    """
    source = source.copy()
    order = np.arange(len(source))
    last_step = -np.ones(len(source))
    agreement = (source * target).sum(1)
    errors = [float(np.square(source - target).sum() / 2)]
    best, lowest = order.copy(), errors[0]
    for step in range(max_step):
        i = rng.permutation(np.flatnonzero(last_step == last_step.min()))[0]
        change = agreement[i] + agreement - source @ target[i] - target @ source[i]
        change = 2 * (change - 2 * source[i] * target[i])
        change[i] = np.inf
        j = int(change.argmin())
        last_step[i] = step
        errors.append(errors[-1] + min(0.0, float(change[j])))
        if change[j] <= 0:
            pair, swapped = [i, j], [j, i]
            agreement -= (source[:, pair] * target[:, pair]).sum(1)
            source[pair] = source[swapped]
            source[:, pair] = source[:, swapped]
            agreement += (source[:, pair] * target[:, pair]).sum(1)
            agreement[pair] = (source[pair] * target[pair]).sum(1)
            order[pair] = order[swapped]
            last_step[j] = step
        if errors[-1] < lowest:
            best, lowest = order.copy(), errors[-1]
        if step > val_step and errors[-val_step - 1] - min(errors[-val_step:]) < (
            MIN_GAIN * errors[-val_step - 1]
        ):
            break
    return best
