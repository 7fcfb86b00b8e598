"""The split of a table into training and test rows."""

import warnings

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, StratifiedShuffleSplit

from datasets.table import Table
from deepmapper.training.streams import stream_seed


def split_rows(
    table: Table,
    seed: int,
    test_fraction: float,
    kind: str = "stratified",
    n_train: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Split the rows of a table.

    Parameters
    ----------
    table : Table
        With an official split, that is the result. With groups, each group is on one side.
    seed : int
    test_fraction : float
        Share of test rows. With groups or folds: 1 / the nearest whole number.
    kind : {"stratified", "random", "folds"}
        "stratified" draws the test rows by class, with at least one row of each class in both
        parts. "random" ignores the classes, as the paper's notebooks do. "folds" is repeated
        stratified cross-validation: with 5 folds, seeds 0 to 4 are the folds of the first repeat,
        seeds 5 to 9 those of the second.
    n_train : int, optional
        Number of training rows to keep, drawn at random. The test rows are the same for every
        number, and the rows of a smaller number are among those of a larger one. Default: all.

    Returns
    -------
    tuple of two int arrays
        Training rows and test rows. A drawn split also shuffles the rows of each part.
    """
    if n_train is not None:
        train, test = split_rows(table, seed, test_fraction, kind)
        if n_train > len(train):
            message = (
                f"n_train is {n_train}, but the split has {len(train)} training rows. Lower it."
            )
            raise ValueError(message)
        rng = np.random.default_rng(stream_seed(seed, "split", "n_train") % 2**32)
        return rng.permutation(train)[:n_train], test
    if table.official_split is not None:
        train, test = table.official_split
        return np.asarray(train), np.asarray(test)
    n_folds = round(1 / test_fraction)
    if kind == "folds":
        return _fold(table, n_folds, *divmod(seed, n_folds))
    if table.groups is not None:
        return _fold(table, n_folds, seed, 0)
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
    if table.official_split is not None:
        return "official"
    return kind if table.groups is None else f"{kind}, grouped"


def _fold(table: Table, n_folds: int, repeat: int, fold: int) -> tuple[np.ndarray, np.ndarray]:
    """A fold of a repeat. Classes smaller than the number of folds are missing in some folds."""
    seed = stream_seed(repeat, "split", "folds") % 2**32
    n_folds = max(2, n_folds)
    kind = StratifiedKFold if table.groups is None else StratifiedGroupKFold
    splitter = kind(n_folds, shuffle=True, random_state=seed)
    # scikit-learn refuses classes that are all smaller than n_folds, and warns of some.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")
        parts = list(splitter.split(np.zeros((table.n_samples, 1)), table.y, table.groups))
    train, test = parts[fold]
    draw = np.random.default_rng(seed + fold)
    return draw.permutation(train), draw.permutation(test)
