"""The content of a file before learning, and the role of each of its columns."""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from deepmapper.errors import DeepMapperError
from deepmapper.images._rows import RowsOnDisk, dense, split_rows

# float32 (n_samples, n_columns), NaN if a value is missing. An array, memory-mapped, CSR or
# `RowsOnDisk`.
Matrix = Any

IN_MEMORY_BYTES = 2 << 30  # larger matrices stay on disk, rewritten ones in a temporary file
N_LISTED = 10  # names in a message
LONGEST_NAME = 100  # letters of a name in a message


@dataclass(frozen=True)
class Survey:
    """Counts of the values of a matrix (n, p).

    n_missing, n_infinite, n_nonzero: (p,), per column. Missing values are not nonzero.
    row_missing, row_nonzero: (n,), per row.
    """

    n_missing: np.ndarray
    n_infinite: np.ndarray
    n_nonzero: np.ndarray
    row_missing: np.ndarray
    row_nonzero: np.ndarray


@dataclass(frozen=True)
class RawTable:
    """The content of a file.

    where: the file, for messages.
    numbers, names: numeric columns, a `Matrix`, and their names.
    texts: text columns by name, each (n_samples,) of str, None if missing.
    row_names: (n_samples,) of str.
    labels: (n_samples,) or None.
    ignored: columns of the file that are not features (label, row names, left out).
    named_by: the column that names the rows, or None.
    separator, decimal: of the columns and of decimals in a text file.
    written: the text of numeric columns that may be ids. float32 rounds ids of eight digits.
    ids: columns that were left out because they name or number the rows, without `named_by`.
    """

    where: str
    numbers: Matrix
    names: list[str]
    texts: dict[str, np.ndarray]
    row_names: np.ndarray
    labels: np.ndarray | None = None
    ignored: tuple[str, ...] = ()
    named_by: str | None = None
    separator: str = ""
    decimal: str = "."
    written: dict[str, np.ndarray] = field(default_factory=dict)
    ids: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse parts of different sizes: the file is damaged."""
        expected = (len(self.row_names), len(self.names))
        n_labels = expected[0] if self.labels is None else len(self.labels)
        if tuple(self.numbers.shape) != expected or n_labels != expected[0]:
            message = (
                f"{self.where} is damaged: it has values of {self.numbers.shape[0]} rows and "
                f"{self.numbers.shape[1]} columns, names of {expected[0]} rows and {expected[1]} "
                f"columns, and labels of {n_labels} rows. Write it again"
            )
            raise DeepMapperError(message)

    @property
    def n_samples(self) -> int:
        return len(self.row_names)

    @cached_property
    def survey(self) -> Survey:
        """Counts of the values of `numbers`, computed once."""
        return count_values(self.numbers)

    def take(self, rows: np.ndarray) -> "RawTable":
        """Select the rows at these positions. No copy if these are all rows in order."""
        if np.array_equal(rows, np.arange(self.n_samples)):
            return self
        return replace(
            self,
            numbers=take(self.numbers, rows, np.arange(len(self.names))),
            texts={name: column[rows] for name, column in self.texts.items()},
            written={name: column[rows] for name, column in self.written.items()},
            ids={name: column[rows] for name, column in self.ids.items()},
            row_names=self.row_names[rows],
            labels=None if self.labels is None else self.labels[rows],
        )


@dataclass(frozen=True)
class Plan:
    """The roles of the columns of a file.

    features: columns to read, in the order of the file.
    label, row_names: their columns, or None.
    texts: the features to read as text. By default the content of the file decides.
    """

    features: list[str]
    label: str | None = None
    row_names: str | None = None
    texts: frozenset[str] | None = None


@dataclass(frozen=True)
class ReadOptions:
    """What the caller says about a file.

    marks: marks of a missing value in text, besides the usual ones.
    transpose: whether the file has features in rows and samples in columns.
    layer: the layer of an AnnData file to read in place of X, or "raw".
    """

    marks: tuple[str, ...] = ()
    transpose: bool = False
    layer: str | None = None

    def all_marks(self, usual: Iterable[str]) -> frozenset[str]:
        return frozenset((*usual, *self.marks))


# (names of the columns, names among which the label is, the file) -> their roles
Planner = Callable[[list[str], list[str], str], Plan]


def count_values(matrix: Matrix) -> Survey:
    """Count missing, infinite and nonzero values, in blocks of rows."""
    n, p = matrix.shape
    if sparse.issparse(matrix):
        rows = np.repeat(np.arange(n), np.diff(matrix.indptr))
        missing, data, columns = np.isnan(matrix.data), matrix.data, matrix.indices
        nonzero = (data != 0) & ~missing
        return Survey(
            np.bincount(columns[missing], minlength=p),
            np.bincount(columns[np.isinf(data)], minlength=p),
            np.bincount(columns[nonzero], minlength=p),
            np.bincount(rows[missing], minlength=n),
            np.bincount(rows[nonzero], minlength=n),
        )
    column_counts = np.zeros((3, p), dtype=np.int64)
    row_counts = np.zeros((2, n), dtype=np.int64)
    for part in split_rows(matrix):
        block = dense(matrix, part).numpy()
        missing = np.isnan(block)
        nonzero = (block != 0) & ~missing
        column_counts += (missing.sum(0), np.isinf(block).sum(0), nonzero.sum(0))
        row_counts[:, part] = (missing.sum(1), nonzero.sum(1))
    return Survey(*column_counts, *row_counts)


def read(path: Path, planner: Planner, options: ReadOptions) -> RawTable:
    """Read a `.npy` file, (n_samples, n_features). Features are called x0, x1, ...

    The file is mapped, so it may be larger than memory. float32 stays on disk. Other numbers are
    converted in blocks of rows. Refused: a file that is not a matrix of numbers, and arrays of
    Python objects (they hold pickles, which run code).
    """
    try:
        matrix = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        message = (
            f"cannot read {path} as a numpy array of numbers: {error}. Save one with "
            f"np.save(path, matrix.astype('float32'))"
        )
        raise DeepMapperError(message) from error
    if not isinstance(matrix, np.ndarray) or matrix.ndim != 2 or matrix.dtype.kind not in "fiub":
        shape = getattr(matrix, "shape", "several arrays")
        message = f"{path} has to hold a matrix (n_samples, n_features) of numbers, got {shape}"
        raise DeepMapperError(message)
    if 0 in matrix.shape:
        message = f"{path} holds no rows or no features: its shape is {matrix.shape}"
        raise DeepMapperError(message)
    names = [f"x{i}" for i in range(matrix.shape[1])]
    features = planner(names, [], str(path)).features
    if matrix.dtype != np.float32 or features != names:
        columns = np.array([int(name[1:]) for name in features], dtype=np.int64)
        matrix = take(matrix, np.arange(len(matrix)), columns)
    used = set(features)
    ignored = tuple(name for name in names if name not in used)
    return RawTable(str(path), matrix, features, {}, row_numbers(len(matrix)), None, ignored)


def transpose_table(raw: RawTable, planner: Planner) -> RawTable:
    """Exchange rows and columns of a table of numbers in memory."""
    if isinstance(raw.numbers, RowsOnDisk) or raw.texts:
        reason = (
            "too large" if not raw.texts else f"it has text columns: {list_names([*raw.texts])}"
        )
        message = f"{raw.where} cannot be transposed: {reason}. Write it with samples in rows"
        raise DeepMapperError(message)
    names = [str(name) for name in raw.row_names]
    check_names(names, raw.where)
    features = planner(names, names, raw.where).features
    place = {name: i for i, name in enumerate(names)}
    numbers = raw.numbers.T
    numbers = numbers.tocsr() if sparse.issparse(numbers) else np.ascontiguousarray(numbers)
    columns = np.array([place[name] for name in features], dtype=np.int64)
    matrix = take(numbers, np.arange(numbers.shape[0]), columns)
    samples = np.array(raw.names, dtype=object)
    return RawTable(raw.where, matrix, features, {}, samples, named_by="the header")


def take(matrix: Matrix, rows: np.ndarray, columns: np.ndarray) -> Matrix:
    """matrix[rows][:, columns]: CSR or on disk as before, others copied."""
    if sparse.issparse(matrix):
        return matrix[rows][:, columns]
    if isinstance(matrix, RowsOnDisk):
        return matrix.take(rows, columns)
    return copy_part(matrix, rows, columns)


def is_sparse(matrix: Matrix) -> bool:
    """Whether rows of the matrix are CSR, in memory or on disk."""
    return sparse.issparse(matrix[:1])


def copy_part(matrix: Matrix, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """matrix[rows][:, columns] as a new float32 array, read in blocks of rows."""
    all_columns = np.array_equal(columns, np.arange(matrix.shape[1]))
    out = scratch((len(rows), len(columns)))
    for part in split_rows(matrix, len(rows)):
        block = dense(matrix, rows[part]).numpy()
        out[part] = block if all_columns else block[:, columns]
    return out


def scratch(shape: tuple[int, int]) -> np.ndarray:
    """An empty float32 array to fill: in memory, or in a temporary file if large."""
    if 4 * shape[0] * shape[1] <= IN_MEMORY_BYTES:
        return np.empty(shape, dtype=np.float32)
    # The file has no name, so it is deleted with the array.
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, dtype=np.float32, mode="w+", shape=shape)


def list_names(names: Sequence[object]) -> str:
    """The first names, cut if they are long, and the number of names if there are more."""
    text = ", ".join(_cut(repr(name)) for name in names[:N_LISTED])
    return text if len(names) <= N_LISTED else f"{text} ... ({len(names)} in all)"


def _cut(text: str) -> str:
    """The text, or its start: a damaged file may be read as one name of a million letters."""
    return text if len(text) <= LONGEST_NAME else f"{text[:LONGEST_NAME]}..."


def check_names(names: list[str], where: str) -> None:
    """Raise DeepMapperError if two columns have the same name."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        message = (
            f"{where} has columns of the same name: {list_names(twice)}. Names of features must be "
            f"different: rename or remove them"
        )
        raise DeepMapperError(message)


def check_column(name: str, known: Sequence[str], where: str, role: str) -> None:
    """Raise DeepMapperError with the nearest names if no column has that name."""
    if name in known:
        return
    nearest = get_close_matches(name, known, n=3, cutoff=0.6)
    hint = f"nearest: {list_names(nearest)}" if nearest else f"it has {list_names(list(known))}"
    if role == "label":
        hint += ". Labels of another file: --labels FILE. Samples in columns: --transpose"
    message = f"{where} has no column {name!r} for the {role}; {hint}"
    raise DeepMapperError(message)


def training_plan(
    label: str | None,
    row_names: str | None = None,
    leave_out: Sequence[str] = (),
    keep: Sequence[str] = (),
) -> Planner:
    """A `Planner`: all columns are features but label, row names, those left out.

    The columns of `keep` must exist.
    """

    def plan(names: list[str], label_names: list[str], where: str) -> Plan:
        if label is not None and not label_names:
            message = f"{where} has no columns of labels; give a file with them (--labels FILE)"
            raise DeepMapperError(message)
        if label is not None:
            check_column(label, label_names, where, "label")
        for name in keep:
            check_column(name, names, where, "columns to keep")
        if row_names is not None:
            check_column(row_names, names, where, "names of the rows")
        for name in leave_out:
            check_column(name, names, where, "columns to leave out")
        others = {label if label in names else None, row_names, *leave_out}
        features = [name for name in names if name not in others]
        if not features:
            message = (
                f"{where} has no feature: its columns {list_names(names)} are the label, the row "
                f"names or left out"
            )
            raise DeepMapperError(message)
        return Plan(features, label, row_names)

    return plan


def row_numbers(n: int) -> np.ndarray:
    """Default row names: "1", "2", ..."""
    return np.array([str(i) for i in range(1, n + 1)], dtype=object)


def install_hint(library: str, task: str) -> str:
    """The message that an optional library is missing."""
    return f'{task} needs {library}: pip install "deepmapper-benchmark[tables]"'
