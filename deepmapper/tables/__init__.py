"""Read a table from a file, check and clean it, and turn it into numbers.

_detection    which reader a file needs, by its first bytes
_raw          content of a file: numbers, text columns, labels, row names (.npy files)
_delimited, _parquet, _h5ad, _tenx     one format each: file -> _raw (text: also _text_format)
_numbers      numbers as people write them: decimal commas, thousands separators
_reading      the reader of a file
_labels       labels and groups of the rows, also of another file
_splitting    training rows and test rows
_roles        ids that are no features, genes in rows, copies of the label
_cleaning     checks before learning: text columns, labels, rows without content
_preparation  values learnt from the training rows and applied to every later table

If only Python can read the file of a table (an `h5py.Dataset`, the X of an AnnData opened with
`backed="r"`), give it to the estimators as `RowsOnDisk(X)`.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
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
    refuse_infinities,
    refuse_missing,
)
from deepmapper.tables._labels import add_groups, add_labels
from deepmapper.tables._preparation import MISSING_MODES, Preparation, PreparedTable, learn
from deepmapper.tables._raw import ReadOptions, training_plan
from deepmapper.tables._reading import read_file
from deepmapper.tables._roles import (
    name_new_rows,
    note_dates,
    note_orientation,
    note_separating,
    separate_ids,
)
from deepmapper.tables._splitting import note_shared_ids, split_classes, split_groups

__all__ = [
    "Preparation",
    "PreparedTable",
    "RowsOnDisk",
    "TrainingTables",
    "read_new",
    "read_training",
]


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
    ids : tuple of str
        Columns that were left out because they name or number the rows.
    notes : tuple of str
        What the reader has to know: warnings of reading.
    """

    train: PreparedTable
    test: PreparedTable | None
    preparation: Preparation
    dropped: DroppedRows
    n_rows: int
    n_columns: int
    ids: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_training(
    path: str | Path,
    *,
    label: str | None = None,
    labels: str | Path | None = None,
    row_names: str | None = None,
    leave_out: Sequence[str] = (),
    keep: Sequence[str] = (),
    missing: str = "error",
    marks: Sequence[str] = (),
    transpose: bool = False,
    layer: str | None = None,
    groups: str | None = None,
    test_fraction: float = 0.0,
    random_state: int = 0,
) -> TrainingTables:
    """Read a table from text, Parquet, AnnData, 10x or numpy files, and prepare it.

    Parameters
    ----------
    path : str or Path
        Text (CSV, TSV, GCT, GEO series matrix; also .gz, .bz2, .xz, .zip), Parquet (a file or a
        folder), .h5ad, 10x (.h5 or a folder) or .npy. A .npy file of float32, and the X of an
        .h5ad file of more than 2 GiB, stay on disk.
    label : str, default=None
        The column of the label (in .h5ad a column of obs). Default: no label.
    labels : str or Path, default=None
        A file with the labels: a .npy vector in the order of the rows, or a table with the column
        `label`. If both tables name their rows, labels are matched by name.
    row_names : str, default=None
        The column that names the rows. Default: a first column without a header, else the first
        id (see `keep`) or text column without repeated values.
    leave_out : sequence of str, default=()
        Columns that are not features.
    keep : sequence of str, default=()
        Columns to use as features although they look like ids: their name is "id", "sample" or
        the like, or they hold whole numbers that rise by one.
    missing : {"error", "median", "zero", "drop-rows"}, default="error"
        Treatment of missing values. "median" is that of the training rows. For text it is the most
        frequent level.
    marks : sequence of str, default=()
        Marks of a missing value in text files, besides the usual ones.
    transpose : bool, default=False
        Whether the file has features in rows and samples in columns.
    layer : str, default=None
        The layer of an AnnData file to read in place of X, or "raw".
    groups : str, default=None
        The column of persons or batches with several rows, in the table or in the file of the
        labels. It is no feature, and the rows of a group are all for training or all for testing.
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
    path, options = Path(path), ReadOptions(tuple(marks), transpose, layer)
    planner = training_plan(label if labels is None else None, row_names, leave_out, keep)
    with _collect_notes() as notes:
        raw = separate_ids(convert_text(read_file(path, planner, options)), keep)
        if not transpose:
            note_orientation(raw)
        note_dates(raw)
        if labels is not None:
            raw = add_labels(raw, Path(labels), label)
        if groups is not None:
            raw = add_groups(raw, path, labels, groups, options)
        n_rows, n_columns = raw.n_samples, len(raw.names) + len(raw.texts) + len(raw.ids)
        raw, dropped = drop_rows(raw, missing, training=True)
        refuse_infinities(raw)
        if missing == "error":
            refuse_missing(raw, training=True)
        train_rows, test_rows = np.arange(raw.n_samples), np.empty(0, dtype=np.int64)
        if raw.labels is not None:
            y = parse_labels(raw.labels, raw.where)
            check_labels(y, raw.where)
            note_separating(raw, y)
            train_rows, test_rows = (
                split_classes(y, test_fraction, random_state)
                if groups is None
                else split_groups(y, raw.ids[groups], test_fraction, random_state, raw.where)
            )
            note_shared_ids(raw, train_rows, test_rows)
            if test_fraction and not len(test_rows):
                warnings.warn(
                    f"{raw.where}: no rows were separated for testing, because each class needs "
                    f"one on both sides and test_fraction is {test_fraction}",
                    stacklevel=2,
                )
    training = raw.take(train_rows)
    preparation = learn(training, missing, options)
    test = preparation.apply(raw.take(test_rows)) if len(test_rows) else None
    train = preparation.apply(training)
    return TrainingTables(
        train, test, preparation, dropped, n_rows, n_columns, tuple(raw.ids), tuple(notes)
    )


def read_new(
    path: str | Path,
    preparation: Preparation,
    *,
    row_names: str | None = None,
    leave_out: Sequence[str] = (),
    missing: str | None = None,
    marks: Sequence[str] = (),
    transpose: bool = False,
    layer: str | None = None,
    ignore_versions: bool = False,
) -> PreparedTable:
    """Read a table to predict. Columns are matched by name, in any order.

    Every row is kept, except rows with a missing value under missing="drop-rows". Columns that the
    training table did not have are ignored with a warning.

    Parameters
    ----------
    path : str or Path
    preparation : Preparation
        Of the training table.
    row_names, leave_out, transpose
        As in `read_training`, for this file.
    missing : {"error", "median", "zero", "drop-rows"}, default=None
        Default: as in training. Medians are those of the training rows.
    marks, layer
        As in `read_training`. Default: as in training.
    ignore_versions : bool, default=False
        Match ENSG00000141510.16 with ENSG00000141510 or another version of it.

    Returns
    -------
    PreparedTable

    Raises
    ------
    DeepMapperError
        Features are missing, or an error of `read_training`.
    """
    if missing is not None:
        preparation = preparation.with_missing(missing)
    options = ReadOptions(
        (*preparation.marks, *marks), transpose, layer if layer is not None else preparation.layer
    )
    planner = preparation.planner(row_names, leave_out, ignore_versions)
    raw = read_file(Path(path), planner, options)
    if ignore_versions:
        raw = preparation.rename(raw)
    features = {*preparation.numbers, *preparation.levels}
    raw = name_new_rows(raw, features, preparation.row_names)
    return preparation.apply(convert_text(raw, frozenset(preparation.levels)))


@contextmanager
def _collect_notes() -> Iterator[list[str]]:
    """Collect the warnings of a block. They are shown as well, after it."""
    notes: list[str] = []
    with warnings.catch_warnings(record=True) as records:
        warnings.simplefilter("always", UserWarning)
        yield notes
    for record in {str(record.message): record for record in records}.values():
        if record.category is UserWarning:
            notes.append(str(record.message))
        warnings.warn_explicit(record.message, record.category, record.filename, record.lineno)
