"""Which rows train and which are tested."""

import numpy as np
from sklearn.model_selection import StratifiedShuffleSplit

from datasets.table import Table
from deepmapper.training.streams import stream_seed


def split_rows(
    table: Table, seed: int, test_fraction: float, kind: str = "stratified"
) -> tuple[np.ndarray, np.ndarray]:
    """(training rows, test rows): the official split where there is one, else drawn.

    The order of the rows within each part is the table's for an official split, drawn otherwise.

    Args:
        kind: "stratified" by class, every class with at least one row on both sides; or "random",
            as the notebooks of the paper split: classes as they fall.
    """
    if table.official_split is not None:
        train, test = table.official_split
        return np.asarray(train), np.asarray(test)
    n_test = max(round(test_fraction * table.n_samples), table.n_classes)
    n_test = min(n_test, table.n_samples - table.n_classes)
    drawn = stream_seed(seed, "split") % 2**32
    if kind == "random":
        rows = np.random.default_rng(drawn).permutation(table.n_samples)
        return rows[n_test:], rows[:n_test]
    parts = StratifiedShuffleSplit(1, test_size=n_test, random_state=drawn)
    return next(parts.split(np.zeros((table.n_samples, 1)), table.y))


def split_kind(table: Table, kind: str = "stratified") -> str:
    """How the rows were split, for the record."""
    return kind if table.official_split is None else "official"
