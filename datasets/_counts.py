"""The common preparation of counts: as counted, or as log counts per million."""

import numpy as np
from scipy import sparse

from datasets.table import Matrix, TableError

PREPARATIONS = ("counts", "log_cpm")
PER_MILLION = 1e6


def prepare_counts(table: str, X: Matrix, preparation: str) -> Matrix:
    """Prepare the counts of a table alike for every method.

    Parameters
    ----------
    table : str
        Name of the table, for the error.
    X : ndarray or csr_matrix of shape (n_samples, n_features), float32
        Counts.
    preparation : {"counts", "log_cpm"}
        "counts" changes nothing. "log_cpm" is log2(1 + counts per million of the row), which uses
        no other row. A row without counts stays 0.

    Returns
    -------
    ndarray or csr_matrix of shape (n_samples, n_features), float32
        Sparse if X is sparse, because a count of 0 stays 0.

    Raises
    ------
    TableError
        If the preparation is unknown.
    """
    if preparation == "counts":
        return X
    if preparation != "log_cpm":
        expected = ", ".join(PREPARATIONS)
        message = f"table {table!r}: expected preparation of {expected}, got {preparation!r}"
        raise TableError(message)
    totals = np.asarray(X.sum(axis=1, dtype=np.float64)).reshape(-1, 1)
    scale = PER_MILLION / np.maximum(totals, 1)
    # The logarithm of float32 depends on the CPU. That of float64, rounded, has the same bits.
    if isinstance(X, np.ndarray):
        return np.log2(1 + X * scale).astype(np.float32)
    values = np.log2(1 + X.data * np.repeat(scale[:, 0], np.diff(X.indptr))).astype(np.float32)
    return sparse.csr_matrix((values, X.indices, X.indptr), shape=X.shape)
