"""Odd tables, written at random and read back: equal to what was meant, or refused in words."""

import bz2
import csv
import gzip
import io
import lzma
import os
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

from deepmapper.errors import DeepMapperError
from deepmapper.tables import TrainingTables, read_training

N_TABLES = int(os.environ.get("ODD_TABLES", "30"))  # 2,000 at night
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zip": lambda data: _zip(data),
}
LEVELS = ["AA", "AG", "GG", "wild type", "Größe", "a,b", "x;y", 'say "hi"', "-", "≥3", "1a"]
CLASSES = ["tumor", "normal", "Müller", "None", "null", "0", "1", "a|b", "two words", "TRUE"]
MARKS = ["", "NA", "nan", "N/A", "NULL"]


@dataclass(frozen=True)
class Dialect:
    """How a table is written."""

    separator: str
    encoding: str
    line_end: str
    quoting: int
    compression: str
    ending: str
    decimal: str
    comments: int
    names: str  # "text", "header" (no name above them), "short" (R), "numbers" or "" for none
    n_rows: int
    n_numbers: int
    n_texts: int
    n_classes: int
    missing: float
    seed: int


DIALECTS = st.builds(
    Dialect,
    st.sampled_from([",", "\t", ";", "|"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    st.sampled_from(list(COMPRESS)),
    st.sampled_from([".csv", ".tsv", ".txt", "", ".data"]),
    st.sampled_from([".", ".", ","]),
    st.integers(0, 2),
    st.sampled_from(["text", "header", "short", "numbers", ""]),
    st.one_of(st.integers(1, 12), st.integers(1, 300)),
    st.integers(0, 6),
    st.integers(0, 3),
    st.integers(1, 4),
    st.sampled_from([0.0, 0.0, 0.1]),
    st.integers(0, 2**32 - 1),
)


@dataclass(frozen=True)
class Meant:
    """What a table holds: each column by name, None for a missing value."""

    row_names: list[str] | None
    columns: dict[str, list[float | str | None]]
    labels: list[str]


def _zip(data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("table.csv", data)
    return file.getvalue()


def _draw(d: Dialect) -> Meant:
    rng = np.random.default_rng(d.seed)
    n = d.n_rows
    is_latin = d.encoding == "cp1252"
    levels = [level for level in LEVELS if not is_latin or "≥" not in level]
    classes = list(rng.permutation(CLASSES)[: d.n_classes])
    columns: dict[str, list[float | str | None]] = {}
    for j in range(d.n_numbers):
        kind = rng.choice(["float", "int", "small", "exponent"])
        values = {
            "float": np.round(rng.normal(0, 100, n), 2),
            "int": rng.integers(-(10**4), 10**4, n).astype(float),
            "small": rng.integers(0, 2, n).astype(float),
            "exponent": np.round(rng.normal(0, 1e-8, n), 12),
        }[kind]
        columns[f"g{j}"] = [None if rng.random() < d.missing else float(v) for v in values]
    for j in range(d.n_texts):
        chosen = rng.permutation(levels)[: rng.integers(1, len(levels))]
        texts = rng.choice(chosen, n)
        columns[f"t{j}"] = [None if rng.random() < d.missing else str(text) for text in texts]
    names = [str(i) for i in rng.permutation(10**6)[:n]]
    row_names = {"numbers": names, "": None}.get(d.names, [f"S{name}" for name in names])
    return Meant(row_names, columns, [str(label) for label in rng.choice(classes, n)])


def _write(d: Dialect, meant: Meant, path: Path) -> None:
    rng = np.random.default_rng(d.seed + 1)

    def number(value: float | str | None) -> object:
        if value is None:
            return rng.choice(MARKS)
        if isinstance(value, str):
            return value
        text = f"{value:.10g}"
        return text.replace(".", d.decimal) if d.decimal == "," and d.separator != "," else text

    header = [*meant.columns, "class"]
    rows: list[list[object]] = [
        [*(number(values[i]) for values in meant.columns.values()), meant.labels[i]]
        for i in range(d.n_rows)
    ]
    if meant.row_names is not None:
        rows = [[name, *row] for name, row in zip(meant.row_names, rows, strict=True)]
        if d.names != "short":
            header.insert(0, "" if d.names == "header" else "sample id")
    file = io.StringIO(newline="")
    file.writelines(f"# comment {i}{d.line_end}" for i in range(d.comments))
    writer = csv.writer(file, delimiter=d.separator, quoting=d.quoting, lineterminator=d.line_end)
    writer.writerows([header, *rows])
    path.write_bytes(COMPRESS[d.compression](file.getvalue().encode(d.encoding)))


def _drop_blank_rows(meant: Meant) -> Meant:
    """The rows with a value."""
    columns = meant.columns
    rows = [i for i in range(len(meant.labels)) if any(v[i] is not None for v in columns.values())]
    return Meant(
        None if meant.row_names is None else [meant.row_names[i] for i in rows],
        {name: [values[i] for i in rows] for name, values in columns.items()},
        [meant.labels[i] for i in rows],
    )


def _expect(meant: Meant) -> dict[str, list[float]] | None:
    """Each feature by its name, missing values as 0, read slowly. None: refused."""
    n = len(meant.labels)
    columns = dict(meant.columns)
    if meant.row_names is None:
        texts = {c: v for c, v in columns.items() if any(isinstance(x, str) for x in v)}
        unique = [c for c, v in texts.items() if None not in v and len(set(v)) == n]
        for name in unique[:1]:
            columns.pop(name)
    counts = Counter(meant.labels)
    if not columns or len(counts) < 2 or min(counts.values()) < 2 or len(counts) > max(2, n / 2):
        return None
    features: dict[str, list[float]] = {}
    for name, values in columns.items():
        if all(value is None for value in values):
            continue
        if not any(isinstance(value, str) for value in values):
            if n >= 5 and None not in values and np.ptp(values) == n - 1 == len(set(values)) - 1:
                return None  # numbered rows: seen elsewhere
            filled = [0.0 if value is None else float(value) for value in values]
            if any(filled):
                features[name] = filled
            continue
        for level in sorted({value for value in values if value is not None}):
            features[f"{name}={level}"] = [float(value == level) for value in values]
    return features or None


def _read_or_refuse(path: Path, label: str = "class") -> TrainingTables | str:
    """The table, or the message of the error. It names the file and is no traceback."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return read_training(path, label=label, missing="zero")
        except DeepMapperError as error:
            message = str(error)
    assert str(path) in message
    assert len(message) < 2000
    assert "np.str_" not in message
    return message


ODD = settings(
    max_examples=N_TABLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@ODD
@given(d=DIALECTS)
def test_a_table_is_read_as_meant_or_refused(d: Dialect, tmp_path: Path) -> None:
    meant = _draw(d)
    path = tmp_path / f"table{d.ending}{d.compression}"
    _write(d, meant, path)
    meant = _drop_blank_rows(meant)
    expected = _expect(meant)
    read = _read_or_refuse(path)
    if isinstance(read, str):
        assert expected is None, read
        return
    assert expected is not None
    table = read.train
    assert [str(label) for label in table.y] == meant.labels
    assert set(table.features) == set(expected)
    for j, name in enumerate(table.features):
        wanted = np.array(expected[name], dtype=np.float32)
        np.testing.assert_allclose(table.X[:, j], wanted, rtol=2e-6, err_msg=name)
    if meant.row_names is not None:
        assert list(table.row_names) == meant.row_names


@ODD
@given(
    d=DIALECTS, damage=st.lists(st.tuples(st.integers(0, 3), st.integers(0), st.integers(0, 255)))
)
def test_a_damaged_file_is_read_or_refused(
    d: Dialect, damage: list[tuple[int, int, int]], tmp_path: Path
) -> None:
    path = tmp_path / f"table{d.ending}{d.compression}"
    _write(d, _draw(d), path)
    data = bytearray(path.read_bytes())
    for kind, place, value in damage:
        i = place % max(len(data), 1)
        if kind == 0:
            data[i : i + 1] = bytes([value])
        elif kind == 1:
            data.insert(i, value)
        elif kind == 2:
            del data[i : i + 1 + value]
        else:
            data += data[i : i + value]
    path.write_bytes(data)
    read = _read_or_refuse(path)
    assert isinstance(read, str) or np.isfinite(read.train.X).all()


PARQUET_TYPES = ["float", "int8", "decimal", "bool", "text", "category", "date", "list", "null"]


@ODD
@given(
    types=st.lists(st.sampled_from(PARQUET_TYPES), max_size=6),
    n=st.one_of(st.integers(0, 6), st.integers(6, 200)),
    index=st.sampled_from(["", "named", "levels", "numbers"]),
    damage=st.sampled_from([0, 0, 1, 4, 40]),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_parquet_file_is_read_or_refused(
    types: list[str], n: int, index: str, damage: int, seed: int, tmp_path: Path
) -> None:
    pytest.importorskip("pyarrow", reason="optional: pip install pyarrow")
    rng = np.random.default_rng(seed)
    columns: dict[str, object] = {
        f"{kind}{i}": _parquet_column(kind, n, rng) for i, kind in enumerate(types)
    }
    columns["class"] = np.array(["a", "b"])[np.arange(n) % 2]
    frame = pd.DataFrame(columns)
    if index == "named":
        frame.index = pd.Index([f"S{i}" for i in range(n)], name="sample")
    elif index == "levels":
        frame.index = pd.MultiIndex.from_arrays([np.arange(n), np.arange(n) // 2], names=["p", "t"])
    elif index == "numbers":
        frame.index = pd.Index(rng.permutation(n), name="number")
    path = tmp_path / "table.parquet"
    frame.to_parquet(path)
    data = bytearray(path.read_bytes())
    for _ in range(damage):
        data[int(rng.integers(4, len(data)))] = int(rng.integers(256))
    path.write_bytes(data)
    read = _read_or_refuse(path)
    if damage or isinstance(read, str):
        has_feature = {"int8", "decimal"} & set(types)
        assert damage or n < 4 or not has_feature or {"date", "list"} & set(types), read
        return
    if read.dropped.n:  # rows without a value
        return
    numbers = [name for name in columns if name.startswith(("float", "int8", "decimal", "bool"))]
    for name in set(numbers) & set(read.train.features):
        wanted = pd.to_numeric(frame[name].astype(object)).fillna(0).to_numpy(dtype=np.float32)
        np.testing.assert_allclose(read.train.X[:, read.train.features.index(name)], wanted)
    assert not {"sample", "p", "t", "number"} & set(read.train.features)
    if index == "named":
        assert read.train.row_names[0] == "S0"


def _parquet_column(kind: str, n: int, rng: np.random.Generator) -> object:
    if kind == "float":
        return np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n))
    if kind == "int8":
        return rng.integers(-100, 100, n).astype(np.int8)
    if kind == "decimal":
        return [Decimal(int(value)) / 4 for value in rng.integers(-100, 100, n)]
    if kind == "bool":
        return rng.random(n) < 0.5
    if kind in ("text", "category"):
        texts = rng.choice(["AA", "AG", "größe"], n)
        return pd.Categorical(texts) if kind == "category" else texts
    if kind == "date":
        return pd.date_range("2020-01-01", periods=n)
    return [[1.0]] * n if kind == "list" else [None] * n


H5AD_PARTS = ["obs", "var", "X", "obs/class", "obs/_index", "var/_index", "X/indptr", "layers"]


@ODD
@given(
    stored=st.sampled_from(["dense", "csr", "csc", "null", "layer", "raw"]),
    lost=st.lists(st.sampled_from(H5AD_PARTS), max_size=2),
    lost_attribute=st.sampled_from(["", "", "encoding-type", "shape", "_index", "column-order"]),
    short=st.sampled_from(["", "", "obs/_index", "obs/class", "var/_index", "X/data", "X/indices"]),
    n=st.integers(1, 40),
    p=st.integers(1, 12),
)
def test_an_h5ad_file_is_read_or_refused(
    stored: str, lost: list[str], lost_attribute: str, short: str, n: int, p: int, tmp_path: Path
) -> None:
    h5py = pytest.importorskip("h5py", reason="optional: pip install h5py")
    X = np.random.default_rng(n * 100 + p).poisson(0.8, (n, p)).astype(np.float32)
    path = tmp_path / "cells.h5ad"
    with h5py.File(path, "w") as file:
        if stored in ("csr", "csc"):
            matrix = sparse.csr_matrix(X) if stored == "csr" else sparse.csc_matrix(X)
            for name in ("data", "indices", "indptr"):
                file[f"X/{name}"] = getattr(matrix, name)
            file["X"].attrs.update({"encoding-type": f"{stored}_matrix", "shape": X.shape})
        elif stored == "null":
            file["X"] = h5py.Empty("f")
            file["X"].attrs["encoding-type"] = "null"
        else:
            file[{"dense": "X", "layer": "layers/counts", "raw": "raw/X"}[stored]] = X
        for part, size in (("obs", n), ("var", p), ("raw/var", p)):
            file[f"{part}/_index"] = [f"{part}{i}" for i in range(size)]
            file[part].attrs["_index"] = "_index"
            file[part].attrs["column-order"] = ["class"] if part == "obs" else np.empty(0, "S1")
        file["obs/class"] = [f"class{i % 2}" for i in range(n)]
        for part in lost:
            if part in file:
                del file[part]
        for part in ("X", "obs", "var"):
            if lost_attribute and part in file and lost_attribute in file[part].attrs:
                del file[part].attrs[lost_attribute]
        if short in file:
            values = file[short][...][:-1]
            del file[short]
            file[short] = values
    read = _read_or_refuse(path)
    is_whole = not {*lost} - {"layers"} and not lost_attribute and not short
    if is_whole and stored in ("dense", "csr", "csc") and n >= 4 and X.any():
        assert not isinstance(read, str), read
        values = read.train.X.toarray() if sparse.issparse(read.train.X) else read.train.X
        used = [int(name.removeprefix("var")) for name in read.train.features]
        rows = [int(name.removeprefix("obs")) for name in read.train.row_names]
        np.testing.assert_array_equal(values, X[np.ix_(rows, used)])
    elif is_whole and stored in ("layer", "null", "raw"):
        assert isinstance(read, str)
        assert "has no X" in read
