"""Base of genomap and tabmap: their packages place the features, in environments of their own.

Both packages find the places by optimal transport between the distances of features and those of
pixels (Gromov-Wasserstein).
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from baselines._environment import Arrays, call
from baselines._tintolib import MIN_FEATURES, Placement, one_each
from deepmapper.images.layouts import square_side


def place_by(
    function: Callable[..., Arrays], requirements: Sequence[str], X: np.ndarray, **options: Any
) -> Placement:
    """Return the pixels of the features of X, scaled rows (n_samples, n_features).

    Constant features have no correlation: they get the pixels that are left. `function`, of a
    script of `_environments`, places the others, with the `options`.
    """
    side = square_side(X.shape[1])
    varies = np.flatnonzero(np.ptp(X, axis=0) > 0)
    pixels = np.full(X.shape[1], -1)
    if len(varies) >= MIN_FEATURES:
        arrays = call(requirements, function, {"X": X[:, varies]}, side=side, **options)
        pixels[varies] = arrays["pixels"]
    constant = np.flatnonzero(pixels < 0)
    free = np.setdiff1d(np.arange(side * side), pixels)
    pixels[constant] = free[: len(constant)]
    return one_each(pixels, (side, side))
