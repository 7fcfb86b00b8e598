"""Values learnt from the training rows of a table and applied to every later one.

A category becomes one feature per level, "column=level", 0 or 1. Codes 0, 1, 2, ... would imply an
order. A column of many levels keeps the frequent ones and puts the others into "column=other". A
level that is not in the training rows counts as other. Without "other", all of the column's
features are 0 for it, and such rows are counted.
"""

import re
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy import sparse

from deepmapper.errors import DeepMapperError
from deepmapper.images._rows import RowsOnDisk, is_on_disk, split_rows
from deepmapper.tables._cleaning import (
    DroppedRows,
    drop_rows,
    parse_labels,
    refuse_infinities,
    refuse_missing,
)
from deepmapper.tables._raw import (
    Matrix,
    Plan,
    Planner,
    RawTable,
    ReadOptions,
    check_column,
    check_names,
    copy_part,
    is_sparse,
    list_names,
    take,
)
from deepmapper.tables._roles import is_id_name

MISSING_MODES = ("error", "median", "zero", "drop-rows")
MAX_LEVELS = 32  # features a category may become
OTHER = "other"
VERSION = re.compile(r"(?<=\d)\.\d+$")  # of Ensembl's ids: ENSG00000141510.16
MAX_NAME_COLUMNS = 10  # extra columns of a new table that are read to find the names of its rows
COLUMN_BLOCK = 1024  # columns whose medians are taken at once


@dataclass(frozen=True)
class PreparedTable:
    """A table to train on or to predict.

    Parameters
    ----------
    X : float32 of shape (n_samples, n_features)
        Without missing values: an array, memory-mapped, CSR or `RowsOnDisk`.
    y : array of shape (n_samples,) or None
        The labels.
    features : list of str
    row_names : array of shape (n_samples,)
    dropped : DroppedRows
        The rows that were left out.
    unseen : dict of str to int
        For each column, the number of rows with a category that is not in the training rows.
    """

    X: Matrix
    y: np.ndarray | None
    features: list[str]
    row_names: np.ndarray
    dropped: DroppedRows = field(default_factory=DroppedRows)
    unseen: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Preparation:
    """How a table's columns become features. See the head of this file.

    Parameters
    ----------
    numbers : tuple of str
        Numeric columns in use, in the order of the features.
    levels : dict of str to tuple of str
        Categories of each text column in use, the most frequent first.
    with_other : tuple of str
        Text columns that have a feature for all other categories.
    ignored : tuple of str
        Columns that are not read: label, row names, those left out.
    row_names : str or None
        The column that names the rows.
    zero_columns, empty_columns : tuple of str
        Columns that are all zero, or without any value, in the training rows. Not read either.
    missing : {"error", "median", "zero", "drop-rows"}
        Treatment of missing values.
    marks : tuple of str
        Marks of a missing value in text files, besides the usual ones.
    medians : tuple of float or None
        Of `numbers`. None if the table is sparse or larger than memory. Texts get their most
        frequent level.
    layer : str or None
        The layer of an AnnData file in place of X.
    """

    numbers: tuple[str, ...]
    levels: dict[str, tuple[str, ...]]
    with_other: tuple[str, ...]
    ignored: tuple[str, ...]
    row_names: str | None
    zero_columns: tuple[str, ...]
    empty_columns: tuple[str, ...]
    missing: str
    marks: tuple[str, ...] = ()
    medians: tuple[float, ...] | None = None
    layer: str | None = None

    @property
    def features(self) -> list[str]:
        """Names of the features: numeric columns, then the levels of each text column."""
        names = list(self.numbers)
        for column, levels in self.levels.items():
            names += [f"{column}={level}" for level in levels]
            if column in self.with_other:
                names.append(f"{column}={OTHER}")
        return names

    def planner(
        self,
        row_names: str | None = None,
        leave_out: Sequence[str] = (),
        ignore_versions: bool = False,
    ) -> Planner:
        """A `Planner` for new tables: columns by name, in any order.

        Missing columns are refused. Extra ones are no features, with a warning. A few of them are
        read as text if the table does not have the column that names the rows in training.

        Parameters
        ----------
        row_names : str, default=None
            The column that names the rows. Default: as in training.
        leave_out : sequence of str, default=()
            Columns that are not read.
        ignore_versions : bool, default=False
            Match ENSG00000141510.16 with ENSG00000141510 or another version of it.

        Returns
        -------
        Planner
        """
        wanted = [*self.numbers, *self.levels]

        def plan(names: list[str], label_names: list[str], where: str) -> Plan:
            if row_names is not None:
                check_column(row_names, names, where, "names of the rows")
            for name in leave_out:
                check_column(name, names, where, "columns to leave out")
            present = [name for name in names if name not in leave_out]
            matched = _match(wanted, present, where, ignore_versions)
            absent = [name for name in wanted if name not in matched]
            used = set(matched.values())
            known = {*self.ignored, *self.zero_columns, *self.empty_columns, row_names}
            unused = [
                name
                for name in present
                if name not in used and (name not in known or is_id_name(name))
            ]
            extra = [name for name in unused if not is_id_name(name)]
            if absent:
                raise self._absent(absent, present, extra, where)
            if extra:
                warnings.warn(
                    f"{where}: columns that the training table does not have are no features: "
                    f"{list_names(extra)}",
                    stacklevel=2,
                )
            named_by = self.row_names if row_names is None else row_names
            has_names = named_by in set(names)
            candidates = []
            if not has_names and names == label_names:  # a text or Parquet file
                unused.sort(key=lambda name: not is_id_name(name))
                candidates = unused[:MAX_NAME_COLUMNS]
            return Plan(
                [*(matched[name] for name in wanted), *candidates],
                row_names=named_by if has_names else None,
                texts=frozenset([*(matched[name] for name in self.levels), *candidates]),
            )

        return plan

    def with_missing(self, missing: str) -> "Preparation":
        """Change the treatment of missing values.

        Parameters
        ----------
        missing : {"error", "median", "zero", "drop-rows"}

        Returns
        -------
        Preparation

        Raises
        ------
        DeepMapperError
            Another value, or "median" if no medians were learnt.
        """
        if missing not in MISSING_MODES:
            message = f"missing is one of {', '.join(MISSING_MODES)}; got {missing!r}"
            raise DeepMapperError(message)
        if missing == "median" and self.medians is None:
            message = (
                "the model has no medians of its training rows, because its table was sparse or on "
                "disk. Choose zero or drop-rows"
            )
            raise DeepMapperError(message)
        return replace(self, missing=missing)

    def rename(self, raw: RawTable) -> RawTable:
        """Give columns that match without their version the names of the model.

        Parameters
        ----------
        raw : RawTable

        Returns
        -------
        RawTable
        """
        columns = [*raw.names, *raw.texts]
        matched = _match([*self.numbers, *self.levels], columns, raw.where, ignore_versions=True)
        names = {column: name for name, column in matched.items()}
        texts = {names.get(column, column): values for column, values in raw.texts.items()}
        return replace(raw, names=[names.get(name, name) for name in raw.names], texts=texts)

    def _absent(
        self, absent: list[str], present: list[str], extra: list[str], where: str
    ) -> DeepMapperError:
        """The error that features are missing, with the likely cause."""
        hint = "The order does not matter, the names do"
        lower = {name.lower() for name in present}
        if set(map(_without_version, absent)) & set(map(_without_version, present)):
            hint = "Names match without the version suffix: use --ignore-versions"
        elif any(name.lower() in lower for name in absent):
            hint = "Some names differ in capitals only: rename them"
        elif len(absent) == len(self.numbers) + len(self.levels):
            hint = "If the samples are in columns, use --transpose"
        unknown = f"; {len(extra)} columns are unknown: {list_names(extra)}" if extra else ""
        message = (
            f"{where} does not have the columns that the model was trained on: {len(absent)} "
            f"features of the model are missing: {list_names(absent)}{unknown}. {hint}"
        )
        return DeepMapperError(message)

    def apply(self, raw: RawTable) -> PreparedTable:
        """Turn a table into features.

        Parameters
        ----------
        raw : RawTable

        Returns
        -------
        PreparedTable

        Raises
        ------
        DeepMapperError
            Missing values (if `missing` is "error"), infinite values, a table without rows.
        """
        raw, dropped = self._select(raw), DroppedRows()
        if self.missing == "drop-rows":
            raw, dropped = drop_rows(raw, self.missing, training=False)
        refuse_infinities(raw)
        if self.missing == "error":
            refuse_missing(raw)
        X = raw.numbers
        if raw.survey.n_missing.any():
            X = self._fill(X, raw.where)
        unseen: dict[str, int] = {}
        if self.levels:
            X = np.concatenate([X, self._indicators(raw, unseen)], axis=1)
        y = None if raw.labels is None else parse_labels(raw.labels, raw.where)
        return PreparedTable(X, y, self.features, raw.row_names, dropped, unseen)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Preparation":
        """Make a preparation of the values of its fields in JSON.

        Parameters
        ----------
        data : dict
            By the names of the fields. Other fields, or values of other types, are refused.

        Returns
        -------
        Preparation
        """
        try:
            names = ("numbers", "with_other", "ignored", "zero_columns", "empty_columns", "marks")
            values: dict[str, Any] = {name: _strings(data[name]) for name in names}
            values["levels"] = {str(c): _strings(levels) for c, levels in data["levels"].items()}
            if data["medians"] is not None:
                values["medians"] = tuple(float(value) for value in data["medians"])
            preparation = cls(**(data | values))
            if preparation.missing not in MISSING_MODES or (
                preparation.medians is not None
                and len(preparation.medians) != len(preparation.numbers)
            ):
                message = "its fields do not fit together"
                raise ValueError(message)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            message = f"the preparation of the table cannot be read: {error!r}"
            raise DeepMapperError(message) from error
        return preparation

    def _select(self, raw: RawTable) -> RawTable:
        """Select the columns in use, in their order."""
        texts = {name: raw.texts[name] for name in self.levels}
        if list(self.numbers) == raw.names:
            return replace(raw, texts=texts)
        place = {name: i for i, name in enumerate(raw.names)}
        columns = np.array([place[name] for name in self.numbers], dtype=np.int64)
        numbers = take(raw.numbers, np.arange(raw.n_samples), columns)
        return replace(raw, numbers=numbers, names=list(self.numbers), texts=texts)

    def _fill(self, X: Matrix, where: str) -> Matrix:
        """Fill missing values, in place if X is writable."""
        if is_sparse(X) and self.missing == "median":
            message = (
                f"{where} is sparse and has missing values: the median of a sparse column is "
                f"mostly zero; use missing='zero' (--missing zero)"
            )
            raise DeepMapperError(message)
        if sparse.issparse(X):
            data = np.nan_to_num(X.data, nan=0.0)
            return sparse.csr_matrix((data, X.indices, X.indptr), shape=X.shape)
        if isinstance(X, RowsOnDisk) or not X.flags.writeable:
            X = copy_part(X, np.arange(X.shape[0]), np.arange(X.shape[1]))
        fills = np.array(self.medians if self.missing == "median" else [0] * X.shape[1], np.float32)
        for rows in split_rows(X):
            block = X[rows]
            np.copyto(block, fills, where=np.isnan(block))
        return X

    def _indicators(self, raw: RawTable, unseen: dict[str, int]) -> np.ndarray:
        """float32 (n_samples, n_levels of all text columns). Counts unseen levels."""
        out = np.zeros((raw.n_samples, len(self.features) - len(self.numbers)), dtype=np.float32)
        start = 0
        for column, levels in self.levels.items():
            code = {level: start + i for i, level in enumerate(levels)}
            start += len(levels)
            other = start if column in self.with_other else None
            start += other is not None
            for row, value in enumerate(raw.texts[column]):
                if value is None and self.missing == "zero":
                    continue
                place = code.get(levels[0] if value is None else value, other)
                if place is not None:
                    out[row, place] = 1.0
                if value is not None and value not in code and other is None:
                    unseen[column] = unseen.get(column, 0) + 1
        return out


def learn(raw: RawTable, missing: str, options: ReadOptions) -> Preparation:
    """Learn from the training rows: columns in use, levels of text columns, medians.

    Refused: a text column that differs in each row, no feature left, two features of one name.
    """
    empty = raw.survey.n_missing == raw.n_samples
    zero = (raw.survey.n_nonzero == 0) & ~empty
    numbers = [name for name, out in zip(raw.names, zero | empty, strict=True) if not out]
    levels, with_other = _learn_levels(raw)
    empty_texts = [name for name in raw.texts if name not in levels]
    has_medians = missing == "median" or (
        isinstance(raw.numbers, np.ndarray) and not is_on_disk(raw.numbers)
    )
    preparation = Preparation(
        tuple(numbers),
        levels,
        with_other,
        raw.ignored,
        raw.named_by,
        tuple(np.array(raw.names, dtype=object)[zero]),
        (*np.array(raw.names, dtype=object)[empty], *empty_texts),
        missing,
        options.marks,
        tuple(_medians(raw.numbers, ~(zero | empty))) if has_medians else None,
        options.layer,
    )
    if not preparation.features:
        message = (
            f"{raw.where} has no feature left: {int(zero.sum())} columns are all zero, "
            f"{int(empty.sum()) + len(empty_texts)} are empty"
        )
        raise DeepMapperError(message)
    check_names(preparation.features, raw.where)
    return preparation


def _learn_levels(raw: RawTable) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    levels: dict[str, tuple[str, ...]] = {}
    with_other = []
    for name, values in raw.texts.items():
        counts = Counter(value for value in values if value is not None)
        if len(counts) > max(MAX_LEVELS, counts.total() / 2):
            message = (
                f"{raw.where}: the text column {name!r} has {len(counts)} different values in "
                f"{counts.total()} rows: it looks like row names or free text. Leave it out "
                f"(--drop {name}) or use it as row names (--row-names {name})"
            )
            raise DeepMapperError(message)
        ordered = sorted(counts, key=lambda level: (-counts[level], level))
        if len(ordered) > MAX_LEVELS:
            ordered = [level for level in ordered if level != OTHER][: MAX_LEVELS - 1]
            with_other.append(name)
        if ordered:
            levels[name] = tuple(ordered)
    return levels, tuple(with_other)


def _medians(matrix: Matrix, used: np.ndarray) -> list[float]:
    """The median of each column in use without missing values, by blocks of columns."""
    columns = np.flatnonzero(used)
    if is_sparse(matrix):
        return [0.0] * len(columns)  # refused if one is needed
    rows = np.arange(matrix.shape[0])
    medians: list[float] = []
    for start in range(0, len(columns), COLUMN_BLOCK):
        block = copy_part(matrix, rows, columns[start : start + COLUMN_BLOCK])
        median = np.nanmedian if np.isnan(block).any() else np.median  # the first is slow
        medians += median(block, axis=0).tolist()
    return medians


def _match(
    wanted: list[str], present: list[str], where: str, ignore_versions: bool
) -> dict[str, str]:
    """The column of each feature of the model, for features that have one."""
    in_table = set(present)
    matched = {name: name for name in wanted if name in in_table}
    if ignore_versions:
        stems = [_without_version(name) for name in present]
        check_names(stems, f"{where} (without versions)")
        column = dict(zip(stems, present, strict=True))
        for name in wanted:
            if _without_version(name) in column:
                matched.setdefault(name, column[_without_version(name)])
    return matched


def _without_version(name: str) -> str:
    return VERSION.sub("", name)


def _strings(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list | tuple) or not all(isinstance(v, str) for v in values):
        message = f"expected a list of names, got {values!r:.80}"
        raise TypeError(message)
    return tuple(values)
