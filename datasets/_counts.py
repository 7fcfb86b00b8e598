"""The common preparation of counts: as counted, or as log counts per million."""

import numpy as np

from datasets.table import TableError

PREPARATIONS = ("counts", "log_cpm")
PER_MILLION = np.float32(1e6)


def prepare_counts(table: str, X: np.ndarray, preparation: str) -> np.ndarray:
    """Prepare the counts of a table alike for every method.

    Parameters
    ----------
    table : str
        Name of the table, for the error.
    X : ndarray of shape (n_samples, n_features), float32
        Counts.
    preparation : {"counts", "log_cpm"}
        "counts" changes nothing. "log_cpm" is log2(1 + counts per million of the row), which uses
        no other row. A row without counts stays 0.

    Returns
    -------
    ndarray of shape (n_samples, n_features), float32

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
    totals = X.sum(axis=1, keepdims=True, dtype=np.float64)
    scale = PER_MILLION / np.maximum(totals, 1).astype(np.float32)
    return np.log2(1 + X * scale)
