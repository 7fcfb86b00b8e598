"""The layout of genomap, computed by the package of its authors."""

import numpy as np


def place(X: np.ndarray, *, side: int, n_iterations: int) -> dict[str, np.ndarray]:
    """Place the features of X, (n_samples, n_features), on a square of `side` pixels.

    Returns `pixels`, the flat index, row by row, of each feature's pixel.
    """
    from genomap.genomap import construct_genomap_returnT
    from scipy.optimize import linear_sum_assignment

    X = X.astype(np.float64)
    _, coupling = construct_genomap_returnT(X, side, side, epsilon=0.0, num_iter=n_iterations)
    # The coupling is a permutation if the solver converged. The package fills images by columns.
    _, places = linear_sum_assignment(coupling, maximize=True)
    column, row = np.divmod(places, side)
    return {"pixels": row * side + column}
