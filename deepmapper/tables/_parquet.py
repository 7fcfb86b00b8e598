"""Parquet: numbers of any type to float32, strings and dictionaries as text."""

from pathlib import Path
from typing import Any

import numpy as np

from deepmapper.errors import DeepMapperError
from deepmapper.tables._raw import Planner, RawTable, check_names, install_hint, listed, scratch

PANDAS_INDEX = "__index_level_"  # what pandas calls an index that it writes as a column


def read_parquet(path: Path, planner: Planner, missing: tuple[str, ...] = ()) -> RawTable:
    """The table of a Parquet file.

    Raises:
        DeepMapperError: pyarrow is missing, the file is no Parquet, a column is neither number nor
            text (a date, a list), names that occur twice.
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
        schema = file.schema_arrow
        names = list(schema.names)
        check_names(names, str(path))
        plan = planner(names, names, str(path))
        row_names = plan.row_names
        if row_names is None:
            row_names = next((name for name in names if name.startswith(PANDAS_INDEX)), None)
        features = [name for name in plan.features if name != row_names]
        texts, refused = [], []
        for name in features:
            kind = schema.field(name).type
            if _is_text(kind) or (plan.texts is not None and name in plan.texts):
                texts.append(name)
            elif not _is_number(kind):
                refused.append(f"{name} ({kind})")
        if refused:
            message = (
                f"{path} has columns that are neither numbers nor text: {listed(refused)}; convert "
                f"them or leave them out"
            )
            raise DeepMapperError(message)
        is_text = set(texts)
        as_numbers = [name for name in features if name not in is_text]
        as_text = [name for name in (*texts, plan.label, row_names) if name is not None]
        numbers, columns = _columns(file, as_numbers, as_text, frozenset(missing))
    if len(numbers) == 0:
        message = f"{path} has columns and no rows"
        raise DeepMapperError(message)
    label = None if plan.label is None else columns[plan.label]
    rows = columns[row_names] if row_names is not None else range(1, len(numbers) + 1)
    used = set(features)
    return RawTable(
        str(path),
        numbers,
        as_numbers,
        {name: _as_text(columns[name]) for name in texts},
        np.array([str(name) for name in rows], dtype=object),
        label,
        tuple(name for name in names if name not in used),
        row_names,
    )


def _columns(
    file: Any, as_numbers: list[str], as_text: list[str], marks: frozenset[str]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Numbers (n, p), float32, and the other columns as they are, a row group at a time."""
    numbers = scratch((file.metadata.num_rows, len(as_numbers)))
    columns: dict[str, list[Any]] = {name: [] for name in as_text}
    start = 0
    for group in range(file.num_row_groups):
        table = file.read_row_group(group, columns=[*as_numbers, *as_text])
        stop = start + table.num_rows
        for j, name in enumerate(as_numbers):
            numbers[start:stop, j] = _floats(table.column(name))
        for name in as_text:
            values = table.column(name).to_pylist()
            columns[name] += [None if value in marks else value for value in values]
        start = stop
    return numbers, {name: _objects(values) for name, values in columns.items()}


def _floats(column: Any) -> np.ndarray:
    """float32, NaN where missing. Booleans are 0 and 1."""
    import pyarrow

    # Arrow casts a boolean to a float by way of an integer alone.
    if pyarrow.types.is_boolean(column.type):
        column = column.cast(pyarrow.int8())
    return column.cast(pyarrow.float32(), safe=False).to_numpy()


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    inner = kind.value_type if types.is_dictionary(kind) else kind
    return types.is_string(inner) or types.is_large_string(inner) or types.is_string_view(inner)


def _is_number(kind: Any) -> bool:
    from pyarrow import types

    return (
        types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_boolean(kind)
        or types.is_decimal(kind)
        or types.is_null(kind)
    )


def _as_text(values: np.ndarray) -> np.ndarray:
    return np.array([None if value is None else str(value) for value in values], dtype=object)


def _objects(values: list[Any]) -> np.ndarray:
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out
