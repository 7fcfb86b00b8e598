"""Divide the rows of a table into training rows and test rows."""

import warnings

import numpy as np

from deepmapper.errors import DeepMapperError
from deepmapper.tables._raw import RawTable
from deepmapper.training.streams import stream_seed


def note_shared_ids(raw: RawTable, train_rows: np.ndarray, test_rows: np.ndarray) -> None:
    """Warn if rows of one person or sample are in the training rows and in the test rows."""
    for name, values in raw.ids.items():
        n = len((set(values[train_rows]) & set(values[test_rows])) - {None})
        if n:
            warnings.warn(
                f"{raw.where}: {n} values of {name!r} are in training rows and in test rows. The "
                f"accuracy on new ones may be lower: keep each on one side with --groups {name}",
                stacklevel=3,
            )


def split_groups(
    y: np.ndarray, groups: np.ndarray, fraction: float, random_state: int, where: str
) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the training rows and of the test rows. No group is on both sides.

    Every class has a training row, or DeepMapperError is raised.
    """
    everything, nothing = np.arange(len(y)), np.empty(0, dtype=np.int64)
    if fraction == 0:
        return everything, nothing
    from sklearn.model_selection import StratifiedGroupKFold

    n_per_class, n_groups = np.unique(y, return_counts=True)[1], len(np.unique(groups))
    n_classes = len(n_per_class)
    n_folds = min(max(2, round(1 / fraction)), n_groups, n_per_class.max())
    if n_folds > 1:
        seed = stream_seed(random_state, "test") % 2**32
        folds = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
        with warnings.catch_warnings():  # a class in few groups: each division is checked below
            warnings.simplefilter("ignore", UserWarning)
            divisions = list(folds.split(everything[:, None], y, groups))
        divisions = [d for d in divisions if len(np.unique(y[d[0]])) == n_classes and len(d[1])]
        # the test rows with the most classes, then those nearest to the share asked for
        divisions.sort(key=lambda d: (-len(np.unique(y[d[1]])), abs(len(d[1]) - fraction * len(y))))
        if divisions:
            return divisions[0]
    message = (
        f"{where}: {n_groups} groups cannot be divided into training and test groups so that each "
        "of the classes is among the training rows. Leave --groups out, or set --test-fraction 0"
    )
    raise DeepMapperError(message)


def split_classes(
    y: np.ndarray, fraction: float, random_state: int
) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the training rows and of the test rows, each in order.

    Every class has at least one row on both sides, or there are no test rows.
    """
    n, n_classes = len(y), len(np.unique(y))
    n_test = max(round(fraction * n), n_classes)
    if fraction == 0 or n - n_test < n_classes:
        return np.arange(n), np.empty(0, dtype=np.int64)
    from sklearn.model_selection import StratifiedShuffleSplit

    seed = stream_seed(random_state, "test") % 2**32
    split = StratifiedShuffleSplit(1, test_size=n_test, random_state=seed)
    is_test = np.zeros(n, dtype=bool)
    is_test[next(split.split(np.zeros((n, 1)), y))[1]] = True
    rng = np.random.default_rng(seed)
    for label in np.unique(y):  # a rare class may be on one side only
        rows = np.flatnonzero(y == label)
        if is_test[rows].all() or not is_test[rows].any():
            row = rng.choice(rows)
            is_test[row] = not is_test[row]
    return np.flatnonzero(~is_test), np.flatnonzero(is_test)
