"""A table from a file, ready to train on; and later tables, made like it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deepmapper.errors import DeepMapperError
from deepmapper.tables._blanks import DroppedRows, drop_rows
from deepmapper.tables._formats import reader_of
from deepmapper.tables._labels import check_labels, parse_labels, with_labels_of
from deepmapper.tables._preparation import MISSING_MODES, Preparation, PreparedTable, learn
from deepmapper.tables._raw import RawTable, training_plan
from deepmapper.tables._text import settle_text, take_row_names
from deepmapper.training.streams import stream_seed


@dataclass(frozen=True)
class TrainingTables:
    """A table divided: rows to train on, and rows kept aside to test.

    Args:
        train: what everything is learnt from.
        test: the rows kept aside, prepared alike; None where there are none.
        preparation: what was learnt about the columns; new tables need it.
        dropped: rows of the file that are in neither.
        n_rows, n_columns: of the file, label and names of rows aside.
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
        path: .csv, .tsv, .tab, .txt (also .gz, .bz2, .xz), .parquet, .h5ad or .npy.
        label: the column of the label (in .h5ad a column of obs); None where there is none.
        labels: a file with the labels, in the order of the rows: a .npy vector, or a table whose
            column `label` it is.
        row_names: the column that names the rows; left out, a first column without a header is
            taken, or else the first column of texts that are all different.
        leave_out: columns that are no features.
        missing: "error", "median" (of the training rows; the most frequent level of a text),
            "zero", or "drop-rows".
        marks: what marks a missing value in text files, besides the usual ones.
        test_fraction: the share of the rows to keep aside, the same of every class.
        random_state: the seed of that choice.

    Raises:
        DeepMapperError: anything wrong with the file or its columns; the message says what and
            what to do.
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
    raw = _read_raw(path, label if labels is None else None, row_names, leave_out, marks)
    if labels is not None:
        raw = with_labels_of(raw, Path(labels), label)
    n_rows, n_columns = raw.n_samples, len(raw.names) + len(raw.texts)
    raw, dropped = drop_rows(raw, missing, training=True)
    train_rows, test_rows = np.arange(raw.n_samples), np.empty(0, dtype=np.int64)
    if raw.labels is not None:
        y = parse_labels(raw.labels, raw.where)
        check_labels(y, raw.where)
        train_rows, test_rows = divide(y, test_fraction, random_state)
    training = raw.take(train_rows)
    preparation = learn(training, missing, marks)
    test = preparation.apply(raw.take(test_rows)) if len(test_rows) else None
    train = preparation.apply(training)
    return TrainingTables(train, test, preparation, dropped, n_rows, n_columns)


def read_new(path: str | Path, preparation: Preparation) -> PreparedTable:
    """A table to predict, its columns found by name in any order; every row is kept.

    Only with missing="drop-rows" rows are left out, those with a missing value.

    Raises:
        DeepMapperError: features are missing, columns are unknown, and as in `read_training`.
    """
    path = Path(path)
    raw = reader_of(path)(path, preparation.plan, preparation.marks)
    return preparation.apply(settle_text(raw, frozenset(preparation.levels)))


def divide(y: np.ndarray, fraction: float, random_state: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the rows to train on and of those kept aside, each in order.

    Every class has at least one row on both sides, or nothing is kept aside.
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


def _read_raw(
    path: Path,
    label: str | None,
    row_names: str | None,
    leave_out: Sequence[str],
    marks: Sequence[str],
) -> RawTable:
    raw = reader_of(path)(path, training_plan(label, row_names, leave_out), tuple(marks))
    return take_row_names(settle_text(raw))
