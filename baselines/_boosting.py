"""The choice of settings of every library of boosted trees.

Log loss on held-out training rows chooses the number of features a tree, with the first depth, then
the depth. Early stopping chooses the number of trees.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True)
class BoostingParams:
    """Settings of boosted trees.

    Attributes
    ----------
    learning_rate : float
        Share of each tree in the sum.
    max_rounds : int
        Maximum number of trees.
    patience : int
        Rounds without gain after which a fit stops.
    depths : tuple of int
        Candidate depths. `n_columns` is chosen with the first.
    n_columns : tuple of int or None
        Candidate numbers of features a tree, drawn anew for each tree. None: all.
    row_fraction : float
        Share of the rows that a tree sees, drawn anew for each tree.
    n_bins : int
        Maximum number of bins of a feature.
    validation_fraction : float
        Share of the training rows that is held out.
    """

    learning_rate: float = 0.1
    max_rounds: int = 500
    patience: int = 20
    depths: tuple[int, ...] = (4, 7)
    n_columns: tuple[int | None, ...] = (512, 4096)
    row_fraction: float = 0.8
    n_bins: int = 63
    validation_fraction: float = 0.15


class Choice(NamedTuple):
    """Held-out log loss, and the settings that gave it. `n_rounds` is a number of trees."""

    loss: float
    n_rounds: int
    n_columns: int
    depth: int


def choose(
    params: BoostingParams, n_features: int, train: Callable[[int, int], tuple[float, int]]
) -> Choice:
    """Try the candidates and return the best. The first wins a tie.

    Parameters
    ----------
    params : BoostingParams
    n_features : int
    train : callable
        Called with the number of features a tree and the depth. Returns the lowest held-out log
        loss and the number of trees that has it.

    Returns
    -------
    Choice
    """

    def attempt(n_columns: int, depth: int) -> Choice:
        return Choice(*train(n_columns, depth), n_columns, depth)

    candidates = sorted({min(k or n_features, n_features) for k in params.n_columns})
    best = min((attempt(k, params.depths[0]) for k in candidates), key=lambda choice: choice.loss)
    deeper = [attempt(best.n_columns, depth) for depth in params.depths[1:]]
    return min([best, *deeper], key=lambda choice: choice.loss)
