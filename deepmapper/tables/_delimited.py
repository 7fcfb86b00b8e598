"""Delimited text, also compressed: a header line, then numbers read as float32.

The first rows decide which columns hold numbers, so that 20,000 columns are read once, with their
type. If a later row has text in such a column, the file is scanned value by value and read again.
A format with the features in rows (GCT, GEO series matrix) is read row by row.
"""

import csv
import re
import warnings
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from deepmapper.errors import DeepMapperError
from deepmapper.tables._detection import READ_ERRORS
from deepmapper.tables._numbers import PLAIN
from deepmapper.tables._raw import (
    Plan,
    Planner,
    RawTable,
    ReadOptions,
    check_names,
    row_numbers,
    scratch,
)
from deepmapper.tables._roles import may_be_id
from deepmapper.tables._text_format import SAMPLE_ROWS, TextFormat, detect

MISSING = ("", "NA", "N/A", "#N/A", "n/a", "<NA>", "NaN", "nan", "-nan", "NULL", "null", "None")
# A class may be called None or null.
MISSING_LABELS = frozenset(MISSING) - {"NULL", "null", "None"}
NUMBER = rf"\s*-?({PLAIN})\s*|-?inf"
WHOLE = re.compile(r"\s*[+-]?\d+\s*", re.ASCII)
THOUSANDS = re.compile(r"-?[1-9]\d{0,2}(,\d{3})+(\.\d*)?")
# Before labels and row names while pandas reads them: it has one list of marks for all columns.
PREFIX = "="
CHUNK_VALUES = 1 << 25  # parsed at a time; with their text they take about 700 MiB


@dataclass(frozen=True)
class _Sheet:
    """A file, its format and the roles of its columns.

    `texts` are the text features. `written` are numeric features whose text is kept, too.
    """

    format: TextFormat
    decimal: str
    number: re.Pattern[str]
    plan: Plan
    marks: frozenset[str]
    texts: list[str]
    written: tuple[str, ...] = ()

    @property
    def as_numbers(self) -> list[str]:
        is_text = set(self.texts)
        return [name for name in self.plan.features if name not in is_text]

    @property
    def as_text(self) -> list[str]:
        columns = (*self.texts, *self.written, self.plan.label, self.plan.row_names)
        return [name for name in columns if name is not None]

    def is_number(self, value: str) -> bool:
        """Whether the value is a number or marks a missing one."""
        return value in self.marks or self.number.fullmatch(value) is not None

    def is_whole(self, value: str) -> bool:
        """Whether the value is written as a whole number or marks a missing one."""
        return value in self.marks or WHOLE.fullmatch(value) is not None


def read(path: Path, planner: Planner, options: ReadOptions) -> RawTable:
    """Read a text file.

    Refused: an empty file, rows of another length than the header, and names that occur twice.
    """
    try:
        try:
            return _read(detect(path), planner, options)
        except UnicodeDecodeError:
            table = _read(detect(path, "cp1252"), planner, options)
            warnings.warn(
                f"{path} is not UTF-8 and was read as Windows-1252 (latin-1). If names look wrong, "
                f"convert it: iconv -f ENCODING -t utf-8 {path}",
                stacklevel=2,
            )
            return table
    except DeepMapperError:
        raise
    except (ValueError, csv.Error, *READ_ERRORS) as error:
        message = f"cannot read {path}: {error}"
        raise DeepMapperError(message) from error


def _read(form: TextFormat, planner: Planner, options: ReadOptions) -> RawTable:
    if form.genes_in_rows or options.transpose:
        return _read_transposed(form, planner, options)
    sheet = _open_sheet(form, planner, options)
    try:
        return _parse(sheet, options)
    except (DeepMapperError, UnicodeDecodeError):
        raise
    except ValueError:  # pandas' ParserError is one
        bad = _scan(sheet, sheet.as_numbers)
        if not bad:
            raise
        texts = [name for name in sheet.plan.features if name in bad or name in sheet.texts]
        written = tuple(name for name in sheet.written if name not in bad)
        return _parse(replace(sheet, texts=texts, written=written), options)


def _open_sheet(form: TextFormat, planner: Planner, options: ReadOptions) -> _Sheet:
    """Give each column its role, and decide by the first rows which ones hold numbers."""
    has_row_names = form.names[0] == ""
    names = ["unnamed_0", *form.names[1:]] if has_row_names else form.names
    form = replace(form, names=names)
    where = str(form.path)
    check_names(names, where)
    plan = planner(names, names, where)
    if plan.row_names is None and has_row_names:
        # pandas and R write names of rows under an empty header.
        features = [name for name in plan.features if name != names[0]]
        plan = replace(plan, features=features, row_names=names[0])
    sample = [row for _, row in islice(form.rows(), SAMPLE_ROWS)]
    with_comma = re.compile(NUMBER.replace(r"\.", ","), re.ASCII)
    values = [value for row in sample for value in row if "," in value]
    # 1,234 may be either: `_numbers` decides by the whole column
    has_commas = form.separator != "," and any(
        with_comma.fullmatch(v) and not THOUSANDS.fullmatch(v) for v in values
    )
    decimal, number = (",", with_comma) if has_commas else (".", re.compile(NUMBER, re.ASCII))
    if has_commas:
        warnings.warn(f"{where}: decimal commas, read as numbers", stacklevel=2)
    sheet = _Sheet(form, decimal, number, plan, options.all_marks(MISSING), [])
    columns = dict(zip(names, zip(*sample, strict=True), strict=True))
    texts = [
        name
        for name in plan.features
        if name in (plan.texts or ()) or not all(map(sheet.is_number, columns[name]))
    ]
    sheet = replace(sheet, texts=texts)
    written = (
        name
        for name in sheet.as_numbers
        if all(map(sheet.is_whole, columns[name])) and may_be_id(name, columns[name])
    )
    return replace(sheet, written=tuple(written))


def _scan(sheet: _Sheet, suspects: list[str]) -> set[str]:
    """The suspected columns with a value that is not a number.

    A row of another length than the header is refused.
    """
    place = {name: i for i, name in enumerate(sheet.format.names)}
    left = {place[name]: name for name in suspects}
    bad: set[str] = set()
    written = set(sheet.written)
    for _, row in sheet.format.rows():
        wrong = [
            i
            for i, name in left.items()
            if not (sheet.is_whole(row[i]) if name in written else sheet.is_number(row[i]))
        ]
        bad.update(left.pop(i) for i in wrong)
    return bad


def _parse(sheet: _Sheet, options: ReadOptions) -> RawTable:
    """Read the table, a chunk of rows at a time.

    ValueError: a value in a numeric column is not a number, or a row is too long. DeepMapperError:
    a row is too short.
    """
    form, plan = sheet.format, sheet.plan
    types: dict[Any, Any] = dict.fromkeys(sheet.as_numbers, np.float32)
    types |= dict.fromkeys((*sheet.texts, *sheet.written), object)
    blocks: list[np.ndarray] = []
    columns: dict[str, list[Any]] = {name: [] for name in sheet.as_text}
    as_written = [name for name in (plan.label, plan.row_names) if name is not None]
    may_be_short = False
    with (
        np.errstate(over="ignore"),  # too large for float32: infinite, which is refused later
        form.open_rows() as file,
        pd.read_csv(
            file,
            sep=form.separator,
            skipinitialspace=form.separator == " ",
            decimal=sheet.decimal,
            names=form.names,
            header=None,
            dtype=types,
            converters=dict.fromkeys(as_written, PREFIX.__add__),
            index_col=False,
            na_values=sorted(sheet.marks),
            keep_default_na=False,
            low_memory=False,
            chunksize=max(1, CHUNK_VALUES // len(form.names)),
        ) as reader,
    ):
        for frame in reader:
            blocks.append(frame[sheet.as_numbers].to_numpy(dtype=np.float32))
            for name, values in columns.items():
                values += [None if value is np.nan else value for value in frame[name]]
            last = frame[form.names[-1]]
            may_be_short = may_be_short or bool(last.isna().any() or last.isin(["", PREFIX]).any())
    if may_be_short:  # pandas fills short rows with missing values
        _scan(sheet, [])
    used = set(plan.features)
    for name in as_written:
        columns[name] = [None if value is None else value[len(PREFIX) :] for value in columns[name]]
    arrays = {name: np.array(values, dtype=object) for name, values in columns.items()}
    numbers = _join(blocks)
    return RawTable(
        str(form.path),
        numbers,
        sheet.as_numbers,
        {name: arrays[name] for name in sheet.texts},
        row_numbers(len(numbers)) if plan.row_names is None else arrays[plan.row_names],
        None if plan.label is None else _labels(arrays[plan.label], options),
        tuple(name for name in form.names if name not in used),
        plan.row_names,
        form.separator,
        sheet.decimal,
        {name: arrays[name] for name in sheet.written},
    )


def _read_transposed(form: TextFormat, planner: Planner, options: ReadOptions) -> RawTable:
    """Read a file with a feature in each row and a sample in each column."""
    marks = options.all_marks(MISSING)
    n_before = 1 + form.n_descriptions
    samples = form.names[n_before:]
    check_names(samples, f"{form.path} (samples in columns)")
    texts = {name: np.array(v, dtype=object) for name, v in form.annotations.items()}
    features: dict[str, np.ndarray] = {}
    written: dict[str, np.ndarray] = {}
    names: list[str] = []
    for i, (_, row) in enumerate(form.rows()):
        name, values = row[0].strip(), row[n_before:]
        texts_of_samples = texts if i < form.n_annotations else features
        names += [name] if i >= form.n_annotations else []
        try:
            texts_of_samples[name] = np.array(values, dtype=np.float32)
        except ValueError:
            present = [None if value.strip() in marks else value for value in values]
            try:
                texts_of_samples[name] = np.array(present, dtype=np.float32)  # None is NaN
            except ValueError:
                texts_of_samples[name] = np.array(present, dtype=object)
        if i >= form.n_annotations and may_be_id(name, values):
            present = [None if value.strip() in marks else value.strip() for value in values]
            if all(value is None or WHOLE.fullmatch(value) for value in present):
                written[name] = np.array(present, dtype=object)
    where = str(form.path)
    if form.genes_in_rows:
        warnings.warn(f"{where} has a feature in each row by its format: transposed", stacklevel=2)
    check_names(names, f"{where} (features in rows)")
    plan = planner(names, [*names, *texts], where)
    texts |= {name: features[name] for name in (plan.label, plan.row_names) if name in features}
    numeric = [name for name in plan.features if features[name].dtype != object]
    numbers = scratch((len(samples), len(numeric)))
    for j, name in enumerate(numeric):
        numbers[:, j] = features[name]
    row_names = plan.row_names
    labels = None if plan.label is None else _labels(texts[plan.label], options)
    return RawTable(
        where,
        numbers,
        numeric,
        {name: features[name] for name in plan.features if features[name].dtype == object},
        np.array(samples if row_names is None else texts[row_names], dtype=object),
        labels,
        (),
        row_names or "the header",
        form.separator,
        written={name: written[name] for name in numeric if name in written},
    )


def _labels(values: np.ndarray, options: ReadOptions) -> np.ndarray:
    """The labels without the blanks around them, None if missing."""
    marks = options.all_marks(MISSING_LABELS)
    stripped = [value.strip() if isinstance(value, str) else value for value in values]
    return np.array([None if value in marks else value for value in stripped], dtype=object)


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
