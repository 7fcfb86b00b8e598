"""Parquet: numbers of any type to float32, strings and dictionaries as text."""

from pathlib import Path
from typing import Any

import numpy as np

from deepmapper.errors import DeepMapperError
from deepmapper.tables._raw import (
    Planner,
    RawTable,
    ReadOptions,
    check_names,
    install_hint,
    list_names,
    row_numbers,
    scratch,
)
from deepmapper.tables._roles import is_id_name


def read(path: Path, planner: Planner, options: ReadOptions) -> RawTable:
    """Read a Parquet file, or all files of a folder.

    Refused: pyarrow is missing, the file is not Parquet, a column is neither number nor text (a
    date, a list), or a name occurs twice.
    """
    try:
        import pyarrow
        from pyarrow import dataset
    except ImportError as error:
        message = install_hint("pyarrow", f"reading {path}")
        raise DeepMapperError(message) from error
    try:
        # In a folder, name=value/part.parquet adds a column.
        partitioning = "hive" if path.is_dir() else None
        parts = dataset.dataset(path, format="parquet", partitioning=partitioning)
        return _read(parts, path, planner, options)
    except DeepMapperError:
        raise
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        message = f"cannot read {path}: {error}"
        raise DeepMapperError(message) from error


def _read(parts: Any, path: Path, planner: Planner, options: ReadOptions) -> RawTable:
    names = list(parts.schema.names)
    check_names(names, str(path))
    plan = planner(names, names, str(path))
    index = _index(parts.schema) if plan.row_names is None else [plan.row_names]
    index = [name for name in index if name != plan.label]
    features = [name for name in plan.features if name not in index]
    texts = _texts(parts.schema, features, plan.texts or frozenset(), path)
    is_text = set(texts)
    as_numbers = [name for name in features if name not in is_text]
    written = [name for name in as_numbers if is_id_name(name)]
    as_text = [name for name in (*texts, *written, plan.label, *index) if name is not None]
    numbers, columns = _columns(parts, as_numbers, as_text, frozenset(options.marks))
    n = len(numbers)
    if n == 0:
        message = f"{path} has columns and no rows"
        raise DeepMapperError(message)
    used = set(features)
    levels = [_strings(columns[name]) for name in index]
    row_names = ["/".join(map(str, row)) for row in zip(*levels, strict=True)]
    return RawTable(
        str(path),
        numbers,
        as_numbers,
        {name: _strings(columns[name]) for name in texts},
        np.array(row_names, dtype=object) if index else row_numbers(n),
        None if plan.label is None else np.array(columns[plan.label], dtype=object),
        tuple(name for name in names if name not in used),
        "/".join(index) or None,
        written={name: _whole(columns[name]) for name in written if _are_whole(columns[name])},
    )


def _are_whole(values: list[Any]) -> bool:
    """Whether all values are whole numbers or missing."""
    return all(value is None or value != value or value % 1 == 0 for value in values)


def _whole(values: list[Any]) -> np.ndarray:
    """The text of whole numbers. pandas writes 12 as 12.0 if a value of its column is missing."""
    return _strings([None if value is None or value != value else int(value) for value in values])


def _index(schema: Any) -> list[str]:
    """The columns in which pandas wrote its index."""
    described = (schema.pandas_metadata or {}).get("index_columns", [])
    return [name for name in described if isinstance(name, str) and name in schema.names]


def _texts(schema: Any, features: list[str], text_names: frozenset[str], path: Path) -> list[str]:
    """The features to read as text. Neither text nor numbers: refused."""
    from pyarrow import types

    are_texts = (types.is_string, types.is_large_string, types.is_string_view)
    are_numbers = (
        types.is_integer,
        types.is_floating,
        types.is_boolean,
        types.is_decimal,
        types.is_null,
    )
    texts, refused = [], []
    for name in features:
        stored = schema.field(name).type
        values = stored.value_type if types.is_dictionary(stored) else stored
        if name in text_names or any(is_a(values) for is_a in are_texts):
            texts.append(name)
        elif not any(is_a(stored) for is_a in are_numbers):
            refused.append(f"{name} ({stored})")
    if refused:
        message = (
            f"{path} has columns that are neither numbers nor text: {list_names(refused)}; convert "
            f"them or leave them out"
        )
        raise DeepMapperError(message)
    return texts


def _columns(
    parts: Any, as_numbers: list[str], as_text: list[str], marks: frozenset[str]
) -> tuple[np.ndarray, dict[str, list[Any]]]:
    """Read numbers (n, p), float32, and the other columns, a batch of rows at a time."""
    import pyarrow

    numbers = scratch((parts.count_rows(), len(as_numbers)))
    columns: dict[str, list[Any]] = {name: [] for name in as_text}
    start = 0
    for table in parts.to_batches(
        columns=list(dict.fromkeys([*as_numbers, *as_text])),
        batch_readahead=0,
        fragment_readahead=0,
    ):
        stop = start + table.num_rows
        for j, name in enumerate(as_numbers):
            column = table.column(name)
            if pyarrow.types.is_boolean(column.type):  # Arrow has no cast from boolean to float
                column = column.cast(pyarrow.int8())
            numbers[start:stop, j] = column.cast(pyarrow.float32(), safe=False).to_numpy(
                zero_copy_only=False
            )
        for name, values in columns.items():
            values += [None if v in marks else v for v in table.column(name).to_pylist()]
        start = stop
    return numbers, columns


def _strings(values: list[Any]) -> np.ndarray:
    return np.array([None if value is None else str(value) for value in values], dtype=object)
