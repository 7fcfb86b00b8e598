"""Rows and columns that hold nothing: empty or all zero. Missing values counted.

Paper: Methods 3-4 ("Remove all zero or empty rows and columns").
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from deepmapper.errors import DeepMapperError
from deepmapper.images._rows import blocks
from deepmapper.tables._labels import is_missing
from deepmapper.tables._raw import Matrix, RawTable, listed

# In a narrow table a row of zeros is an observation like others; in a wide one a failed sample.
NARROW = 16


@dataclass(frozen=True)
class DroppedRows:
    """Names of rows left out: all values zero or missing; a value missing; no label."""

    blank: tuple[str, ...] = ()
    incomplete: tuple[str, ...] = ()
    unlabelled: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        return len(self.blank) + len(self.incomplete) + len(self.unlabelled)


@dataclass(frozen=True)
class Survey:
    """What a matrix (n, p) holds.

    n_missing, n_infinite, n_nonzero: (p,), values a column (missing ones are not nonzero).
    row_missing, row_nonzero: (n,), values a row.
    """

    n_missing: np.ndarray
    n_infinite: np.ndarray
    n_nonzero: np.ndarray
    row_missing: np.ndarray
    row_nonzero: np.ndarray


def survey(matrix: Matrix) -> Survey:
    """Count what is missing, infinite and not zero; dense matrices in blocks of rows."""
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
    for part in blocks(matrix) if p else ():
        block = np.asarray(matrix[part])
        missing = np.isnan(block)
        nonzero = (block != 0) & ~missing
        column_counts += (missing.sum(0), np.isinf(block).sum(0), nonzero.sum(0))
        row_counts[:, part] = (missing.sum(1), nonzero.sum(1))
    return Survey(*column_counts, *row_counts)


def drop_rows(raw: RawTable, missing: str, *, training: bool) -> tuple[RawTable, DroppedRows]:
    """The table without the rows that cannot be used, and which those are.

    Args:
        missing: where it is "drop-rows", rows with a missing value or label go; columns that are
            missing throughout do not count.
        training: whether blank rows go, too (new rows are all predicted).

    Raises:
        DeepMapperError: no row is left.
    """
    seen = survey(raw.numbers)
    n = raw.n_samples
    gone = np.zeros(n, dtype=bool)
    absent = _text_missing(raw)
    blank = np.zeros(n, dtype=bool)
    if training:
        empty = (seen.row_missing == len(raw.names)) & absent.all(0)
        zeros = (seen.row_nonzero == 0) & (not raw.texts) & (len(raw.names) >= NARROW)
        blank = empty | zeros
        gone |= blank
    unlabelled = np.zeros(n, dtype=bool)
    incomplete = np.zeros(n, dtype=bool)
    if missing == "drop-rows":
        if raw.labels is not None:
            unlabelled = np.array([is_missing(label) for label in raw.labels]) & ~gone
        n_throughout = int((seen.n_missing == n).sum())
        holes = absent[~absent.all(1)] if training else absent
        incomplete = (seen.row_missing > n_throughout * training) | holes.any(0)
        incomplete &= ~gone & ~unlabelled
        gone |= unlabelled | incomplete
    if gone.all():
        message = (
            f"{raw.where}: no row is left: {blank.sum()} are empty or all zero, "
            f"{incomplete.sum()} have missing values, {unlabelled.sum()} have no label"
        )
        raise DeepMapperError(message)
    groups = (tuple(raw.row_names[group].tolist()) for group in (blank, incomplete, unlabelled))
    return raw.take(np.flatnonzero(~gone)), DroppedRows(*groups)


def refuse_infinities(raw: RawTable, seen: Survey) -> None:
    """DeepMapperError that names the columns with infinite values."""
    bad = np.flatnonzero(seen.n_infinite)
    if len(bad):
        message = (
            f"{raw.where}: {int(seen.n_infinite.sum())} values are infinite (or too large for "
            f"float32), in the columns {listed([raw.names[i] for i in bad])}; correct them, or "
            f"leave them empty and choose what to do with missing values"
        )
        raise DeepMapperError(message)


def refuse_missing(where: str, n_missing: dict[str, int]) -> None:
    """DeepMapperError that names the columns with missing values and how many there are."""
    if not n_missing:
        return
    worst = sorted(n_missing.items(), key=lambda item: -item[1])
    shown = ", ".join(f"{name!r} ({count})" for name, count in worst[:10])
    more = f" ... ({len(worst)} columns in all)" if len(worst) > 10 else ""
    message = (
        f"{where}: {sum(n_missing.values())} values are missing, in the columns {shown}{more}; "
        f"choose what to do with them: missing='median', 'zero' or 'drop-rows' (--missing ...)"
    )
    raise DeepMapperError(message)


def _text_missing(raw: RawTable) -> np.ndarray:
    """(n_text_columns, n_samples), True where a text is missing."""
    columns = [[value is None for value in column] for column in raw.texts.values()]
    return np.array(columns, dtype=bool).reshape(len(columns), raw.n_samples)
