"""Published topics: records and predictions of a result in a few parquet files.

A topic is a folder of `reports/published`:

    cells.parquet        a row a cell: every field of its record
    predictions.parquet  a row a test row of a cell: key, row, label, probabilities of each class
                         (`round_probabilities`), group (null if the table has no groups)
    arrays.parquet       other arrays that figures need: histories, example images, attributions
    spec.toml            the spec of the run
    topic.toml           `command` renews it, `commits` of its cells, `cpu_hours` until their
                         predictions were stored, `stale`: why it is out of date
    README.md, *.png     the results in words and pictures

A field of `cells.parquet` with texts, numbers or truth values is a typed column. An object with
the same entries in all cells has a column for each entry, such as `metrics.accuracy`. Other values
are JSON text, and null if the record lacks the field.
"""

import io
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.errors import BenchError
from bench.store.store import Record, Store, round_probabilities, write_atomically

PUBLISHED = Path(__file__).parent / "published"
# Arrays with a value for each test row, and their columns.
INTEGERS = {"y_test": "label", "test_rows": "row", "test_groups": "group"}
PREDICTED = (*INTEGERS, "probabilities")
NOT_KEPT = ("y_train", "train_predictions")  # the record has their metric
TYPES = {str: pa.string(), bool: pa.bool_(), int: pa.int64(), float: pa.float64()}
JSON = {b"json": b"true"}  # marks a column of JSON text
AS_TEXT: dict[str, Any] = {"allow_nan": False, "ensure_ascii": False}
ABSENT = object()  # the record lacks the field
PREDICTIONS = pa.schema(
    {
        "key": pa.dictionary(pa.int32(), pa.string()),
        "row": pa.int32(),
        "label": pa.int32(),
        "probabilities": pa.list_(pa.float32()),
        "group": pa.int32(),
    }
)


class Folder:
    """The output folder of a run, with the interface of a topic."""

    def __init__(self, store: Store) -> None:
        self.folder = store.folder
        self._store = store

    def records(self) -> Iterator[Record]:
        return self._store.records()

    def arrays(self, key: str) -> dict[str, np.ndarray]:
        return self._store.artifact(key)

    def array(self, key: str, name: str) -> np.ndarray | None:
        """Return one array of a cell without reading the others, or None."""
        path = self._store.artifacts / f"{key}.npz"
        if not path.is_file():
            return None
        with np.load(path, allow_pickle=False) as arrays:
            return arrays[name] if name in arrays.files else None


class Topic:
    """A published result."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def records(self) -> Iterator[Record]:
        yield from read_cells(self.folder / "cells.parquet")

    def arrays(self, key: str) -> dict[str, np.ndarray]:
        others = {name: _array(content) for name, content in self._others.get(key, {}).items()}
        return others | self._predicted(key)

    def array(self, key: str, name: str) -> np.ndarray | None:
        if name in PREDICTED:
            return self._predicted(key).get(name)
        content = self._others.get(key, {}).get(name)
        return None if content is None else _array(content)

    def _predicted(self, key: str) -> dict[str, np.ndarray]:
        if key not in self._places:
            return {}
        rows = self._predictions.slice(*self._places[key])
        n_classes = len(rows["probabilities"][0])
        values = rows["probabilities"].combine_chunks().flatten().to_numpy()
        known = {
            name: rows[column].to_numpy().astype(np.int64)
            for name, column in INTEGERS.items()
            if column in rows.column_names and not rows[column].null_count
        }
        return known | {"probabilities": values.reshape(-1, n_classes)}

    @cached_property
    def _predictions(self) -> pa.Table:
        path = self.folder / "predictions.parquet"
        return pq.read_table(path) if path.is_file() else PREDICTIONS.empty_table()

    @cached_property
    def _places(self) -> dict[str, tuple[int, int]]:
        """Key -> the first of its rows in predictions.parquet, and their number."""
        keys = self._predictions["key"].to_numpy().astype(str)
        listed = zip(*np.unique(keys, return_index=True, return_counts=True), strict=True)
        return {str(key): (int(start), int(n)) for key, start, n in listed}

    @cached_property
    def _others(self) -> dict[str, dict[str, bytes]]:
        path = self.folder / "arrays.parquet"
        contents: dict[str, dict[str, bytes]] = defaultdict(dict)
        for row in pq.read_table(path).to_pylist() if path.is_file() else []:
            contents[row["key"]][row["name"]] = row["content"]
        return contents


Source = Folder | Topic


def open_source(place: Path | Store | Source) -> Source:
    """Return the reader of an output folder of `bench run` or of a topic.

    Raises a BenchError if the folder is neither.
    """
    if isinstance(place, Folder | Topic):
        return place
    if isinstance(place, Store):
        return Folder(place)
    if (place / "cells.parquet").is_file():
        return Topic(place)
    if (place / "cells").is_dir():
        return Folder(Store(place))
    message = (
        f"{place}: found neither cells/ nor cells.parquet. Expected an output folder of "
        "`bench run` or a topic of reports/published."
    )
    raise BenchError(message)


def write_cells(records: Iterable[Record], path: Path) -> None:
    """Write records of any form, one row each, so that `read_cells` returns them."""
    fields, arrays = [], []
    for name, values in _columns(list(records)).items():
        kinds = {type(value) for value in values} - {type(None)}
        (kind,) = kinds if len(kinds) == 1 else (None,)
        if kind in TYPES:
            fields.append(pa.field(name, TYPES[kind]))
        else:
            fields.append(pa.field(name, pa.string(), metadata=JSON))
            values = [None if v is ABSENT else json.dumps(v, **AS_TEXT) for v in values]
        arrays.append(pa.array(values, fields[-1].type))
    _write(pa.Table.from_arrays(arrays, schema=pa.schema(fields)), path)


def read_cells(path: Path) -> Iterator[Record]:
    """Yield the records of a cells.parquet, equal to the written ones."""
    table = pq.read_table(path)
    is_json = {field.name for field in table.schema if field.metadata == JSON}
    for row in table.to_pylist():
        record: Record = {}
        for name, value in row.items():
            if name in is_json:
                if value is None:
                    continue
                value = json.loads(value)
            outer, dot, inner = name.partition(".")
            if dot:
                record.setdefault(outer, {})[inner] = value
            else:
                record[name] = value
        yield record


def _columns(records: list[Record]) -> dict[str, list[Any]]:
    """Return name -> its value in each record. Objects with equal entries are split."""
    names = list(dict.fromkeys(name for record in records for name in record))
    columns: dict[str, list[Any]] = {}
    for name in names:
        values = [record.get(name, ABSENT) for record in records]
        entries = {tuple(value) if isinstance(value, dict) else None for value in values}
        (alike,) = entries if len(entries) == 1 else (None,)
        if alike:
            columns |= {f"{name}.{entry}": [value[entry] for value in values] for entry in alike}
        else:
            columns[name] = values
    return columns


def write_arrays(cells: Iterable[tuple[str, dict[str, np.ndarray]]], folder: Path) -> None:
    """Write predictions.parquet and arrays.parquet, unless they would be empty.

    `cells` has key and arrays of each cell, in the order of the keys.
    """
    predicted, others = [], []
    for key, arrays in cells:
        if "probabilities" in arrays:
            predicted.append(_predictions(key, arrays))
        rest = {k: v for k, v in arrays.items() if k not in (*PREDICTED, *NOT_KEPT)}
        others += [{"key": key, "name": k, "content": _content(v)} for k, v in rest.items()]
    if predicted:
        table = pa.concat_tables(predicted).unify_dictionaries()
        _write(
            table,
            folder / "predictions.parquet",
            use_dictionary=["key"],
            column_encoding={"probabilities.list.element": "BYTE_STREAM_SPLIT"},
        )
    if others:
        _write(pa.Table.from_pylist(others), folder / "arrays.parquet")


def _predictions(key: str, arrays: dict[str, np.ndarray]) -> pa.Table:
    n = len(arrays["y_test"])
    columns = {
        column: pa.array(arrays[name], pa.int32()) if name in arrays else pa.nulls(n)
        for name, column in INTEGERS.items()
    }
    columns["key"] = pa.array([key] * n).dictionary_encode()
    columns["probabilities"] = pa.array(
        list(round_probabilities(arrays["probabilities"])), pa.list_(pa.float32())
    )
    return pa.table(columns).select(PREDICTIONS.names).cast(PREDICTIONS)


def _content(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _array(content: bytes) -> np.ndarray:
    return np.load(io.BytesIO(content), allow_pickle=False)


def _write(table: pa.Table, path: Path, **encoding: Any) -> None:
    settings = {"compression": "zstd", "compression_level": 19} | encoding
    write_atomically(path, lambda file: pq.write_table(table, file, **settings))
