"""A table: samples by features, with labels, and what is known about where it came from."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import numpy as np
from scipy import sparse

Matrix: TypeAlias = np.ndarray | sparse.csr_matrix


class TableError(ValueError):
    """A table that cannot be used: says what is wrong, where, what was expected, what to do."""


class DataUnavailable(RuntimeError):
    """Data that are not at hand and could not be fetched: says how to get them."""


@dataclass(frozen=True)
class Source:
    """Where a table comes from: the citation, the address (or "generated") and the licence."""

    citation: str
    address: str
    licence: str


@dataclass(frozen=True, eq=False)
class Table:
    """Labelled samples, validated when made.

    Values are as measured: scaling is a method's business.

    Args:
        name: what the table is called in reports.
        X: float32, shape (n_samples, n_features), or CSR of the same; finite.
        y: int64 class codes, shape (n_samples,), each in 0..n_classes-1.
        classes: the name of each class, in the order of its code, all different.
        features: the name of each feature, all different.
        source: where the table comes from.
        relevant: indices of the features that carry the labels, or None where that is unknown.
        official_split: (training rows, test rows) where the source fixes them, else None.

    Raises:
        TableError: shapes that do not match, values that are not finite, duplicate names, fewer
            than two classes, a class with fewer than two samples, indices that name nothing.
    """

    name: str
    X: Matrix
    y: np.ndarray
    classes: Sequence[str]
    features: Sequence[str]
    source: Source
    relevant: np.ndarray | None = None
    official_split: tuple[np.ndarray, np.ndarray] | None = None
    notes: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", tuple(str(name) for name in self.classes))
        object.__setattr__(self, "features", tuple(str(name) for name in self.features))
        _check_matrix(self)
        _check_features(self)
        _check_values(self)
        _check_labels(self)
        _check_relevant(self)
        _check_split(self)

    @property
    def n_samples(self) -> int:
        return int(self.X.shape[0])

    @property
    def n_features(self) -> int:
        return int(self.X.shape[1])

    @property
    def n_classes(self) -> int:
        return len(self.classes)

    @cached_property
    def checksum(self) -> str:
        """SHA-256 of values, labels, names and relevant features: the identity of the content."""
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
        return digest.hexdigest()


def _fail(table: Table, what: str, expected: str, got: str, advice: str) -> None:
    message = f"table {table.name!r}: {what}; expected {expected}, got {got}. {advice}"
    raise TableError(message)


def _check_matrix(table: Table) -> None:
    X = table.X
    if not isinstance(X, np.ndarray) and not (sparse.issparse(X) and X.format == "csr"):
        _fail(table, "X is not a matrix", "a numpy array or CSR", type(X).__name__, "Convert it.")
    if X.ndim != 2 or 0 in X.shape:
        _fail(table, "X has a wrong shape", "(n_samples, n_features)", str(X.shape), "Reshape it.")
    if X.dtype != np.float32:
        _fail(table, "X has a wrong type", "float32", str(X.dtype), "Use X.astype('float32').")


def _check_features(table: Table) -> None:
    p = table.n_features
    if len(table.features) != p:
        got = str(len(table.features))
        _fail(table, "feature names do not match X", f"{p} names", got, "Name every column.")
    _check_unique(table, table.features, "feature", "Rename or merge those columns.")


def _check_values(table: Table) -> None:
    X = table.X
    values = X if isinstance(X, np.ndarray) else X.data
    # Extremes show NaN and infinity without a mask as long as X.
    if np.isfinite(values.min(initial=0)) and np.isfinite(values.max(initial=0)):
        return
    bad = np.flatnonzero(~np.isfinite(values))
    if isinstance(X, np.ndarray):
        row, column = np.unravel_index(bad[0], X.shape)
    else:
        row, column = np.searchsorted(X.indptr, bad[0], side="right") - 1, X.indices[bad[0]]
    _fail(
        table,
        f"{len(bad)} values are not finite",
        "numbers",
        f"{values.flat[bad[0]]} at row {row}, feature {table.features[column]!r}",
        "Drop those rows or columns, or impute them before making the table.",
    )


def _check_labels(table: Table) -> None:
    y, n, k = table.y, table.n_samples, table.n_classes
    if not isinstance(y, np.ndarray) or y.dtype != np.int64:
        _fail(
            table,
            "y has a wrong type",
            "an int64 array",
            str(getattr(y, "dtype", type(y).__name__)),
            "Encode the labels as 0..n_classes-1 and name them in `classes`.",
        )
    if y.shape != (n,):
        _fail(table, "y has a wrong shape", f"({n},)", str(y.shape), "One label a row of X.")
    if k < 2:
        _fail(
            table,
            "there are too few classes",
            "at least two",
            str(list(table.classes)),
            "A classifier needs something to tell apart.",
        )
    _check_unique(table, table.classes, "class", "Rename or merge those classes.")
    if y.min() < 0 or y.max() >= k:
        _fail(
            table,
            "y holds codes outside the classes",
            f"0..{k - 1}",
            f"{y.min()}..{y.max()}",
            "List every class in `classes`.",
        )
    counts = np.bincount(y, minlength=k)
    if counts.min() < 2:
        c = int(counts.argmin())
        _fail(
            table,
            f"class {table.classes[c]!r} has {counts[c]} sample(s)",
            "at least two a class, so that one can be held out",
            str(dict(zip(table.classes, counts.tolist(), strict=True))),
            "Drop or merge the class.",
        )


def _check_unique(table: Table, names: Sequence[str], kind: str, advice: str) -> None:
    if len(set(names)) < len(names):
        twice = [name for name, count in Counter(names).items() if count > 1]
        got = ", ".join(map(repr, twice[:5]))
        what = f"{len(twice)} {kind} name(s) stand more than once"
        _fail(table, what, "unique names", got, advice)


def _check_relevant(table: Table) -> None:
    if table.relevant is None:
        return
    relevant, p = np.asarray(table.relevant), table.n_features
    if not _are_indices(relevant, p):
        _fail(
            table,
            "`relevant` does not name features",
            f"one or more different integers in 0..{p - 1}",
            str(relevant),
            "List the indices of the features that carry the labels, or leave it None.",
        )


def _check_split(table: Table) -> None:
    if table.official_split is None:
        return
    train, test = (np.asarray(rows) for rows in table.official_split)
    n = table.n_samples
    disjoint = len(np.intersect1d(train, test)) == 0
    if not (_are_indices(train, n) and _are_indices(test, n) and disjoint):
        _fail(
            table,
            "the official split is not one",
            f"two disjoint sets of integers in 0..{n - 1}, none empty",
            f"{train.size} + {test.size} rows with repeats, out of range or of another type",
            "Check the row indices.",
        )


def _are_indices(values: np.ndarray, n: int) -> bool:
    """Whether the values are one or more different integers in 0..n-1."""
    if values.ndim != 1 or values.size == 0 or values.dtype.kind not in "iu":
        return False
    return bool(values.min() >= 0 and values.max() < n and len(np.unique(values)) == values.size)
