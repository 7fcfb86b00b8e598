"""Labels and groups of the rows, of the table or of another file."""

import warnings
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from deepmapper.errors import DeepMapperError
from deepmapper.tables._detection import recognise
from deepmapper.tables._numbers import TextNumbers
from deepmapper.tables._raw import (
    Plan,
    RawTable,
    ReadOptions,
    check_column,
    list_names,
    row_numbers,
    take,
)
from deepmapper.tables._reading import read_file
from deepmapper.tables._roles import are_mostly_different, holds_ids


def add_labels(raw: RawTable, path: Path, column: str | None, role: str = "label") -> RawTable:
    """Add the labels of another file: a `.npy` vector or a table's column.

    If a column of both tables has the same names, labels are matched by name, else by position
    with a warning.
    """
    is_vector = recognise(path) == "raw"
    labels, theirs = (
        (_read_label_vector(path), []) if is_vector else _read_label_column(path, column, role)
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


def add_groups(
    raw: RawTable, path: Path, labels: str | Path | None, column: str, options: ReadOptions
) -> RawTable:
    """Move a column from the features to `RawTable.ids`, or add it from the file of the labels.

    Each row needs a value.
    """

    def plan(names: list[str], label_names: list[str], where: str) -> Plan:
        check_column(column, label_names, where, "groups")
        return Plan([], column)

    source, used = str(path), [j for j, name in enumerate(raw.names) if name != column]
    if column == raw.named_by:
        values: np.ndarray | None = raw.row_names
    elif column in raw.ids:
        values = raw.ids[column]
    elif labels is None or column in raw.texts or len(used) < len(raw.names):
        values = read_file(path, plan, options).labels  # the text of numbers
    elif recognise(Path(labels)) == "raw":
        message = f"{path} has no column {column!r} for the groups, and {labels} has no columns"
        raise DeepMapperError(message)
    else:
        source, values = str(labels), add_labels(raw, Path(labels), column, "groups").labels
    assert values is not None  # the plan names them
    texts = np.array([None if value is None else str(value) for value in values], dtype=object)
    if n_missing := sum(text is None for text in texts):
        message = (
            f"{source}: {n_missing} of {len(texts)} rows have no value in the column of groups "
            f"{column!r}. Fill them, or remove these rows"
        )
        raise DeepMapperError(message)
    if len(used) < len(raw.names):
        columns, names = np.array(used, dtype=np.int64), [raw.names[j] for j in used]
        raw = replace(
            raw, numbers=take(raw.numbers, np.arange(raw.n_samples), columns), names=names
        )
    return replace(
        raw,
        texts={name: values for name, values in raw.texts.items() if name != column},
        ignored=tuple(dict.fromkeys((*raw.ignored, column))),
        ids={**raw.ids, column: texts},
    )


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

    A label may be that of several rows, with a warning. Other names that repeat, are missing or are
    only in one file are refused.
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
    if len(parts) == 1 and len(names) == len(set(row_names)) < len(row_names):
        several = [name for name, count in Counter(row_names).items() if count > 1]
        warnings.warn(
            f"{where}: {len(several)} names have several rows, which get the same label of {path}: "
            f"{list_names(several)}",
            stacklevel=4,
        )
    elif parts:
        message = (
            f"the rows of {where} and of {path} cannot be matched by their names, "
            f"{'; '.join(parts)}. Each row needs a name that is in both files, and a name has one "
            "label. Correct the names or remove these rows, or give a file that has only the "
            "labels, in the same order"
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


def _read_label_column(
    path: Path, column: str | None, role: str
) -> tuple[np.ndarray, list[np.ndarray]]:
    """The labels, and the columns that may name the rows."""

    def plan(names: list[str], label_names: list[str], where: str) -> Plan:
        if column is not None:
            check_column(column, names, where, role)
        elif len(names) > 1:
            message = (
                f"{where} has the columns {list_names(names)}; name the one with the label "
                f"(--label {names[-1]})"
            )
            raise DeepMapperError(message)
        others = [name for name in names if name != (column or names[0])]
        features = others if label_names == names else []  # in .h5ad they are the genes
        return Plan(features, column or names[0], texts=frozenset(features))

    table = read_file(path, plan, ReadOptions())
    assert table.labels is not None  # the plan names one
    named = [] if table.named_by is None else [table.row_names]
    return table.labels, [*named, *_name_columns(table)]
