"""Read a table from a file, check and clean it, and turn it into numbers.

_detection    which reader a file needs, by its first bytes
_raw          content of a file: numbers, text columns, labels, row names (.npy files)
_delimited, _parquet, _h5ad, _tenx     one format each: file -> _raw (text: also _text_format)
_numbers      numbers as people write them: decimal commas, thousands separators
_roles        ids that are no features, genes in rows, copies of the label
_cleaning     checks before learning: text columns, labels, rows without content
_preparation  values learnt from the training rows and applied to every later table

If only Python can read the file of a table (an `h5py.Dataset`, the X of an AnnData opened with
`backed="r"`), give it to the estimators as `RowsOnDisk(X)`.
"""

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
    refuse_infinities,
    refuse_missing,
    strip_blanks,
)
from deepmapper.tables._detection import recognise
from deepmapper.tables._numbers import TextNumbers
from deepmapper.tables._preparation import MISSING_MODES, Preparation, PreparedTable, learn
from deepmapper.tables._raw import (
    Plan,
    Planner,
    RawTable,
    ReadOptions,
    check_column,
    list_names,
    row_numbers,
    training_plan,
    transpose_table,
)
from deepmapper.tables._roles import (
    are_mostly_different,
    holds_ids,
    name_new_rows,
    note_dates,
    note_orientation,
    note_separating,
    separate_ids,
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
        The column, in the file of the labels, of persons or batches with several rows. It is no
        feature, and the rows of a group are all for training or all for testing.
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
    plan_columns = training_plan(label if labels is None else None, row_names, leave_out, keep)

    def planner(names: list[str], label_names: list[str], where: str) -> Plan:
        plan = plan_columns(names, label_names, where)
        return replace(plan, features=[name for name in plan.features if name != groups])

    with _collect_notes() as notes:
        raw = separate_ids(convert_text(_read(path, planner, options)), keep)
        if not transpose:
            note_orientation(raw)
        note_dates(raw)
        if labels is not None:
            raw = _add_labels(raw, Path(labels), label)
        if groups is not None:
            raw = _add_groups(raw, path, labels, groups, options)
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
                _split_rows(y, test_fraction, random_state)
                if groups is None
                else _split_groups(y, raw.ids[groups], test_fraction, random_state, raw.where)
            )
            _note_shared_ids(raw, train_rows, test_rows)
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
    raw = _read(Path(path), planner, options)
    if ignore_versions:
        raw = preparation.rename(raw)
    features = {*preparation.numbers, *preparation.levels}
    raw = name_new_rows(raw, features, preparation.row_names)
    return preparation.apply(convert_text(raw, frozenset(preparation.levels)))


def _read(path: Path, planner: Planner, options: ReadOptions) -> RawTable:
    """Read a file or folder with the reader that its content needs."""
    reader = recognise(path)
    read = import_module(f"deepmapper.tables._{reader}").read
    if not options.transpose or reader == "delimited":
        return strip_blanks(read(path, planner, options))
    everything = separate_ids(convert_text(read(path, training_plan(None), options)))
    return transpose_table(everything, planner)


@contextmanager
def _collect_notes() -> Iterator[list[str]]:
    """Collect the warnings of a block. They are shown as well, after it."""
    notes: list[str] = []
    with warnings.catch_warnings(record=True) as records:
        warnings.simplefilter("always", UserWarning)
        yield notes
    for record in records:
        if record.category is UserWarning:
            notes.append(str(record.message))
        warnings.warn_explicit(record.message, record.category, record.filename, record.lineno)


def _add_labels(raw: RawTable, path: Path, column: str | None) -> RawTable:
    """Add the labels of another file: a `.npy` vector or a table's column.

    If a column of both tables has the same names, labels are matched by name, else by position
    with a warning.
    """
    is_vector = recognise(path) == "raw"
    labels, theirs = (
        (_read_label_vector(path), []) if is_vector else _read_label_column(path, column)
    )
    has_names = raw.named_by is not None
    ours = [*([raw.row_names] if has_names else []), *raw.ids.values(), *_name_columns(raw)]
    pairs = [(a, b) for a in ours for b in theirs]
    pair = max(pairs, key=_rate_pair, default=None)
    n_shared = 0 if pair is None else _rate_pair(pair)[0]
    if any(len(set(names) & set(raw.names)) > n_shared for names in theirs):
        message = (
            f"the names in {path} are columns of {raw.where}, not rows: the table has its samples "
            f"in columns. Transpose it (--transpose)"
        )
        raise DeepMapperError(message)
    if pair is not None and n_shared:
        return replace(raw, labels=_match_labels(raw.where, pair[0], labels, pair[1], path))
    names = next((b for b in theirs if _is_unique(b) and not TextNumbers(b).is_plain), None)
    is_numbered = np.array_equal(raw.row_names, row_numbers(raw.n_samples))
    if names is not None and has_names and not is_numbered:
        message = (
            f"no name of a row of {raw.where} is in {path}: for example {raw.row_names[0]!r} there "
            f"and {names[0]!r} here. Spell them alike, or give a file that has only the labels"
        )
        raise DeepMapperError(message)
    if len(labels) != raw.n_samples:
        message = f"{path} has {len(labels)} labels, {raw.where} has {raw.n_samples} rows"
        if len(labels) == len(raw.names):
            message += f" and {len(raw.names)} columns. If samples are in columns: --transpose"
        raise DeepMapperError(message)
    if not is_vector:
        warnings.warn(
            f"the labels of {path} were assigned by position: it has no column with the names of "
            f"the rows of {raw.where}. Check that both have the same order",
            stacklevel=3,
        )
    return replace(raw, labels=labels)


def _add_groups(
    raw: RawTable, path: Path, labels: str | Path | None, column: str, options: ReadOptions
) -> RawTable:
    """Add a column of the file of the labels to `RawTable.ids`. Each row needs a value."""

    def plan(names: list[str], label_names: list[str], where: str) -> Plan:
        check_column(column, label_names, where, "groups")
        return Plan([], column)

    if labels is None:
        values = _read(path, plan, options).labels
    elif recognise(Path(labels)) == "raw":
        message = f"{labels} has no columns: give the labels and {column!r} in a table (--labels)"
        raise DeepMapperError(message)
    else:
        values = _add_labels(raw, Path(labels), column).labels
    assert values is not None  # the plan names them
    texts = np.array([None if value is None else str(value) for value in values], dtype=object)
    if n_missing := sum(text is None for text in texts):
        message = (
            f"{labels or path}: {n_missing} of {len(texts)} rows have no value in the column of "
            f"groups {column!r}. Fill them, or remove these rows"
        )
        raise DeepMapperError(message)
    return replace(raw, ids={**raw.ids, column: texts})


def _is_unique(values: np.ndarray) -> bool:
    return len(set(values) - {None}) == len(values)


def _rate_pair(pair: tuple[np.ndarray, np.ndarray]) -> tuple[int, bool]:
    """The number of names in both columns, and whether no name repeats."""
    return len((set(pair[0]) & set(pair[1])) - {None}), _is_unique(pair[0]) and _is_unique(pair[1])


def _name_columns(table: RawTable) -> list[np.ndarray]:
    """Text columns that may name the rows: without repeats, an id, or mostly different texts."""
    return [
        values
        for name, values in table.texts.items()
        if _is_unique(values)
        or holds_ids(name, values)
        or (are_mostly_different(values) and not TextNumbers(values).is_plain)
    ]


def _match_labels(
    where: str, row_names: np.ndarray, labels: np.ndarray, names: np.ndarray, path: Path
) -> np.ndarray:
    """The labels in the order of the rows.

    Names that repeat, are missing or are only in one file are refused.
    """
    parts = []
    for file, own, others in ((where, row_names, names), (path, names, row_names)):
        counts, known = Counter(own), set(others)
        n_missing = counts.pop(None, 0)
        repeated = [name for name, count in counts.items() if count > 1]
        only = [name for name in counts if name not in known]
        parts += [f"{n_missing} rows of {file} have no name"] if n_missing else []
        groups = ((repeated, "more than once"), (only, "only"))
        parts += [f"{len(g)} {how} in {file}: {list_names(g)}" for g, how in groups if g]
    if parts:
        message = (
            f"the rows of {where} and of {path} cannot be matched by their names, "
            f"{'; '.join(parts)}. Each row needs a name of its own that is in both files. Correct "
            "the names or remove these rows, or give a file that has only the labels, in the same "
            "order"
        )
        raise DeepMapperError(message)
    position = {name: i for i, name in enumerate(names)}
    return labels[[position[name] for name in row_names]]


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


def _read_label_column(path: Path, column: str | None) -> tuple[np.ndarray, list[np.ndarray]]:
    """The labels, and the columns that may name the rows."""

    def plan(names: list[str], label_names: list[str], where: str) -> Plan:
        if column is not None:
            check_column(column, names, where, "label")
        elif len(names) > 1:
            message = (
                f"{where} has the columns {list_names(names)}; name the one with the label "
                f"(--label {names[-1]})"
            )
            raise DeepMapperError(message)
        others = [name for name in names if name != (column or names[0])]
        features = others if label_names == names else []  # in .h5ad they are the genes
        return Plan(features, column or names[0], texts=frozenset(features))

    table = _read(path, plan, ReadOptions())
    assert table.labels is not None  # the plan names one
    named = [] if table.named_by is None else [table.row_names]
    return table.labels, [*named, *_name_columns(table)]


def _note_shared_ids(raw: RawTable, train_rows: np.ndarray, test_rows: np.ndarray) -> None:
    """Warn if rows of one person or sample are in the training rows and in the test rows."""
    for name, values in raw.ids.items():
        n = len((set(values[train_rows]) & set(values[test_rows])) - {None})
        if n:
            warnings.warn(
                f"{raw.where}: {n} values of {name!r} are in training rows and in test rows. The "
                f"accuracy on new ones may be lower: keep each on one side with --groups {name}",
                stacklevel=3,
            )


def _split_groups(
    y: np.ndarray, groups: np.ndarray, fraction: float, random_state: int, where: str
) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the training rows and of the test rows. No group is on both sides.

    Every class has a training row, or DeepMapperError is raised.
    """
    everything, nothing = np.arange(len(y)), np.empty(0, dtype=np.int64)
    if fraction == 0:
        return everything, nothing
    from sklearn.model_selection import StratifiedGroupKFold

    n_classes, n_groups = len(np.unique(y)), len(np.unique(groups))
    n_folds = min(max(2, round(1 / fraction)), n_groups)
    if n_folds > 1:
        seed = stream_seed(random_state, "test") % 2**32
        folds = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
        with warnings.catch_warnings():  # a class in few groups: each division is checked below
            warnings.simplefilter("ignore", UserWarning)
            divisions = list(folds.split(everything[:, None], y, groups))
        divisions = [d for d in divisions if len(np.unique(y[d[0]])) == n_classes and len(d[1])]
        # the test rows with the most classes, then those nearest to the share asked for
        divisions.sort(key=lambda d: (-len(np.unique(y[d[1]])), abs(len(d[1]) - fraction * len(y))))
        if divisions:
            return divisions[0]
    message = (
        f"{where}: {n_groups} groups cannot be divided into training and test groups so that each "
        "of the classes is among the training rows. Leave --groups out, or set --test-fraction 0"
    )
    raise DeepMapperError(message)


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
    is_test = np.zeros(n, dtype=bool)
    is_test[next(split.split(np.zeros((n, 1)), y))[1]] = True
    rng = np.random.default_rng(seed)
    for label in np.unique(y):  # a rare class may be on one side only
        rows = np.flatnonzero(y == label)
        if is_test[rows].all() or not is_test[rows].any():
            row = rng.choice(rows)
            is_test[row] = not is_test[row]
    return np.flatnonzero(~is_test), np.flatnonzero(is_test)
