"""Multinomial logistic regression with L1 and L2 penalties along a path.

The path goes from strong to weak penalties (Friedman, Hastie, Tibshirani, J Stat Softw 33, 2010),
in steps of FISTA (Beck and Teboulle, SIAM J Imaging Sci 2, 2009). Steps use the active features
only: those with weights and those whose gradient exceeds the penalty. Features are added until no
other gradient exceeds it.
"""

import warnings
from collections.abc import Iterator

import numpy as np
from scipy.special import softmax
from sklearn.exceptions import ConvergenceWarning

STEPS = 500  # maximum for one strength
TOLERANCE = 0.05  # of the strength: the largest (sub)gradient that counts as 0


def strengths_of(
    X: np.ndarray, hot: np.ndarray, l1_ratio: float, n: int, last: float
) -> list[float]:
    """Return n penalties, from the smallest without a feature to `last` times it."""
    gradient = X.T @ (hot - hot.mean(0)) / len(X)
    first = np.abs(gradient).max() / l1_ratio
    return [float(s) for s in first * np.geomspace(1, last, n)]


def path(
    X: np.ndarray, hot: np.ndarray, strengths: list[float], l1_ratio: float
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield weights (n_features, n_classes), intercepts (n_classes,) by penalty.

    They minimise mean cross-entropy + strength * (l1_ratio |w|_1 + (1 - l1_ratio) / 2 |w|_2^2) on X
    (n_samples, n_features) and one-hot classes `hot` (n_samples, n_classes), both float32.
    """
    weights = np.zeros((X.shape[1], hot.shape[1]), dtype=np.float32)
    intercepts = np.log(hot.mean(0))
    gradient = X.T @ (softmax(X @ weights + intercepts, axis=1) - hot) / len(X)
    for strength in strengths:
        limit = l1_ratio * strength * 1.001  # a weight with a smaller gradient stays 0, 0.1% slack
        active = weights.any(1) | (np.abs(gradient).max(1) > limit)
        while True:
            columns = np.flatnonzero(active)
            weights[columns], intercepts = _solve(
                X[:, columns], hot, weights[columns], intercepts, strength, l1_ratio
            )
            scores = X[:, columns] @ weights[columns] + intercepts
            gradient = X.T @ (softmax(scores, axis=1) - hot) / len(X)
            violated = (np.abs(gradient).max(1) > limit) & ~active
            if not violated.any():
                break
            active |= violated
        yield weights.copy(), intercepts


def _solve(
    X: np.ndarray,
    hot: np.ndarray,
    weights: np.ndarray,
    intercepts: np.ndarray,
    strength: float,
    l1_ratio: float,
) -> tuple[np.ndarray, np.ndarray]:
    n = len(X)
    X = np.hstack([X, np.ones((n, 1), dtype=X.dtype)])
    at = np.vstack([weights, intercepts[None]]).astype(X.dtype)
    ridge = np.full((len(at), 1), strength * (1 - l1_ratio), dtype=X.dtype)
    ridge[-1] = 0
    # The largest curvature of the cross-entropy is half the largest eigenvalue of X'X / n.
    gram = X @ X.T if n < X.shape[1] else X.T @ X
    step = 1 / (0.5 * float(np.linalg.eigvalsh(gram)[-1]) / n + float(ridge.max()))
    cut = np.full((len(at), 1), step * strength * l1_ratio, dtype=X.dtype)
    cut[-1] = 0
    ahead, momentum = at, 1.0
    for _ in range(STEPS):
        gradient = X.T @ (softmax(X @ ahead, axis=1) - hot) / n + ridge * ahead
        new = ahead - step * gradient
        new = np.sign(new) * np.maximum(np.abs(new) - cut, 0)
        change, moved = new - at, float(np.abs(new - ahead).max())
        if ((ahead - new) * change).sum() > 0:  # overshot: reset the momentum
            momentum = 1.0
        faster = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead = new + np.float32((momentum - 1) / faster) * change
        at, momentum = new, faster
        if moved < TOLERANCE * step * strength:
            break
    else:
        message = f"the fit at penalty {strength:.3g} did not converge in {STEPS} steps"
        warnings.warn(message, ConvergenceWarning, stacklevel=3)
    return at[:-1], at[-1]
