"""CSV and TSV, also compressed: a header line, then numbers read as float32.

The first rows decide which columns hold numbers, so that 20,000 columns are read once, with their
type. If a later row has text in such a column, the file is scanned value by value and read again.
"""

import bz2
import csv
import gzip
import lzma
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from deepmapper.errors import DeepMapperError
from deepmapper.tables._raw import Plan, Planner, RawTable, check_names, row_numbers, scratch

OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
MISSING = ("", "NA", "N/A", "#N/A", "n/a", "<NA>", "NaN", "nan", "-nan", "NULL", "null", "None")
NUMBER = r"\s*-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*|-?inf"
SAMPLE_ROWS = 20
CHUNK_VALUES = 1 << 25  # parsed at a time; with their text they take about 700 MiB
LARGEST_FIELD = 16 << 20  # characters


@dataclass(frozen=True)
class _Sheet:
    """A file, its format and the roles of its columns. `texts` are the text features."""

    path: Path
    separator: str
    decimal: str
    number: re.Pattern[str]
    names: list[str]
    plan: Plan
    marks: frozenset[str]
    texts: list[str]

    @property
    def as_numbers(self) -> list[str]:
        is_text = set(self.texts)
        return [name for name in self.plan.features if name not in is_text]

    @property
    def as_text(self) -> list[str]:
        columns = (*self.texts, self.plan.label, self.plan.row_names)
        return [name for name in columns if name is not None]

    def is_number(self, value: str) -> bool:
        """Whether the value is a number or marks a missing one."""
        return value in self.marks or self.number.fullmatch(value) is not None


def read(path: Path, planner: Planner, missing: tuple[str, ...] = ()) -> RawTable:
    """Read a CSV or TSV file.

    `missing` holds marks of a missing value besides `MISSING`. Refused: an empty file, rows of
    another length than the header, an encoding other than UTF-8, and names that occur twice.
    """
    csv.field_size_limit(LARGEST_FIELD)
    try:
        sheet = _open_sheet(path, planner, frozenset((*MISSING, *missing)))
        try:
            return _parse(sheet)
        except DeepMapperError:
            raise
        except ValueError:  # pandas' ParserError is one
            bad = _scan(sheet, sheet.as_numbers)
            if not bad:
                raise
            texts = [name for name in sheet.plan.features if name in bad or name in sheet.texts]
            return _parse(replace(sheet, texts=texts))
    except DeepMapperError:
        raise
    except (ValueError, csv.Error, OSError, EOFError, lzma.LZMAError) as error:
        message = f"cannot read {path}: {error}"
        raise DeepMapperError(message) from error


def _open_sheet(path: Path, planner: Planner, marks: frozenset[str]) -> _Sheet:
    """Make the sheet from the header and the first rows."""
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() not in OPENERS]
    separator = "," if suffixes[-1] == ".csv" else "\t"
    rows = [row for _, row in islice(_rows(path, separator), SAMPLE_ROWS + 1)]
    if rows and len(rows[0]) == 1 and separator == "," and ";" in rows[0][0]:
        separator = ";"  # spreadsheets write it if the decimal sign is a comma
        rows = [row for _, row in islice(_rows(path, separator), SAMPLE_ROWS + 1)]
    if len(rows) < 2:
        content = "has a line of column names and no rows" if rows else "is empty"
        message = f"{path} {content}; a table starts with a line of column names"
        raise DeepMapperError(message)
    header, *sample = rows
    names = [name.strip() or f"unnamed_{i}" for i, name in enumerate(header)]
    check_names(names, str(path))
    plan = planner(names, names, str(path))
    if plan.row_names is None and header[0].strip() == "":
        # pandas and R write names of rows under an empty header.
        features = [name for name in plan.features if name != names[0]]
        plan = replace(plan, features=features, row_names=names[0])
    with_comma = re.compile(NUMBER.replace(r"\.", ","), re.ASCII)
    has_commas = separator == ";" and any(
        "," in value and with_comma.fullmatch(value) for row in sample for value in row
    )
    decimal, number = (",", with_comma) if has_commas else (".", re.compile(NUMBER, re.ASCII))
    sheet = _Sheet(path, separator, decimal, number, names, plan, marks, [])
    if any(len(row) != len(names) for row in sample):
        _scan(sheet, [])  # refuses the file
    columns = dict(zip(names, zip(*sample, strict=True), strict=True))
    texts = [
        name
        for name in plan.features
        if name in (plan.texts or ()) or not all(map(sheet.is_number, columns[name]))
    ]
    return replace(sheet, texts=texts)


def _rows(path: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not empty, each with the number of its (last) line."""
    opened = OPENERS.get(path.suffix.lower(), open)
    with opened(path, "rt", encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=separator)
        for row in reader:
            if row:
                yield reader.line_num, row


def _scan(sheet: _Sheet, suspects: list[str]) -> set[str]:
    """The suspected columns with a value that is not a number.

    A row of another length than the header is refused.
    """
    n = len(sheet.names)
    place = {name: i for i, name in enumerate(sheet.names)}
    left = {place[name]: name for name in suspects}
    bad: set[str] = set()
    for line, row in islice(_rows(sheet.path, sheet.separator), 1, None):
        if len(row) != n:
            message = (
                f"{sheet.path}, line {line}: found {len(row)} fields, expected {n} (the header "
                f"has {n}). Check for a missing separator"
            )
            raise DeepMapperError(message)
        wrong = [i for i in left if not sheet.is_number(row[i])]
        bad.update(left.pop(i) for i in wrong)
    return bad


def _parse(sheet: _Sheet) -> RawTable:
    """Read the table, a chunk of rows at a time.

    ValueError: a value in a numeric column is not a number, or a row is too long. DeepMapperError:
    a row is too short.
    """
    types: dict[Any, Any] = dict.fromkeys(sheet.as_numbers, np.float32)
    types |= dict.fromkeys(sheet.as_text, object)
    blocks: list[np.ndarray] = []
    columns: dict[str, list[Any]] = {name: [] for name in sheet.as_text}
    may_be_short = False
    with (
        np.errstate(over="ignore"),  # too large for float32: infinite, which is refused later
        pd.read_csv(
            sheet.path,
            sep=sheet.separator,
            decimal=sheet.decimal,
            names=sheet.names,
            header=0,
            dtype=types,
            index_col=False,
            na_values=sorted(sheet.marks),
            keep_default_na=False,
            low_memory=False,
            chunksize=max(1, CHUNK_VALUES // len(sheet.names)),
        ) as reader,
    ):
        for frame in reader:
            blocks.append(frame[sheet.as_numbers].to_numpy(dtype=np.float32))
            for name, values in columns.items():
                values += [None if value is np.nan else value for value in frame[name]]
            may_be_short = may_be_short or bool(frame[sheet.names[-1]].isna().any())
    if may_be_short:  # pandas fills short rows with missing values
        _scan(sheet, [])
    plan, used = sheet.plan, set(sheet.plan.features)
    arrays = {name: np.array(values, dtype=object) for name, values in columns.items()}
    numbers = _join(blocks)
    row_names = row_numbers(len(numbers))
    return RawTable(
        str(sheet.path),
        numbers,
        sheet.as_numbers,
        {name: arrays[name] for name in sheet.texts},
        row_names if plan.row_names is None else arrays[plan.row_names].astype(str).astype(object),
        None if plan.label is None else arrays[plan.label],
        tuple(name for name in sheet.names if name not in used),
        plan.row_names,
    )


def _join(blocks: list[np.ndarray]) -> np.ndarray:
    """All blocks in one array. Each block is freed once it is copied."""
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
