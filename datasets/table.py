"""The table that datasets and generators return: values, labels, names, source."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import numpy as np
from scipy import sparse

__all__ = ["DataUnavailable", "Source", "Table", "TableError", "require_size", "wrong_file"]

Matrix: TypeAlias = np.ndarray | sparse.csr_matrix


class TableError(ValueError):
    """A table or parameter that cannot be used. The message has the expected values."""


class DataUnavailable(RuntimeError):
    """Missing data that cannot be downloaded. The message has the addresses."""


@dataclass(frozen=True)
class Source:
    """The source of a table, printed in reports.

    Attributes
    ----------
    citation : str
        Authors, title, journal, year.
    address : str
        URL of the data, or "generated".
    licence : str
        Licence of the data, such as "CC BY 4.0".
    """

    citation: str
    address: str
    licence: str


@dataclass(frozen=True, eq=False)
class Table:
    """Labelled samples with raw values, checked at construction. Methods scale them.

    Attributes
    ----------
    name : str
        Name of the table in reports.
    X : ndarray or csr_matrix of shape (n_samples, n_features), float32
        Values. NaN is a missing value, which the harness imputes from training rows for methods
        that do not handle it. No value is infinite.
    y : ndarray of shape (n_samples,), int64
        Class codes, 0 to n_classes - 1.
    classes : sequence of str, length n_classes
        Unique name of each class, in the order of the codes.
    features : sequence of str, length n_features
        Unique name of each feature.
    source : Source
        Citation, address and licence.
    relevant : ndarray of int, optional
        Indices of the features that carry the labels. None: unknown.
    official_split : tuple of two arrays of int, optional
        Training rows and test rows, if the source fixes them.
    groups : ndarray of shape (n_samples,), int64, optional
        Number of each row's group, such as a person. A drawn split keeps a group on one side.
    notes : dict
        Other facts about the table, as JSON values, such as barcodes or a Bayes error.

    Raises
    ------
    TableError
        If shapes do not match, a value is infinite, a feature has no value, a name is not unique,
        an index is out of range, there are fewer than two classes, or a class has fewer than two
        samples.
    """

    name: str
    X: Matrix
    y: np.ndarray
    classes: Sequence[str]
    features: Sequence[str]
    source: Source
    relevant: np.ndarray | None = None
    official_split: tuple[np.ndarray, np.ndarray] | None = None
    groups: np.ndarray | None = None
    notes: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", tuple(str(name) for name in self.classes))
        object.__setattr__(self, "features", tuple(str(name) for name in self.features))
        _check_matrix(self)
        _check_values(self)
        _check_labels(self)
        _check_indices(self)

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return int(self.X.shape[0])

    @property
    def n_features(self) -> int:
        """Number of features."""
        return int(self.X.shape[1])

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.classes)

    @cached_property
    def n_missing(self) -> int:
        """Number of missing values."""
        values = self.X if isinstance(self.X, np.ndarray) else self.X.data
        # The minimum shows NaN without a mask of the size of X.
        return int(np.isnan(values).sum()) if np.isnan(values.min(initial=0)) else 0

    @cached_property
    def checksum(self) -> str:
        """SHA-256 of values, labels, names, split, groups and relevant features."""
        digest = hashlib.sha256()
        X = self.X
        parts = [X] if isinstance(X, np.ndarray) else [X.data, X.indices, X.indptr]
        split = [np.asarray(rows, dtype=np.int64) for rows in self.official_split or ()]
        for part in [*parts, self.y, *split]:
            digest.update(repr((part.shape, part.dtype.str)).encode())
            digest.update(np.ascontiguousarray(part).data)
        digest.update("\0".join([*self.classes, "", *self.features]).encode())
        if self.relevant is not None:
            digest.update(b"relevant" + np.asarray(self.relevant, dtype=np.int64).tobytes())
        if self.groups is not None:
            digest.update(b"groups" + self.groups.tobytes())
        return digest.hexdigest()


def require_size(table: str, largest: int, /, **sizes: int) -> None:
    """Raise a TableError if a number of samples is outside 1..largest.

    Parameters
    ----------
    table : str
        Name of the table.
    largest : int
        Number of samples that the source has.
    **sizes : int
        Name and value of each parameter to check.

    Raises
    ------
    TableError
        A value is less than 1 or more than `largest`.
    """
    for parameter, n in sizes.items():
        if not 1 <= n <= largest:
            message = f"table {table!r}: expected {parameter} in 1..{largest}, got {n!r}"
            raise TableError(message)


def wrong_file(path: Path | str, expected: str, got: object) -> TableError:
    """Return the error for a data file with unexpected content.

    Parameters
    ----------
    path : Path or str
    expected : str
        Description of the content that the file should have.
    got : object
        Description of the content that it has.

    Returns
    -------
    TableError
    """
    return TableError(
        f"{path} is truncated or another file: expected {expected}, got {got}. Move the file and "
        "its .sha256, if it has one, to another folder. The next run downloads it again."
    )


def _error(table: Table, problem: str) -> TableError:
    return TableError(f"table {table.name!r}: {problem}")


def _check_matrix(table: Table) -> None:
    X = table.X
    if not isinstance(X, np.ndarray) and not (sparse.issparse(X) and X.format == "csr"):
        got = type(X).__name__
        raise _error(table, f"X is not a matrix; expected a numpy array or CSR, got {got}.")
    if X.ndim != 2 or 0 in X.shape:
        expected = "(n_samples, n_features) without 0"
        raise _error(table, f"X has a wrong shape; expected {expected}, got {X.shape}.")
    if X.dtype != np.float32:
        advice = "Use X.astype('float32')."
        raise _error(table, f"X has a wrong type; expected float32, got {X.dtype}. {advice}")
    if len(table.features) != X.shape[1]:
        expected, got = f"{X.shape[1]} names", str(len(table.features))
        raise _error(table, f"feature names do not match X; expected {expected}, got {got}.")
    _check_unique(table, table.features, "feature")


def _check_values(table: Table) -> None:
    X = table.X
    values = X if isinstance(X, np.ndarray) else X.data
    # The extremes show infinity without a mask of the size of X.
    if np.isinf(np.fmin.reduce(values, axis=None, initial=0)) or np.isinf(
        np.fmax.reduce(values, axis=None, initial=0)
    ):
        bad = np.flatnonzero(np.isinf(values))
        row, column = _position(X, bad[0])
        got = f"{values.flat[bad[0]]} at row {row}, feature {table.features[column]!r}"
        advice = "Drop those rows or columns, or mark the values as missing (NaN)."
        problem = f"{len(bad)} values are infinite; expected numbers or NaN, got {got}. {advice}"
        raise _error(table, problem)
    if table.n_missing and not isinstance(X, np.ndarray):
        row, column = _position(X, int(np.flatnonzero(np.isnan(values))[0]))
        got = f"{table.n_missing}, the first at row {row}, feature {table.features[column]!r}"
        problem = f"a sparse table has missing values; expected none, got {got}"
        raise _error(table, f"{problem}. Use a dense array, or impute them.")
    if table.n_missing and (empty := np.flatnonzero(np.isnan(X).all(axis=0))).size:
        got = f"{len(empty)} such features, the first is {table.features[empty[0]]!r}"
        problem = f"features have no value; expected one or more each, got {got}"
        raise _error(table, f"{problem}. Drop them.")


def _position(X: Matrix, index: int) -> tuple[int, int]:
    """Return the row and the column of the value at a flat index."""
    if isinstance(X, np.ndarray):
        row, column = np.unravel_index(index, X.shape)
        return int(row), int(column)
    return int(np.searchsorted(X.indptr, index, side="right") - 1), int(X.indices[index])


def _check_labels(table: Table) -> None:
    y, n, k = table.y, table.n_samples, table.n_classes
    if not isinstance(y, np.ndarray) or y.dtype != np.int64:
        got = getattr(y, "dtype", type(y).__name__)
        advice = "Encode the labels as 0..n_classes-1 and name them in `classes`."
        raise _error(table, f"y has a wrong type; expected an int64 array, got {got}. {advice}")
    if y.shape != (n,):
        problem = f"y has a wrong shape; expected ({n},), one label a row of X, got {y.shape}."
        raise _error(table, problem)
    if k < 2:
        got = str(list(table.classes))
        raise _error(table, f"there are too few classes; expected at least two, got {got}.")
    _check_unique(table, table.classes, "class")
    if y.min() < 0 or y.max() >= k:
        got, advice = f"{y.min()}..{y.max()}", "List every class in `classes`."
        problem = f"y has codes outside the classes; expected 0..{k - 1}, got {got}. {advice}"
        raise _error(table, problem)
    counts = np.bincount(y, minlength=k)
    if counts.min() < 2:
        smallest = int(counts.argmin())
        problem = f"class {table.classes[smallest]!r} has {counts[smallest]} sample(s)"
        expected = "at least two a class, so that one can be held out"
        raise _error(table, f"{problem}; expected {expected}. Drop or merge the class.")


def _check_unique(table: Table, names: Sequence[str], kind: str) -> None:
    if len(set(names)) < len(names):
        twice = [name for name, count in Counter(names).items() if count > 1]
        got = ", ".join(map(repr, twice[:5]))
        problem = f"{len(twice)} {kind} name(s) occur more than once; expected unique names"
        raise _error(table, f"{problem}, got {got}. Rename or merge them.")


def _check_indices(table: Table) -> None:
    n, p = table.n_samples, table.n_features
    if table.relevant is not None and not _are_indices(np.asarray(table.relevant), p):
        expected = f"None, or one or more different integers in 0..{p - 1}"
        problem = "`relevant` does not name features"
        raise _error(table, f"{problem}; expected {expected}, got {table.relevant}.")
    groups = table.groups
    if groups is not None and not (
        isinstance(groups, np.ndarray) and groups.dtype == np.int64 and groups.shape == (n,)
    ):
        got = f"{type(groups).__name__} {getattr(groups, 'dtype', '')} {np.shape(groups)}"
        problem = f"`groups` is no group of each row; expected an int64 array of shape ({n},)"
        raise _error(table, f"{problem}, got {got}. Number the groups.")
    if groups is not None and len(np.unique(groups)) < 2:
        raise _error(table, "all rows are in one group; expected two or more, to split between.")
    if table.official_split is None:
        return
    train, test = (np.asarray(rows) for rows in table.official_split)
    disjoint = len(np.intersect1d(train, test)) == 0
    if not (_are_indices(train, n) and _are_indices(test, n) and disjoint):
        expected = f"two disjoint, non-empty sets of integers in 0..{n - 1}"
        got = f"{train.size} + {test.size} rows with repeats, out of range or of another type"
        raise _error(table, f"the official split is not one; expected {expected}, got {got}.")


def _are_indices(values: np.ndarray, n: int) -> bool:
    """Return whether the values are unique integers in 0..n-1, and at least one."""
    if values.ndim != 1 or values.size == 0 or values.dtype.kind not in "iu":
        return False
    return bool(values.min() >= 0 and values.max() < n and len(np.unique(values)) == values.size)
