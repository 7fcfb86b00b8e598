"""Read a table from a file, check and clean it, and turn it into numbers.

_raw          the content of a file: numbers, text columns, labels, row names; .npy files
_delimited, _parquet, _h5ad            one format each: file -> _raw
_cleaning     checks before anything is learnt: text columns, labels, rows without content
_preparation  what is learnt from the training rows and applied to every later table

A table in a file that only Python can read (an `h5py.Dataset`, the X of an AnnData opened with
`backed="r"`) can be given to the estimators as `RowsOnDisk(X)`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

import numpy as np

from deepmapper.errors import DeepMapperError
from deepmapper.images._rows import RowsOnDisk
from deepmapper.tables._cleaning import (
    DroppedRows,
    check_labels,
    drop_rows,
    parse_labels,
    settle_text,
    take_row_names,
)
from deepmapper.tables._preparation import MISSING_MODES, Preparation, PreparedTable, learn
from deepmapper.tables._raw import Plan, Planner, RawTable, find_column, listed, training_plan
from deepmapper.training.streams import stream_seed

__all__ = [
    "Preparation",
    "PreparedTable",
    "RowsOnDisk",
    "TrainingTables",
    "read_new",
    "read_training",
]

# The module of each ending, `deepmapper.tables._<name>`, imported when needed.
FORMATS = {
    **dict.fromkeys((".csv", ".tsv", ".tab", ".txt"), "delimited"),
    **dict.fromkeys((".parquet", ".pq"), "parquet"),
    ".h5ad": "h5ad",
    ".npy": "raw",
}
COMPRESSIONS = (".gz", ".bz2", ".xz")  # of delimited text


@dataclass(frozen=True)
class TrainingTables:
    """A table divided into training rows and test rows.

    Args:
        train: the rows that everything is learnt from.
        test: the test rows, prepared in the same way; None without test rows.
        preparation: what was learnt about the columns; new tables need it.
        dropped: rows of the file that are in neither.
        n_rows, n_columns: of the file, without label and row names.
    """

    train: PreparedTable
    test: PreparedTable | None
    preparation: Preparation
    dropped: DroppedRows
    n_rows: int
    n_columns: int


def read_training(
    path: str | Path,
    *,
    label: str | None = None,
    labels: str | Path | None = None,
    row_names: str | None = None,
    leave_out: Sequence[str] = (),
    missing: str = "error",
    marks: Sequence[str] = (),
    test_fraction: float = 0.0,
    random_state: int = 0,
) -> TrainingTables:
    """A table from a CSV, TSV, Parquet, AnnData or numpy file, divided and prepared.

    Args:
        path: .csv, .tsv, .tab, .txt (also .gz, .bz2, .xz), .parquet, .h5ad or .npy. A .npy file of
            float32, and the X of an .h5ad file of more than 2 GiB, stay on disk.
        label: the column of the label (in .h5ad a column of obs); default: no label.
        labels: a file with the labels, in the order of the rows: a .npy vector, or a table with
            the column `label`.
        row_names: the column that names the rows; default: a first column without a header, else
            the first column of texts that are all different.
        leave_out: columns that are not features.
        missing: "error", "median" (of the training rows; the most frequent level of a text),
            "zero", or "drop-rows".
        marks: marks of a missing value in text files, besides the usual ones.
        test_fraction: the share of rows for testing, the same for every class.
        random_state: the seed of the division.

    Raises:
        DeepMapperError: the file or its columns cannot be used; the message says why and what to
            do.
    """
    if missing not in MISSING_MODES:
        message = f"missing is one of {', '.join(MISSING_MODES)}; got {missing!r}"
        raise DeepMapperError(message)
    if not 0 <= test_fraction < 1:
        message = f"test_fraction is a share of the rows, 0 to below 1; got {test_fraction}"
        raise DeepMapperError(message)
    path = Path(path)
    if labels is None and label is not None and path.suffix.lower() == ".npy":
        message = f"{path} has no named columns; give a file with the labels (--labels FILE)"
        raise DeepMapperError(message)
    planner = training_plan(label if labels is None else None, row_names, leave_out)
    raw = take_row_names(settle_text(_read(path, planner, tuple(marks))))
    if labels is not None:
        raw = _with_labels_of(raw, Path(labels), label)
    n_rows, n_columns = raw.n_samples, len(raw.names) + len(raw.texts)
    raw, dropped = drop_rows(raw, missing, training=True)
    train_rows, test_rows = np.arange(raw.n_samples), np.empty(0, dtype=np.int64)
    if raw.labels is not None:
        y = parse_labels(raw.labels, raw.where)
        check_labels(y, raw.where)
        train_rows, test_rows = _divide(y, test_fraction, random_state)
    training = raw.take(train_rows)
    preparation = learn(training, missing, marks)
    test = preparation.apply(raw.take(test_rows)) if len(test_rows) else None
    train = preparation.apply(training)
    return TrainingTables(train, test, preparation, dropped, n_rows, n_columns)


def read_new(path: str | Path, preparation: Preparation) -> PreparedTable:
    """A table to predict; columns are matched by name, in any order.

    Every row is kept, except rows with a missing value under missing="drop-rows".

    Raises:
        DeepMapperError: features are missing, columns are unknown, and as in `read_training`.
    """
    raw = _read(Path(path), preparation.plan, preparation.marks)
    return preparation.apply(settle_text(raw, frozenset(preparation.levels)))


def _read(path: Path, planner: Planner, marks: tuple[str, ...]) -> RawTable:
    """The content of a file, by the reader of its ending.

    Raises:
        DeepMapperError: no such file, an unknown ending, and what the reader raises.
    """
    if not path.is_file():
        message = f"there is no file {path}"
        raise DeepMapperError(message)
    *inner, last = ["", *(suffix.lower() for suffix in path.suffixes)]
    name = FORMATS.get(inner[-1] if inner and last in COMPRESSIONS else last)
    if name is None or (last in COMPRESSIONS and name != "delimited"):
        message = (
            f"the ending of {path} is not known; known are {', '.join(FORMATS)}, and compressed "
            f"text with {', '.join(COMPRESSIONS)}"
        )
        raise DeepMapperError(message)
    return import_module(f"deepmapper.tables._{name}").read(path, planner, marks)


def _with_labels_of(raw: RawTable, path: Path, column: str | None) -> RawTable:
    """The table with the labels of another file: a `.npy` vector or a table's column.

    Raises:
        DeepMapperError: no such file, another number of rows, several columns and no name.
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
    def plan(names: list[str], label_names: list[str], where: str) -> Plan:
        if column is not None:
            find_column(column, names, where, "label")
        elif len(names) > 1:
            message = f"{where} has the columns {listed(names)}; name one of them as label"
            raise DeepMapperError(message)
        return Plan([], column or names[0])

    labels = _read(path, plan, ()).labels
    assert labels is not None  # the plan names one
    return labels


def _divide(y: np.ndarray, fraction: float, random_state: int) -> tuple[np.ndarray, np.ndarray]:
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
    train, test = next(split.split(np.zeros((n, 1)), y))
    return np.sort(train), np.sort(test)
