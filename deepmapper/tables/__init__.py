"""Read a table from a file, check and clean it, and turn it into numbers.

_raw          content of a file: numbers, text columns, labels, row names (.npy files)
_delimited, _parquet, _h5ad            one format each: file -> _raw
_cleaning     checks before learning: text columns, labels, rows without content
_preparation  values learnt from the training rows and applied to every later table

If only Python can read the file of a table (an `h5py.Dataset`, the X of an AnnData opened with
`backed="r"`), give it to the estimators as `RowsOnDisk(X)`.
"""

import warnings
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
    convert_text,
    drop_rows,
    parse_labels,
    take_row_names,
)
from deepmapper.tables._preparation import MISSING_MODES, Preparation, PreparedTable, learn
from deepmapper.tables._raw import (
    Plan,
    Planner,
    RawTable,
    check_column,
    list_names,
    row_numbers,
    training_plan,
)
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

    Parameters
    ----------
    train : PreparedTable
        The rows from which everything is learnt.
    test : PreparedTable or None
        The test rows, prepared in the same way. None without test rows.
    preparation : Preparation
        What was learnt about the columns. New tables need it.
    dropped : DroppedRows
        Rows of the file that are in neither table.
    n_rows, n_columns : int
        Of the file, without label and row names.
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
    """Read a table from a CSV, TSV, Parquet, AnnData or numpy file, and prepare it.

    Parameters
    ----------
    path : str or Path
        .csv, .tsv, .tab, .txt (also .gz, .bz2, .xz), .parquet, .h5ad or .npy. A .npy file of
        float32, and the X of an .h5ad file of more than 2 GiB, stay on disk.
    label : str, default=None
        The column of the label (in .h5ad a column of obs). Default: no label.
    labels : str or Path, default=None
        A file with the labels: a .npy vector in the order of the rows, or a table with the column
        `label`. If both tables name their rows, labels are matched by name.
    row_names : str, default=None
        The column that names the rows. Default: a first column without a header, else the first
        text column without repeated values.
    leave_out : sequence of str, default=()
        Columns that are not features.
    missing : {"error", "median", "zero", "drop-rows"}, default="error"
        Treatment of missing values. "median" is that of the training rows. For text it is the most
        frequent level.
    marks : sequence of str, default=()
        Marks of a missing value in text files, besides the usual ones.
    test_fraction : float, default=0.0
        Share of rows for testing, the same for every class.
    random_state : int, default=0
        Seed of the division.

    Returns
    -------
    TrainingTables

    Raises
    ------
    DeepMapperError
        The file or its columns cannot be used. The message gives the reason and a remedy.
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
    raw = take_row_names(convert_text(_read(path, planner, tuple(marks))))
    if labels is not None:
        raw = _add_labels(raw, Path(labels), label)
    n_rows, n_columns = raw.n_samples, len(raw.names) + len(raw.texts)
    raw, dropped = drop_rows(raw, missing, training=True)
    train_rows, test_rows = np.arange(raw.n_samples), np.empty(0, dtype=np.int64)
    if raw.labels is not None:
        y = parse_labels(raw.labels, raw.where)
        check_labels(y, raw.where)
        train_rows, test_rows = _split_rows(y, test_fraction, random_state)
    training = raw.take(train_rows)
    preparation = learn(training, missing, marks)
    test = preparation.apply(raw.take(test_rows)) if len(test_rows) else None
    train = preparation.apply(training)
    return TrainingTables(train, test, preparation, dropped, n_rows, n_columns)


def read_new(path: str | Path, preparation: Preparation) -> PreparedTable:
    """Read a table to predict. Columns are matched by name, in any order.

    Every row is kept, except rows with a missing value under missing="drop-rows".

    Parameters
    ----------
    path : str or Path
    preparation : Preparation
        Of the training table.

    Raises
    ------
    DeepMapperError
        Features are missing, columns are unknown, or an error of `read_training`.
    """
    raw = _read(Path(path), preparation.plan, preparation.marks)
    return preparation.apply(convert_text(raw, frozenset(preparation.levels)))


def _read(path: Path, planner: Planner, marks: tuple[str, ...]) -> RawTable:
    """Read a file with the reader of its ending."""
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


def _add_labels(raw: RawTable, path: Path, column: str | None) -> RawTable:
    """Add the labels of another file: a `.npy` vector or a table's column.

    If both tables name their rows, labels are matched by name, else by position with a warning.
    """
    if not path.is_file():
        message = f"there is no file {path} for the labels"
        raise DeepMapperError(message)
    if path.suffix.lower() == ".npy":
        labels, names = _read_label_vector(path), None
    else:
        labels, names = _read_label_column(path, column, set(raw.row_names))
    is_numbered = np.array_equal(raw.row_names, row_numbers(raw.n_samples))  # it has no names
    if names is not None and not is_numbered and len(set(raw.row_names)) == raw.n_samples:
        return replace(raw, labels=_match_labels(raw, labels, names, path))
    if len(labels) != raw.n_samples:
        message = f"{path} has {len(labels)} labels, {raw.where} has {raw.n_samples} rows"
        raise DeepMapperError(message)
    if path.suffix.lower() != ".npy":
        warnings.warn(
            f"the labels of {path} were assigned by position: it has no column with the names of "
            f"the rows of {raw.where}. Check that both have the same order",
            stacklevel=3,
        )
    return replace(raw, labels=labels)


def _match_labels(raw: RawTable, labels: np.ndarray, names: np.ndarray, path: Path) -> np.ndarray:
    """The labels in the order of the rows. Names that only one file has are refused."""
    position = {name: i for i, name in enumerate(names)}
    unlabelled = [name for name in raw.row_names if name not in position]
    extra = sorted(set(names) - set(raw.row_names))
    if unlabelled or extra:
        parts = [
            f"{len(only)} only in {where}: {list_names(only)}"
            for only, where in ((unlabelled, raw.where), (extra, path))
            if only
        ]
        message = (
            f"the rows of {raw.where} and of {path} have different names, {'; '.join(parts)}. "
            "Remove these rows, or add them to the other file"
        )
        raise DeepMapperError(message)
    return labels[[position[name] for name in raw.row_names]]


def _read_label_vector(path: Path) -> np.ndarray:
    try:
        labels = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        message = f"cannot read labels from {path}: {error}"
        raise DeepMapperError(message) from error
    if not isinstance(labels, np.ndarray) or labels.ndim != 1:
        message = f"{path} has to hold a vector of labels, got shape {getattr(labels, 'shape', '')}"
        raise DeepMapperError(message)
    return labels


def _read_label_column(
    path: Path, column: str | None, row_names: set[str]
) -> tuple[np.ndarray, np.ndarray | None]:
    """The labels, and the column with the most of these row names; None if no column has one."""

    def plan(names: list[str], label_names: list[str], where: str) -> Plan:
        if column is not None:
            check_column(column, names, where, "label")
        elif len(names) > 1:
            message = f"{where} has the columns {list_names(names)}; name one of them as label"
            raise DeepMapperError(message)
        others = [name for name in names if name != (column or names[0])]
        features = others if label_names == names else []  # in .h5ad they are the genes
        return Plan(features, column or names[0], texts=frozenset(features))

    table = _read(path, plan, ())
    assert table.labels is not None  # the plan names one
    named = [] if table.named_by is None else [table.row_names]
    columns = [*named, *table.texts.values()]
    unique = [values for values in columns if len(set(values) - {None}) == len(values)]
    names = max(unique, key=lambda values: len(row_names & set(values)), default=None)
    return table.labels, names if names is not None and row_names & set(names) else None


def _split_rows(y: np.ndarray, fraction: float, random_state: int) -> tuple[np.ndarray, np.ndarray]:
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
