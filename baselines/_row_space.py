"""Fewer coordinates without loss: rows of a wide table in the space that they span.

The weights of a linear model with an L2 penalty are a weighted sum of training rows (the
representer theorem; Kimeldorf and Wahba 1971). So with n rows of p > n features it is the same
model that is fitted to n coordinates, for p / n less work a step.
"""

from typing import Self

import numpy as np

RANK_TOLERANCE = 1e-6  # of the largest eigenvalue; float32 rows know no smaller one


class RowSpace:
    """The coordinates of rows in the span of the training rows; exact for these.

    Attributes:
        basis: orthonormal rows, float32 (rank, n_features), or None where n_samples is not below
            n_features and there is nothing to save.
    """

    basis: np.ndarray | None = None

    def fit(self, X: np.ndarray) -> Self:
        """X (n_samples, n_features)."""
        if X.shape[0] < X.shape[1]:
            values, vectors = np.linalg.eigh((X @ X.T).astype(np.float64))
            kept = values > RANK_TOLERANCE * max(values[-1], 1e-30)
            lengths = np.sqrt(values[kept])
            self.basis = (vectors[:, kept] / lengths).astype(np.float32).T @ X
        return self

    def coordinates(self, X: np.ndarray) -> np.ndarray:
        """(n_samples, n_features) -> (n_samples, rank)."""
        return X if self.basis is None else X @ self.basis.T

    def weights(self, weights: np.ndarray) -> np.ndarray:
        """Weights of features, (n_outputs, n_features), from weights of coordinates."""
        return weights if self.basis is None else weights @ self.basis
