"""The content of a file before anything is learnt from it, and the role of each of its columns."""

import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

import numpy as np
from scipy import sparse

from deepmapper.errors import DeepMapperError
from deepmapper.images._rows import RowsOnDisk, blocks, dense

# float32 (n_samples, n_columns), NaN where a value is missing: an array, memory-mapped, CSR or
# `RowsOnDisk`
Matrix = Any

IN_MEMORY_BYTES = 2 << 30  # larger matrices stay on disk, rewritten ones in a temporary file
N_LISTED = 10  # names in a message


@dataclass(frozen=True)
class RawTable:
    """A file's content.

    Args:
        where: the file, for messages.
        numbers: numeric columns, a `Matrix`.
        names: of the columns of `numbers`.
        texts: text columns by name, each (n_samples,) of str, None where missing.
        row_names: (n_samples,) of str.
        labels: (n_samples,), or None where there are none.
        ignored: columns of the file that are no features: the label, names of rows, those left out.
        named_by: the column that names the rows, if one does.
    """

    where: str
    numbers: Matrix
    names: list[str]
    texts: dict[str, np.ndarray]
    row_names: np.ndarray
    labels: np.ndarray | None = None
    ignored: tuple[str, ...] = ()
    named_by: str | None = None

    @property
    def n_samples(self) -> int:
        return len(self.row_names)

    def take(self, rows: np.ndarray) -> "RawTable":
        """The rows at these positions; no copy where that is all of them in order."""
        if np.array_equal(rows, np.arange(self.n_samples)):
            return self
        return replace(
            self,
            numbers=take(self.numbers, rows, np.arange(len(self.names))),
            texts={name: column[rows] for name, column in self.texts.items()},
            row_names=self.row_names[rows],
            labels=None if self.labels is None else self.labels[rows],
        )


@dataclass(frozen=True)
class Plan:
    """Which columns of a file are what.

    Args:
        features: columns to read, in the order of the file.
        label, row_names: their columns; None where there is none.
        texts: the features to read as text; None leaves that to what the file holds.
    """

    features: list[str]
    label: str | None = None
    row_names: str | None = None
    texts: frozenset[str] | None = None


# (names of the columns, names among which the label is, the file) -> what they are
Planner = Callable[[list[str], list[str], str], Plan]


def take(matrix: Matrix, rows: np.ndarray, columns: np.ndarray) -> Matrix:
    """matrix[rows][:, columns]; CSR stays CSR, `RowsOnDisk` stays on disk, others are copied."""
    if sparse.issparse(matrix):
        return matrix[rows][:, columns]
    if isinstance(matrix, RowsOnDisk):
        return matrix.take(rows, columns)
    return copied(matrix, rows, columns)


def is_sparse(matrix: Matrix) -> bool:
    """Whether rows of the matrix are CSR, in memory or on disk."""
    return sparse.issparse(matrix[:1])


def copied(matrix: Matrix, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """matrix[rows][:, columns] as a new dense float32 array, read in blocks of rows."""
    all_columns = np.array_equal(columns, np.arange(matrix.shape[1]))
    out = scratch((len(rows), len(columns)))
    for part in blocks(matrix, len(rows)):
        block = dense(matrix, rows[part]).numpy()
        out[part] = block if all_columns else block[:, columns]
    return out


def scratch(shape: tuple[int, int]) -> np.ndarray:
    """An array of float32 to fill: in memory, or in a temporary file where it is large."""
    if 4 * shape[0] * shape[1] <= IN_MEMORY_BYTES:
        return np.empty(shape, dtype=np.float32)
    # The file has no name: it is gone when the array is.
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, dtype=np.float32, mode="w+", shape=shape)


def listed(names: Sequence[object]) -> str:
    """The first names, and how many there are in all.

    >>> listed(["a", "b"])
    "'a', 'b'"
    >>> listed(range(12))
    '0, 1, 2, 3, 4, 5, 6, 7, 8, 9 ... (12 in all)'
    """
    text = ", ".join(repr(name) for name in names[:N_LISTED])
    return text if len(names) <= N_LISTED else f"{text} ... ({len(names)} in all)"


def check_names(names: list[str], where: str) -> None:
    """DeepMapperError if two columns have one name: attribution could not distinguish them."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        message = (
            f"{where} has columns of the same name: {listed(twice)}; names of features have to "
            f"differ: rename or remove them"
        )
        raise DeepMapperError(message)


def find_column(name: str, known: Sequence[str], where: str, what: str) -> None:
    """DeepMapperError, with the nearest names, where there is no column of that name."""
    if name in known:
        return
    nearest = get_close_matches(name, known, n=3, cutoff=0.6)
    hint = f"nearest: {listed(nearest)}" if nearest else f"it has {listed(list(known))}"
    message = f"{where} has no column {name!r} for the {what}; {hint}"
    raise DeepMapperError(message)


def training_plan(
    label: str | None, row_names: str | None = None, leave_out: Sequence[str] = ()
) -> Planner:
    """Every column is a feature but the label, the names of the rows and those left out."""

    def plan(names: list[str], label_names: list[str], where: str) -> Plan:
        if label is not None:
            find_column(label, label_names, where, "label")
        if row_names is not None:
            find_column(row_names, names, where, "names of the rows")
        for name in leave_out:
            find_column(name, names, where, "columns to leave out")
        others = {label if label in names else None, row_names, *leave_out}
        features = [name for name in names if name not in others]
        if not features:
            message = (
                f"{where} has no feature: of its columns {listed(names)} none is left beside the "
                f"label, the names of the rows and what is left out"
            )
            raise DeepMapperError(message)
        return Plan(features, label, row_names)

    return plan


def row_numbers(n: int) -> np.ndarray:
    """Names of rows that have none: "1", "2", ..."""
    return np.array([str(i) for i in range(1, n + 1)], dtype=object)


def install_hint(library: str, what: str) -> str:
    """What to say where an optional library is missing."""
    return f'{what} needs {library}: pip install "deepmapper-benchmark[tables]"'
