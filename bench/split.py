"""Which rows train and which are tested."""

import numpy as np
from sklearn.model_selection import StratifiedShuffleSplit

from datasets.table import Table
from deepmapper.streams import stream_seed


def split_rows(table: Table, seed: int, test_fraction: float) -> tuple[np.ndarray, np.ndarray]:
    """(training rows, test rows): the official split where there is one, else stratified by class.

    The order of the rows within each part is the table's for an official split, drawn otherwise.
    Every class keeps at least one row on both sides.
    """
    if table.official_split is not None:
        train, test = table.official_split
        return np.asarray(train), np.asarray(test)
    n_test = max(round(test_fraction * table.n_samples), table.n_classes)
    n_test = min(n_test, table.n_samples - table.n_classes)
    drawn = stream_seed(seed, "split") % 2**32
    parts = StratifiedShuffleSplit(1, test_size=n_test, random_state=drawn)
    return next(parts.split(np.zeros((table.n_samples, 1)), table.y))


def split_kind(table: Table) -> str:
    """How the rows were split, for the record."""
    return "stratified" if table.official_split is None else "official"
