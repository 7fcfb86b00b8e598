"""Checks of a table before learning: text columns, labels, rows without content.

Paper: Methods 3-4 ("Remove all zero or empty rows and columns").
"""

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from deepmapper.errors import DeepMapperError
from deepmapper.tables._numbers import TextNumbers, choose_styles
from deepmapper.tables._raw import RawTable, list_names

N_CLASSES_LIKE_ROWS = 0.5  # labels with more values than this share of the rows are row names
LARGEST_INTEGER = 2**53  # beyond it a float rounds
N_COLUMNS_SHOWN = 5  # in an error
# A row of zeros is an observation in a narrow table and a failed sample in a wide one.
NARROW = 16


def strip_blanks(raw: RawTable) -> RawTable:
    """Cut the blanks around labels, row names, texts and ids: "tumor " is "tumor"."""

    def strip(values: np.ndarray) -> np.ndarray:
        stripped = [value.strip() if isinstance(value, str) else value for value in values]
        return np.array(stripped, dtype=object)

    return replace(
        raw,
        texts={name: strip(values) for name, values in raw.texts.items()},
        written={name: strip(values) for name, values in raw.written.items()},
        row_names=strip(raw.row_names),
        labels=strip(raw.labels)
        if raw.labels is not None and raw.labels.dtype == object
        else raw.labels,
    )


def convert_text(raw: RawTable, texts: frozenset[str] | None = None) -> RawTable:
    """Move text columns that hold numbers (true and false: 1 and 0) to the numbers.

    `texts` names the columns that are categories in any case: all others must be numbers. By
    default the values decide: a column holds numbers if all values are, and categories if fewer
    than half look like numbers. A column between these limits is refused.
    """
    columns: dict[str, TextNumbers] = {}
    mistakes = []
    for name, values in raw.texts.items():
        if texts is not None and name in texts:
            continue
        column = TextNumbers(values)
        if column.is_plain or column.styles:
            columns[name] = column
        elif texts is not None or column.is_measured:
            mistakes.append((name, column.wrong()))
    if mistakes:
        raise _not_numbers(raw, mistakes, may_drop=texts is None)
    if not columns:
        return raw
    styles = choose_styles(columns, raw)
    converted = [column.to_numbers(styles.get(name)) for name, column in columns.items()]
    return replace(
        raw,
        numbers=np.concatenate([raw.numbers, np.stack(converted, axis=1)], axis=1),
        names=[*raw.names, *columns],
        texts={name: values for name, values in raw.texts.items() if name not in columns},
    )


def _not_numbers(
    raw: RawTable, mistakes: list[tuple[str, list[int]]], *, may_drop: bool
) -> DeepMapperError:
    """The error that lists values which are not numbers, column by column."""
    parts = []
    for name, wrong in mistakes[:N_COLUMNS_SHOWN]:
        values = raw.texts[name]
        shown = ", ".join(f"{values[i]!r} (row {raw.row_names[i]})" for i in wrong[:5])
        n_present = sum(value is not None for value in values)
        dots = " ..." if len(wrong) > 5 else ""
        parts.append(
            f"column {name!r} holds numbers, but {len(wrong)} of its {n_present} values are not "
            f"numbers: {shown}{dots}"
        )
    more = len(mistakes) - len(parts)
    if more:
        parts.append(f"{more} more columns: {list_names([name for name, _ in mistakes[-more:]])}")
    drop = "leave the column out (--drop COLUMN), " if may_drop else ""
    message = (
        f"{raw.where}: {'; '.join(parts)}. Correct the values, {drop}or name the mark of a missing "
        f"value (--na MARK)"
    )
    return DeepMapperError(message)


def parse_labels(values: np.ndarray, where: str) -> np.ndarray:
    """Labels (n,): int64 if all are whole numbers, bool if all are bool, else str.

    Missing labels are refused. So are measured numbers, which are not classes.
    """
    absent = np.flatnonzero(pd.isna(values))
    if len(absent):
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
        return np.array([str(value) for value in values])  # 007 and 1e3 are kept as text
    return numbers.astype(np.int64)


def check_labels(y: np.ndarray, where: str) -> None:
    """Refuse one class, a class with one sample, and labels that name the rows."""
    classes, counts = np.unique(y, return_counts=True)
    problem = None
    if len(classes) < 2:
        problem = (
            f"all {len(y)} rows have the label {', '.join(map(repr, classes.tolist()))}; "
            f"classification needs two classes or more (`deepmapper embed` works without labels)"
        )
    elif len(classes) > max(2, N_CLASSES_LIKE_ROWS * len(y)):
        problem = (
            f"the label has {len(classes)} different values in {len(y)} rows: it looks like the "
            f"name of a row, not like a class; choose another label"
        )
    elif counts.min() < 2:
        problem = (
            f"classes with one sample: {list_names(classes[counts == 1].tolist())}; each class "
            f"needs at least two, to learn from and to test: remove or merge them"
        )
    if problem is not None:
        message = f"{where}: {problem}"
        raise DeepMapperError(message)


def refuse_infinities(raw: RawTable) -> None:
    """Raise DeepMapperError that names the columns with infinite values."""
    n_infinite = raw.survey.n_infinite
    bad = np.flatnonzero(n_infinite)
    if len(bad):
        message = (
            f"{raw.where}: {int(n_infinite.sum())} values are infinite (or too large for "
            f"float32), in the columns {list_names([raw.names[i] for i in bad])}; correct them, or "
            f"leave them empty and set `missing`"
        )
        raise DeepMapperError(message)


def refuse_missing(raw: RawTable, *, training: bool = False) -> None:
    """Raise DeepMapperError that lists the columns with missing values.

    In training, columns without any value do not count: they are left out.
    """
    counts = Counter(dict(zip(raw.names, raw.survey.n_missing.tolist(), strict=True)))
    counts.update({name: sum(v is None for v in values) for name, values in raw.texts.items()})
    if training:
        counts = Counter({name: n for name, n in counts.items() if n < raw.n_samples})
    if counts.total():
        worst = [f"{name!r} ({count})" for name, count in counts.most_common(10) if count]
        message = (
            f"{raw.where}: {counts.total()} values are missing, most of them in the columns "
            f"{', '.join(worst)}; choose missing='median', 'zero' or 'drop-rows' (--missing ...)"
        )
        raise DeepMapperError(message)


@dataclass(frozen=True)
class DroppedRows:
    """Names of the rows left out.

    blank: all values are zero or missing.
    incomplete: a value is missing.
    unlabelled: no label.
    """

    blank: tuple[str, ...] = ()
    incomplete: tuple[str, ...] = ()
    unlabelled: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        return len(self.blank) + len(self.incomplete) + len(self.unlabelled)


def drop_rows(raw: RawTable, missing: str, *, training: bool) -> tuple[RawTable, DroppedRows]:
    """Drop the rows that cannot be used, and return their names.

    missing="drop-rows" drops rows with a missing value or label. In training, blank rows are
    dropped too, and columns without any value do not count. New rows are all predicted. A table
    without any row left is refused.
    """
    survey, n = raw.survey, raw.n_samples
    columns = [[value is None for value in column] for column in raw.texts.values()]
    absent = np.array(columns, dtype=bool).reshape(len(columns), n)  # texts
    blank = unlabelled = incomplete = np.zeros(n, dtype=bool)
    if training:
        empty = (survey.row_missing == len(raw.names)) & absent.all(0)
        zeros = (survey.row_nonzero == 0) & (not raw.texts) & (len(raw.names) >= NARROW)
        blank = empty | zeros
    if missing == "drop-rows":
        if raw.labels is not None:
            unlabelled = pd.isna(raw.labels) & ~blank
        n_throughout = int((survey.n_missing == n).sum())
        holes = absent[~absent.all(1)] if training else absent
        incomplete = (survey.row_missing > n_throughout * training) | holes.any(0)
        incomplete &= ~blank & ~unlabelled
    is_dropped = blank | unlabelled | incomplete
    if is_dropped.all():
        message = (
            f"{raw.where}: no row is left: {blank.sum()} are empty or all zero, "
            f"{incomplete.sum()} have missing values, {unlabelled.sum()} have no label"
        )
        raise DeepMapperError(message)
    groups = (tuple(raw.row_names[group].tolist()) for group in (blank, incomplete, unlabelled))
    return raw.take(np.flatnonzero(~is_dropped)), DroppedRows(*groups)
