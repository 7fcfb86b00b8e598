"""The format of a text file, found in its first lines: encoding, comments, separator, header."""

import csv
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from deepmapper.errors import DeepMapperError
from deepmapper.tables._detection import first_bytes, open_bytes, open_text, text_encoding

SAMPLE_ROWS = 20
LARGEST_FIELD = 16 << 20  # characters
SEPARATORS = ("\t", ",", ";", "|")
NAMES = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "|", " ": "blanks"}
ENDINGS = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".txt": "\t"}
MEASURED = re.compile(r"\s*-?\d*[.,]\d+([eE][+-]?\d+)?\s*", re.ASCII)  # not a whole number
GEO_BEGIN, GEO_END = "!series_matrix_table_begin", "!series_matrix_table_end"


@dataclass(frozen=True)
class TextFormat:
    """How a text file is divided into rows and columns.

    names: of the columns, one for each field of a row.
    n_skipped: lines up to and including the header.
    genes_in_rows: whether the format (GCT, GEO series matrix) has the features in rows.
    n_descriptions: columns after the first that describe the feature of their row.
    n_annotations: rows after the header that describe the samples.
    annotations: values of each sample, by name, found before the header.
    has_line_feeds: whether lines end with a line feed (old Macs wrote a carriage return).
    """

    path: Path
    encoding: str
    separator: str
    names: list[str]
    n_skipped: int
    genes_in_rows: bool = False
    n_descriptions: int = 0
    n_annotations: int = 0
    annotations: dict[str, list[str]] = field(default_factory=dict)
    has_line_feeds: bool = True

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """The rows below the header, each with the number of its first line.

        A row of another length than the header raises DeepMapperError.
        """
        n = len(self.names)
        for first, last, row in _rows(self.path, self.encoding, self.separator, self.n_skipped):
            if len(row) != n:
                if row[0].lower().startswith(GEO_END):
                    return
                raise self._ragged(first, last, row)
            yield first, row

    def open_rows(self) -> Any:
        """The file opened below its header: bytes of UTF-8, or text in another encoding."""
        is_bytes = self.encoding.startswith("utf-8") and self.has_line_feeds
        opened = open_bytes(self.path) if is_bytes else open_text(self.path, self.encoding)
        for _ in range(self.n_skipped):
            opened.readline()
        return opened

    def _ragged(self, first: int, last: int, row: list[str]) -> DeepMapperError:
        n, where = len(self.names), f"line {first}" if first == last else f"lines {first}-{last}"
        hint = "Check for a missing separator"
        if first != last:
            hint = "Check for a quotation mark that is not closed"
        elif row[0].startswith(("#", "!")):
            hint = "Remove this comment"
        elif len(row) > n and self.separator == ",":
            hint = "Check for a comma inside a value (decimal commas need ';' between columns)"
        fields = "1 field" if len(row) == 1 else f"{len(row)} fields"
        message = (
            f"{self.path}, {where}: found {fields}, expected {n} (the header has {n}). "
            f"The row begins with {','.join(row)[:40]!r}. {hint}"
        )
        return DeepMapperError(message)


def detect(path: Path, encoding: str | None = None) -> TextFormat:
    """Find the format of a text file. Comments that are skipped are pointed out by a warning.

    `encoding` overrides the one that the first bytes show. Without a header or rows:
    DeepMapperError.
    """
    csv.field_size_limit(LARGEST_FIELD)
    encoding = encoding or text_encoding(first_bytes(path))
    with open_text(path, encoding) as file:
        lines: list[str] = []
        comments: list[str] = []
        for line in file:
            text = line.strip().strip('"')
            if lines or (text and not text.startswith(("#", "!"))):
                lines.append(line)
            else:
                comments.append(line)
                if text.lower().startswith(GEO_BEGIN):
                    lines.extend(islice(file, 1))
            if len(lines) > SAMPLE_ROWS:
                break
    n_skipped, special = len(comments), {}
    kind = next((line.strip() for line in comments if line.strip()), "")
    if kind.startswith(("#1.2", "#1.3")):
        sizes = lines.pop(0).split()  # rows, columns, then in version 1.3 their descriptions
        counts = [int(size) for size in sizes[2:] if size.isdecimal()]
        special = {"n_descriptions": 1, "n_annotations": 0}
        if len(counts) == 2:
            special = dict(zip(special, counts, strict=True))
        n_skipped += 1
    is_geo = any(line.lower().startswith(GEO_BEGIN) for line in comments)
    if len([line for line in lines if line.strip()]) < 2:
        content = "has a line of column names and no rows" if lines else "is empty"
        message = f"{path} {content}; a table starts with a line of column names"
        raise DeepMapperError(message)
    separator = _choose_separator(lines, path)
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=separator == " ")
    header = next(reader)
    n_skipped += reader.line_num
    sample = [header, *(row for row in reader if row)]
    if comments and not special and not is_geo:
        fields = _header_in_comment(comments[-1], sample, separator)
        if fields is not None:
            sample.insert(0, fields)
            comments, n_skipped = comments[:-1], len(comments)
        shown = [line.strip() for line in comments if line.strip()]
        if shown:
            _note(f"{path}: comment lines skipped: {len(shown)}, the first is {shown[0][:60]!r}")
    names = _name_columns(path, sample)
    _check_header(path, names, sample)
    annotations = _geo_annotations(comments, len(names) - 1) if is_geo else {}
    return TextFormat(
        path,
        encoding,
        separator,
        names,
        n_skipped,
        has_line_feeds="\n" in lines[0],
        genes_in_rows=bool(special) or is_geo,
        annotations=annotations,
        **special,
    )


def _rows(
    path: Path, encoding: str, separator: str, n_skipped: int
) -> Iterator[tuple[int, int, list[str]]]:
    """The rows that are not empty, each with the numbers of its first and last line."""
    with open_text(path, encoding) as file:
        for _ in islice(file, n_skipped):
            pass
        reader = csv.reader(file, delimiter=separator, skipinitialspace=separator == " ")
        last = n_skipped
        for row in reader:
            first, last = last + 1, n_skipped + reader.line_num
            if row:
                yield first, last, row


def _parse(lines: list[str], separator: str) -> Iterator[list[str]]:
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=separator == " ")
    return (row for row in reader if row)


def _choose_separator(lines: list[str], path: Path) -> str:
    """The separator that gives the most regular rows; the usual one of the ending if two do."""
    ending = next((s for s in reversed(path.suffixes) if s.lower() in ENDINGS), "")
    usual = ENDINGS.get(ending.lower(), ",")
    scores = {}
    for separator in SEPARATORS:
        share, width = _regularity(lines, separator)
        scores[separator] = (share, separator == usual, width)
    best = max(scores, key=scores.__getitem__)
    if scores[best][0] == 0:
        best = " " if _regularity(lines, " ")[1] > 2 else usual
    if ending and best != usual:
        _note(f"{path}: the columns are separated by {NAMES[best]}")
    return best


def _regularity(lines: list[str], separator: str) -> tuple[float, int]:
    """The share of rows of the most frequent length, 0 without that separator, and this length."""
    header, *rows = [len(row) for row in _parse(lines, separator)]
    width, count = Counter(rows).most_common(1)[0]
    if width == 1 or header not in (width, width - 1):
        width, count = header, rows.count(header)  # rows may be broken, the header is not
    if width == 1:
        return 0.0, 1
    # A header that is one name short is R's. If it is one name, the separator is in the values.
    weight = 1.0 if header == width else 0.9 if header > 1 else 0.5
    return max(count, 0.5) / len(rows) * weight, width


def _header_in_comment(comment: str, sample: list[list[str]], separator: str) -> list[str] | None:
    """The fields of a header that begins with "#", or None if the line is a comment."""
    fields = next(_parse([comment.strip().lstrip("#").lstrip()], separator), [])
    has_names = not any(_is_number(value) for value in sample[0][1:])
    has_rows = any(_is_number(value) for row in sample[1:] for value in row)
    if len(fields) < 2 or len(fields) != len(sample[0]) or (has_names and has_rows):
        return None
    return fields


def _name_columns(path: Path, sample: list[list[str]]) -> list[str]:
    """Names of the columns. R writes no name above the names of the rows."""
    header, *rows = sample
    widths = {len(row) for row in rows}
    names = [name.strip() or f"unnamed_{i}" for i, name in enumerate(header)]
    if header[0].strip() == "":
        names[0] = ""
    if widths == {len(header) + 1}:
        if all(row[-1].strip() == "" for row in rows):  # a separator at the end of each row
            return [*names, f"unnamed_{len(names)}"]
        _note(f"{path}: the header has no name for the first column, it is taken as row names")
        return ["", *names]
    return names


def _check_header(path: Path, names: list[str], sample: list[list[str]]) -> None:
    """Refuse a table without a header: its first line has measured numbers."""
    measured = [name for name in names if MEASURED.fullmatch(name)]
    if len(measured) > len(names) / 2:
        message = (
            f"{path} has no line of column names: its first line has numbers such as "
            f"{measured[0]!r}. Add a header line"
        )
        raise DeepMapperError(message)


def _geo_annotations(comments: list[str], n_samples: int) -> dict[str, list[str]]:
    """The descriptions of the samples: "!Sample_title", "!Sample_characteristics_ch1", ..."""
    annotations: dict[str, list[str]] = {}
    for name, *values in _parse(comments, "\t"):
        if not name.lower().startswith("!sample_") or len(values) != n_samples:
            continue
        keys = {value.partition(":")[0].strip() for value in values if value}
        name = name.removeprefix("!")
        if "characteristics" in name and len(keys) == 1:  # "tissue: tumor"
            name = keys.pop()
            values = [value.partition(":")[2].strip() for value in values]
        annotations.setdefault(name, values)
    return annotations


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _note(message: str) -> None:
    warnings.warn(message, stacklevel=2)
