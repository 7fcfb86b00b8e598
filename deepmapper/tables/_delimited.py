"""CSV and TSV, also compressed: header in the first line, numbers straight to float32.

A sample of the first rows says which columns hold numbers, so that 20,000 columns are read once, at
their type. Where a later row says otherwise, the file is looked through value by value and read a
second time.
"""

import bz2
import csv
import gzip
import importlib.util
import lzma
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np

from deepmapper.errors import DeepMapperError
from deepmapper.tables._raw import Plan, Planner, RawTable, check_names, scratch

SEPARATORS = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".txt": "\t"}
OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
MISSING = ("", "NA", "N/A", "#N/A", "n/a", "<NA>", "NaN", "nan", "-nan", "NULL", "null", "None")
NUMBER = re.compile(r"\s*-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*|-?inf", re.ASCII)
SAMPLE_ROWS = 20
# Each block costs about 20 microseconds a column, whatever its rows.
BLOCK_ROWS = 256
BLOCK_BYTES = (4 << 20, 256 << 20)  # the least and the most
LARGEST_FIELD = 16 << 20  # characters


def read_delimited(path: Path, planner: Planner, missing: tuple[str, ...] = ()) -> RawTable:
    """The table of a CSV or TSV file.

    Args:
        planner: says which columns are what.
        missing: marks of a missing value besides `MISSING`.

    Raises:
        DeepMapperError: an empty file, rows of another length than the header, not UTF-8, names
            that occur twice.
    """
    csv.field_size_limit(LARGEST_FIELD)
    marks = frozenset(MISSING) | frozenset(missing)
    try:
        separator, header, sample = _first_rows(path)
        names = _names(header)
        check_names(names, str(path))
        plan = planner(names, names, str(path))
        if plan.row_names is None and header[0].strip() == "":
            unnamed = names[0]  # what pandas and R write: names of rows under an empty header
            features = [name for name in plan.features if name != unnamed]
            plan = Plan(features, plan.label, unnamed, plan.texts)
        place = {name: i for i, name in enumerate(names)}
        asked = plan.texts if plan.texts is not None else set()
        texts = [
            name
            for name in plan.features
            if name in asked
            or not _are_numbers(
                (row[place[name]] for row in sample if len(row) > place[name]), marks
            )
        ]
        sheet = _Sheet(path, separator, names, plan, texts, marks)
        read = _read_arrow if importlib.util.find_spec("pyarrow") else _read_pandas
        try:
            numbers, columns = read(sheet)
        except _Unreadable as error:
            bad = _no_numbers(sheet)
            if not bad:
                message = f"cannot read {path}: {error}"
                raise DeepMapperError(message) from error
            texts = [name for name in plan.features if name in bad or name in texts]
            sheet = replace(sheet, texts=texts)
            numbers, columns = read(sheet)
    except (UnicodeDecodeError, csv.Error, OSError, EOFError, lzma.LZMAError, _Unreadable) as error:
        message = f"cannot read {path}: {error}"
        raise DeepMapperError(message) from error
    return _raw(sheet, numbers, columns)


class _Unreadable(Exception):
    """A parser's complaint."""


@dataclass(frozen=True)
class _Sheet:
    """A file and what is known about its columns by now; `texts` are features that are text."""

    path: Path
    separator: str
    names: list[str]
    plan: Plan
    texts: list[str]
    marks: frozenset[str]

    @property
    def as_numbers(self) -> list[str]:
        is_text = set(self.texts)
        return [name for name in self.plan.features if name not in is_text]

    @property
    def as_text(self) -> list[str]:
        columns = (*self.texts, self.plan.label, self.plan.row_names)
        return [name for name in columns if name is not None]


def _raw(sheet: _Sheet, numbers: np.ndarray, columns: dict[str, np.ndarray]) -> RawTable:
    plan = sheet.plan
    label = None if plan.label is None else columns.pop(plan.label)
    row_names = None if plan.row_names is None else columns.pop(plan.row_names)
    if row_names is None:
        row_names = np.array([str(i) for i in range(1, len(numbers) + 1)], dtype=object)
    used = set(plan.features)
    return RawTable(
        str(sheet.path),
        numbers,
        sheet.as_numbers,
        {name: columns[name] for name in sheet.texts},
        np.array([str(name) for name in row_names], dtype=object),
        label,
        tuple(name for name in sheet.names if name not in used),
        plan.row_names,
    )


def separator_of(path: Path) -> str:
    """The separator that the name of a file speaks of, its compression aside."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in OPENERS:
        suffixes.pop()
    return SEPARATORS[suffixes[-1]]


def _open(path: Path, mode: str = "rb", **options: Any) -> IO[Any]:
    return OPENERS.get(path.suffix.lower(), open)(path, mode, **options)


def _rows(path: Path, separator: str) -> Iterator[list[str]]:
    with _open(path, "rt", encoding="utf-8-sig", newline="") as file:
        for row in csv.reader(file, delimiter=separator):
            if row:  # an empty line
                yield row


def _first_rows(path: Path) -> tuple[str, list[str], list[list[str]]]:
    """The separator, the header, and some rows after it."""
    separator = separator_of(path)
    rows = list(islice(_rows(path, separator), SAMPLE_ROWS + 1))
    if not rows:
        message = f"{path} is empty; a table starts with a line of column names"
        raise DeepMapperError(message)
    if len(rows[0]) == 1 and separator == "," and ";" in rows[0][0]:
        separator = ";"  # what spreadsheets write where the decimal sign is a comma
        rows = list(islice(_rows(path, separator), SAMPLE_ROWS + 1))
    if len(rows) == 1:
        message = f"{path} has a line of column names and no rows"
        raise DeepMapperError(message)
    return separator, rows[0], rows[1:]


def _names(header: list[str]) -> list[str]:
    """Names as written; a nameless column is called after its place."""
    return [name.strip() or f"unnamed_{i}" for i, name in enumerate(header)]


def _are_numbers(values: Iterator[str], marks: frozenset[str]) -> bool:
    return all(value in marks or NUMBER.fullmatch(value) for value in values)


def _no_numbers(sheet: _Sheet) -> set[str]:
    """The columns read as numbers with a value that is none."""
    suspects = set(sheet.as_numbers)
    left = {i: name for i, name in enumerate(sheet.names) if name in suspects}
    bad: set[str] = set()
    for row in islice(_rows(sheet.path, sheet.separator), 1, None):
        wrong = [
            i
            for i in left
            if i < len(row) and row[i] not in sheet.marks and not NUMBER.fullmatch(row[i])
        ]
        bad.update(left.pop(i) for i in wrong)
    return bad


def _read_arrow(sheet: _Sheet) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Numbers (n, p) and text columns, by pyarrow, in large blocks of rows."""
    import pyarrow
    from pyarrow import csv as arrow_csv

    as_numbers, as_text = sheet.as_numbers, sheet.as_text
    types = {name: pyarrow.float32() for name in as_numbers}
    types |= dict.fromkeys(as_text, pyarrow.string())
    blocks: list[np.ndarray] = []
    columns: dict[str, list[np.ndarray]] = {name: [] for name in as_text}
    try:
        with (
            _open(sheet.path) as file,
            arrow_csv.open_csv(
                file,
                read_options=arrow_csv.ReadOptions(
                    block_size=_block_size(sheet), column_names=sheet.names, skip_rows=1
                ),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=sheet.separator, newlines_in_values=_has_quotes(sheet.path)
                ),
                convert_options=arrow_csv.ConvertOptions(
                    column_types=types,
                    include_columns=[*as_numbers, *as_text],
                    null_values=sorted(sheet.marks),
                    strings_can_be_null=True,
                ),
            ) as reader,
        ):
            for batch in reader:
                for name in as_text:
                    columns[name].append(batch.column(name).to_numpy(zero_copy_only=False))
                blocks.append(_numbers_of(batch.select(as_numbers)))
    except pyarrow.ArrowException as error:
        raise _Unreadable(str(error)) from error
    return _joined(blocks), {name: np.concatenate(parts) for name, parts in columns.items()}


def _numbers_of(batch: Any) -> np.ndarray:
    if batch.num_columns == 0:
        return np.empty((batch.num_rows, 0), dtype=np.float32)
    return batch.to_tensor(null_to_nan=True, row_major=True).to_numpy()


def _joined(blocks: list[np.ndarray]) -> np.ndarray:
    """All blocks in one array; each is freed once it is copied."""
    if len(blocks) == 1:
        return blocks[0]
    out = scratch((sum(len(block) for block in blocks), blocks[0].shape[1]))
    start = 0
    blocks.reverse()
    while blocks:
        block = blocks.pop()
        out[start : start + len(block)] = block
        start += len(block)
    return out


def _block_size(sheet: _Sheet) -> int:
    """Bytes of text a block: as many as some hundred rows take."""
    longest = max(
        sum(map(len, row)) + len(row) for row in islice(_rows(sheet.path, sheet.separator), 5)
    )
    least, most = BLOCK_BYTES
    return min(max(BLOCK_ROWS * longest, least), most)


def _has_quotes(path: Path) -> bool:
    """Whether the file begins with quoted values, which may hold line ends (slower to parse)."""
    with _open(path) as file:
        return b'"' in file.read(1 << 20)


def _read_pandas(sheet: _Sheet) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The same by pandas, where pyarrow is not installed: a few times slower."""
    import pandas as pd

    as_numbers, as_text = sheet.as_numbers, sheet.as_text
    types: dict[Any, Any] = dict.fromkeys(as_numbers, np.float32) | dict.fromkeys(as_text, object)
    try:
        frame = pd.read_csv(
            sheet.path,
            sep=sheet.separator,
            names=sheet.names,
            header=None,
            skiprows=1,
            usecols=[*as_numbers, *as_text],
            dtype=types,
            index_col=False,
            na_values=sorted(sheet.marks),
            keep_default_na=False,
            low_memory=False,
        )
    except ValueError as error:  # pandas' ParserError is one
        raise _Unreadable(str(error)) from error
    columns = {
        name: np.array([None if value is np.nan else value for value in frame[name]], dtype=object)
        for name in as_text
    }
    return frame[as_numbers].to_numpy(dtype=np.float32), columns
