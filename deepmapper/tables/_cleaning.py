"""Checks of a table before anything is learnt from it: text columns, labels, rows without content.

Paper: Methods 3-4 ("Remove all zero or empty rows and columns").
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from deepmapper.errors import DeepMapperError
from deepmapper.images._rows import blocks, dense
from deepmapper.tables._raw import Matrix, RawTable, listed

TRUTH = {"true": 1.0, "false": 0.0}
# If this share of a column's values are numbers, it was meant as numbers: the others are mistakes.
MEANT_AS_NUMBERS = 0.5
N_CLASSES_LIKE_ROWS = 0.5  # more classes than this share of the rows: names of rows, not classes
LARGEST_INTEGER = 2**53  # beyond it a float rounds
# In a narrow table a row of zeros is an observation like others; in a wide one a failed sample.
NARROW = 16


def settle_text(raw: RawTable, texts: frozenset[str] | None = None) -> RawTable:
    """Move text columns that hold numbers (also true and false: 1 and 0) to the numbers.

    Args:
        texts: columns that are categories whatever they hold; every other one has to be numbers.
            None decides by the values: numbers if all are, categories if fewer than half are.

    Raises:
        DeepMapperError: strings among the numbers of a column.
    """
    settled: dict[str, np.ndarray] = {}
    for name, values in raw.texts.items():
        if texts is not None and name in texts:
            continue
        numbers, wrong = _parse_numbers(values)
        n_present = sum(value is not None for value in values)
        meant = 1 - len(wrong) / max(n_present, 1) >= MEANT_AS_NUMBERS
        if wrong and (texts is not None or meant):
            shown = ", ".join(f"{values[i]!r} (row {raw.row_names[i]})" for i in wrong[:5])
            message = (
                f"{raw.where}: column {name!r} holds numbers, but {len(wrong)} of its {n_present} "
                f"values are none: {shown}{' ...' if len(wrong) > 5 else ''}; correct them, leave "
                f"the column out, or name what marks a missing value"
            )
            raise DeepMapperError(message)
        if not wrong:
            settled[name] = numbers
    if not settled:
        return raw
    return replace(
        raw,
        numbers=np.concatenate([raw.numbers, np.stack(list(settled.values()), axis=1)], axis=1),
        names=[*raw.names, *settled],
        texts={name: values for name, values in raw.texts.items() if name not in settled},
    )


def _parse_numbers(values: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """float32 (n,), NaN where missing; and the positions of values that are not numbers."""
    numbers = np.full(len(values), np.nan, dtype=np.float32)
    wrong = []
    for i, value in enumerate(values):
        if value is None:
            continue
        truth = TRUTH.get(value.strip().lower())
        try:
            numbers[i] = float(value.replace("_", "?")) if truth is None else truth
        except ValueError:
            wrong.append(i)
    return numbers, wrong


def take_row_names(raw: RawTable) -> RawTable:
    """If nothing names the rows yet, the first text column without repeated values does.

    Raises:
        DeepMapperError: no column is left to learn from.
    """
    unique = (c for c, values in raw.texts.items() if len(set(values) - {None}) == len(values))
    name = next(unique, None)
    if raw.named_by is not None or name is None:
        return raw
    if len(raw.texts) + len(raw.names) == 1:
        message = f"{raw.where} has no feature: its column {name!r} only names the rows"
        raise DeepMapperError(message)
    return replace(
        raw,
        texts={column: values for column, values in raw.texts.items() if column != name},
        row_names=raw.texts[name],
        ignored=(*raw.ignored, name),
        named_by=name,
    )


def is_missing(value: object) -> bool:
    """Whether a label is missing."""
    return value is None or (isinstance(value, float | np.floating) and bool(np.isnan(value)))


def parse_labels(values: np.ndarray, where: str) -> np.ndarray:
    """Labels (n,): int64 if all are whole numbers, bool if all are, else str.

    Raises:
        DeepMapperError: missing labels; measured numbers, which are not classes.
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
    """DeepMapperError: one class, a class with one sample, labels that name the rows."""
    classes, counts = np.unique(y, return_counts=True)
    problem = None
    if len(classes) == 1:
        problem = (
            f"all {len(y)} rows have the label {classes[0]!r}; classification needs two classes "
            f"or more (`deepmapper embed` needs none)"
        )
    elif len(classes) > max(2, N_CLASSES_LIKE_ROWS * len(y)):
        problem = (
            f"the label has {len(classes)} different values in {len(y)} rows: it looks like the "
            f"name of a row, not like a class; choose another label"
        )
    elif counts.min() < 2:
        problem = (
            f"classes with one sample: {listed(classes[counts == 1].tolist())}; each class needs "
            f"two or more, to learn from and to test: remove or merge them"
        )
    if problem is not None:
        message = f"{where}: {problem}"
        raise DeepMapperError(message)


@dataclass(frozen=True)
class Survey:
    """Counts of the values of a matrix (n, p).

    n_missing, n_infinite, n_nonzero: (p,), values a column (missing ones are not nonzero).
    row_missing, row_nonzero: (n,), values a row.
    """

    n_missing: np.ndarray
    n_infinite: np.ndarray
    n_nonzero: np.ndarray
    row_missing: np.ndarray
    row_nonzero: np.ndarray


def survey(matrix: Matrix) -> Survey:
    """Count missing, infinite and nonzero values; of dense matrices in blocks of rows."""
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
    for part in blocks(matrix):
        block = dense(matrix, part).numpy()
        missing = np.isnan(block)
        nonzero = (block != 0) & ~missing
        column_counts += (missing.sum(0), np.isinf(block).sum(0), nonzero.sum(0))
        row_counts[:, part] = (missing.sum(1), nonzero.sum(1))
    return Survey(*column_counts, *row_counts)


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


def refuse_missing(raw: RawTable, seen: Survey) -> None:
    """DeepMapperError that names the columns with missing values and how many there are."""
    counts = dict(zip(raw.names, seen.n_missing.tolist(), strict=True))
    counts |= {name: sum(v is None for v in values) for name, values in raw.texts.items()}
    worst = sorted(
        ((name, count) for name, count in counts.items() if count), key=lambda item: -item[1]
    )
    if worst:
        shown = ", ".join(f"{name!r} ({count})" for name, count in worst[:10])
        more = f" ... ({len(worst)} columns in all)" if len(worst) > 10 else ""
        message = (
            f"{raw.where}: {sum(counts.values())} values are missing, in the columns "
            f"{shown}{more}; choose what to do with them: missing='median', 'zero' or 'drop-rows' "
            f"(--missing ...)"
        )
        raise DeepMapperError(message)


@dataclass(frozen=True)
class DroppedRows:
    """Names of rows left out: all values zero or missing; a value missing; no label."""

    blank: tuple[str, ...] = ()
    incomplete: tuple[str, ...] = ()
    unlabelled: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        return len(self.blank) + len(self.incomplete) + len(self.unlabelled)


def drop_rows(raw: RawTable, missing: str, *, training: bool) -> tuple[RawTable, DroppedRows]:
    """The table without the rows that cannot be used, and their names.

    Args:
        missing: if it is "drop-rows", rows with a missing value or label are dropped; columns that
            are missing throughout do not count.
        training: whether blank rows are dropped, too (new rows are all predicted).

    Raises:
        DeepMapperError: no row is left.
    """
    seen = survey(raw.numbers)
    n = raw.n_samples
    columns = [[value is None for value in column] for column in raw.texts.values()]
    absent = np.array(columns, dtype=bool).reshape(len(columns), n)  # texts
    blank = unlabelled = incomplete = np.zeros(n, dtype=bool)
    if training:
        empty = (seen.row_missing == len(raw.names)) & absent.all(0)
        zeros = (seen.row_nonzero == 0) & (not raw.texts) & (len(raw.names) >= NARROW)
        blank = empty | zeros
    if missing == "drop-rows":
        if raw.labels is not None:
            unlabelled = np.array([is_missing(label) for label in raw.labels]) & ~blank
        n_throughout = int((seen.n_missing == n).sum())
        holes = absent[~absent.all(1)] if training else absent
        incomplete = (seen.row_missing > n_throughout * training) | holes.any(0)
        incomplete &= ~blank & ~unlabelled
    gone = blank | unlabelled | incomplete
    if gone.all():
        message = (
            f"{raw.where}: no row is left: {blank.sum()} are empty or all zero, "
            f"{incomplete.sum()} have missing values, {unlabelled.sum()} have no label"
        )
        raise DeepMapperError(message)
    groups = (tuple(raw.row_names[group].tolist()) for group in (blank, incomplete, unlabelled))
    return raw.take(np.flatnonzero(~gone)), DroppedRows(*groups)
