"""The split of a table into training and test rows."""

import numpy as np
from sklearn.model_selection import StratifiedShuffleSplit

from datasets.table import Table
from deepmapper.training.streams import stream_seed


def split_rows(
    table: Table, seed: int, test_fraction: float, kind: str = "stratified"
) -> tuple[np.ndarray, np.ndarray]:
    """Return (training rows, test rows): the table's official split, or a drawn one.

    A drawn split also shuffles the rows of each part. Its `kind` is "stratified" (by class, with at
    least one row of each class in both parts) or "random" (as in the paper's notebooks).
    """
    if table.official_split is not None:
        train, test = table.official_split
        return np.asarray(train), np.asarray(test)
    n_test = max(round(test_fraction * table.n_samples), table.n_classes)
    n_test = min(n_test, table.n_samples - table.n_classes)
    split_seed = stream_seed(seed, "split") % 2**32
    if kind == "random":
        rows = np.random.default_rng(split_seed).permutation(table.n_samples)
        return rows[n_test:], rows[:n_test]
    parts = StratifiedShuffleSplit(1, test_size=n_test, random_state=split_seed)
    return next(parts.split(np.zeros((table.n_samples, 1)), table.y))


def split_kind(table: Table, kind: str = "stratified") -> str:
    """The kind of the split, for the record."""
    return kind if table.official_split is None else "official"
