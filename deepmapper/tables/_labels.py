"""Labels: parsed, read from a file of their own, and checked before anything is trained."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from deepmapper.errors import DeepMapperError
from deepmapper.tables._raw import RawTable, listed

N_CLASSES_LIKE_ROWS = 0.5  # more classes than this share of the rows: names of rows, not classes
LARGEST_INTEGER = 2**53  # beyond it a float rounds


def parse_labels(values: np.ndarray, where: str) -> np.ndarray:
    """Labels (n,): int64 where all are whole numbers, bool where all are, else str.

    Raises:
        DeepMapperError: missing labels; measured numbers, which are no classes.
    """
    absent = [i for i, value in enumerate(values) if is_missing(value)]
    if absent:
        message = (
            f"{where}: {len(absent)} of {len(values)} rows have no label, the first is row "
            f"{absent[0] + 1}; give them one or use missing='drop-rows' (--missing drop-rows)"
        )
        raise DeepMapperError(message)
    if all(isinstance(value, bool | np.bool_) for value in values):
        return np.array(values, dtype=bool)
    try:
        numbers = np.array([float(value) for value in values])
    except (TypeError, ValueError):
        return np.array([str(value) for value in values])
    whole = np.isfinite(numbers) & (numbers == np.round(numbers))
    if not whole.all():
        odd = values[int(np.argmin(whole))]
        message = (
            f"{where}: the label holds measured numbers such as {odd}, classification needs "
            f"classes; put them into groups first, or choose another label"
        )
        raise DeepMapperError(message)
    as_written = all(not isinstance(v, str) or str(int(float(v))) == v for v in values)
    if not as_written or np.abs(numbers).max() > LARGEST_INTEGER:
        return np.array([str(value) for value in values])  # 007, 1e3: not to be changed
    return numbers.astype(np.int64)


def check_labels(y: np.ndarray, where: str) -> None:
    """DeepMapperError: one class, a class with one sample, labels unique a row."""
    classes, counts = np.unique(y, return_counts=True)
    n = len(y)
    if len(classes) == 1:
        message = (
            f"{where}: all {n} rows have the label {classes[0]!r}; classification needs two "
            f"classes or more (`deepmapper embed` needs none)"
        )
        raise DeepMapperError(message)
    if len(classes) > max(2, N_CLASSES_LIKE_ROWS * n):
        message = (
            f"{where}: the label has {len(classes)} different values in {n} rows: it looks like "
            f"the name of a row, not like a class; choose another label"
        )
        raise DeepMapperError(message)
    if counts.min() < 2:
        single = classes[counts == 1].tolist()
        message = (
            f"{where}: classes with one sample: {listed(single)}; each class needs two or more, "
            f"to learn from and to test: remove or merge them"
        )
        raise DeepMapperError(message)


def with_labels_of(raw: RawTable, path: Path, column: str | None) -> RawTable:
    """The table with the labels of another file: a `.npy` vector or a table's column.

    Raises:
        DeepMapperError: no such file, another number of rows, several columns and none named.
    """
    if not path.is_file():
        message = f"there is no file {path} for the labels"
        raise DeepMapperError(message)
    labels = _vector(path) if path.suffix.lower() == ".npy" else _column(path, column)
    if len(labels) != raw.n_samples:
        message = f"{path} has {len(labels)} labels, {raw.where} has {raw.n_samples} rows"
        raise DeepMapperError(message)
    return replace(raw, labels=labels)


def _vector(path: Path) -> np.ndarray:
    try:
        labels = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        message = f"cannot read labels from {path}: {error}"
        raise DeepMapperError(message) from error
    if not isinstance(labels, np.ndarray) or labels.ndim != 1:
        message = f"{path} has to hold a vector of labels, got shape {getattr(labels, 'shape', '')}"
        raise DeepMapperError(message)
    return labels


def _column(path: Path, column: str | None) -> np.ndarray:
    from deepmapper.tables._formats import reader_of
    from deepmapper.tables._raw import Plan, find_column

    def plan(names: list[str], label_names: list[str], where: str) -> Plan:
        if column is not None:
            find_column(column, names, where, "label")
        elif len(names) > 1:
            message = f"{where} has the columns {listed(names)}; say with label which one to take"
            raise DeepMapperError(message)
        return Plan([], column or names[0])

    labels = reader_of(path)(path, plan, ()).labels
    assert labels is not None  # the plan names one
    return labels


def is_missing(value: object) -> bool:
    """Whether a label is not there."""
    return value is None or (isinstance(value, float | np.floating) and bool(np.isnan(value)))
