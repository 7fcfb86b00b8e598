"""Rows of a wide table as coordinates in the space that they span, without loss.

The weights of a linear model with an L2 penalty are a weighted sum of training rows (representer
theorem, Kimeldorf and Wahba 1971). A fit to n coordinates is therefore the same model as a fit to
p > n features, for p / n less work a step.
"""

from typing import Self

import numpy as np

RANK_TOLERANCE = 1e-6  # of the largest eigenvalue; float32 rows do not resolve smaller ones


class RowSpace:
    """Coordinates in the span of the training rows, exact for these rows.

    `basis` has orthonormal rows, float32 (rank, n_features). It is None if n_samples >= n_features.
    """

    basis: np.ndarray | None = None

    def fit(self, X: np.ndarray) -> Self:
        """Compute the basis from X (n_samples, n_features)."""
        if X.shape[0] < X.shape[1]:
            values, vectors = np.linalg.eigh((X @ X.T).astype(np.float64))
            kept = values > RANK_TOLERANCE * max(values[-1], 1e-30)
            lengths = np.sqrt(values[kept])
            self.basis = (vectors[:, kept] / lengths).astype(np.float32).T @ X
        return self

    def coordinates(self, X: np.ndarray) -> np.ndarray:
        """Map (n_samples, n_features) to (n_samples, rank)."""
        return X if self.basis is None else X @ self.basis.T

    def weights(self, weights: np.ndarray) -> np.ndarray:
        """Map weights of coordinates to weights of features, (n_outputs, n_features)."""
        return weights if self.basis is None else weights @ self.basis
