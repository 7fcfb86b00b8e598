"""Parquet: numbers of any type to float32, strings and dictionaries as text."""

from pathlib import Path
from typing import Any

import numpy as np

from deepmapper.errors import DeepMapperError
from deepmapper.tables._raw import (
    Planner,
    RawTable,
    check_names,
    install_hint,
    list_names,
    row_numbers,
    scratch,
)

PANDAS_INDEX = "__index_level_"  # pandas' name for an index that it writes as a column


def read(path: Path, planner: Planner, missing: tuple[str, ...] = ()) -> RawTable:
    """Read a Parquet file.

    Refused: pyarrow is missing, the file is not Parquet, a column is neither number nor text (a
    date, a list), or a name occurs twice.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        message = install_hint("pyarrow", f"reading {path}")
        raise DeepMapperError(message) from error
    try:
        file = parquet.ParquetFile(path)
    except (pyarrow.ArrowException, OSError) as error:
        message = f"cannot read {path}: {error}"
        raise DeepMapperError(message) from error
    with file:
        names = list(file.schema_arrow.names)
        check_names(names, str(path))
        plan = planner(names, names, str(path))
        row_names = plan.row_names
        if row_names is None:
            row_names = next((name for name in names if name.startswith(PANDAS_INDEX)), None)
        features = [name for name in plan.features if name != row_names]
        texts = _texts(file.schema_arrow, features, plan.texts or frozenset(), path)
        is_text = set(texts)
        as_numbers = [name for name in features if name not in is_text]
        as_text = [name for name in (*texts, plan.label, row_names) if name is not None]
        numbers, columns = _columns(file, as_numbers, as_text, frozenset(missing))
    n = len(numbers)
    if n == 0:
        message = f"{path} has columns and no rows"
        raise DeepMapperError(message)
    used = set(features)
    return RawTable(
        str(path),
        numbers,
        as_numbers,
        {name: _strings(columns[name]) for name in texts},
        row_numbers(n) if row_names is None else _strings(columns[row_names]),
        None if plan.label is None else np.array(columns[plan.label], dtype=object),
        tuple(name for name in names if name not in used),
        row_names,
    )


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
    file: Any, as_numbers: list[str], as_text: list[str], marks: frozenset[str]
) -> tuple[np.ndarray, dict[str, list[Any]]]:
    """Read numbers (n, p), float32, and the other columns, a row group at a time."""
    import pyarrow

    numbers = scratch((file.metadata.num_rows, len(as_numbers)))
    columns: dict[str, list[Any]] = {name: [] for name in as_text}
    start = 0
    for group in range(file.num_row_groups):
        table = file.read_row_group(group, columns=[*as_numbers, *as_text])
        stop = start + table.num_rows
        for j, name in enumerate(as_numbers):
            column = table.column(name)
            if pyarrow.types.is_boolean(column.type):  # Arrow has no cast from boolean to float
                column = column.cast(pyarrow.int8())
            numbers[start:stop, j] = column.cast(pyarrow.float32(), safe=False).to_numpy()
        for name, values in columns.items():
            values += [None if v in marks else v for v in table.column(name).to_pylist()]
        start = stop
    return numbers, columns


def _strings(values: list[Any]) -> np.ndarray:
    return np.array([None if value is None else str(value) for value in values], dtype=object)
