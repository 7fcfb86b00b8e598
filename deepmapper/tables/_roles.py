"""Roles of columns and rows that no option names: ids, genes, copies of the label.

Such a column or orientation gives a result that looks right and is not.
"""

import re
import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.special import gammaln

from deepmapper.errors import DeepMapperError
from deepmapper.images._rows import is_on_disk
from deepmapper.tables._raw import RawTable, list_names, take

# Names of columns that name the rows, in lower case, letters and digits only.
ID_NAMES = re.compile(
    "accession|aliquot|barcodes?|case|cells?|donor|ids?|identifier|idx|index|individual|key|level0|"
    "names?|obs|observation|participant|patient|record|row(name|names|number|no)?|run|"
    "sample(name|number|no|s)?|specimen|subject|unnamed[0-9]+|uuid"
)
MOSTLY_DIFFERENT = 0.5  # of the rows; the ids of patients may repeat
FEWEST_NUMBERED = 5  # in fewer rows, numbers that rise by one happen by chance
HEAD_VALUES = 1 << 27  # of the first rows, which show whether a column numbers the rows
COLUMN_BLOCK = 1024
# Above the names of genes. Lower case, letters and digits only.
GENE_HEADERS = re.compile(
    "(ensembl|entrez)(gene)?(id)?|genes?(id|name|symbol)?|(hgnc|hugo)?symbol|idref|otu(id)?|taxon|"
    "(feature|probe|probeset|protein|transcript)(id|name)?"
)
GENE_NAME = re.compile(r"ENS[A-Z]*[GT]\d{11}(\.\d+)?|ACTB|GAPDH|TP53|MYC|EGFR|BRCA1|CD4|PTEN|B2M")
FEWEST_GENES = 2
MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
# Spreadsheets turn SEPT2 and MARCH1 into these.
DATE = re.compile(
    rf"\d{{1,2}}[-. /]({MONTHS})|({MONTHS})[-. /]\d{{1,2}}|\d{{4}}-\d\d-\d\d( 00:00:00)?|"
    r"\d{1,2}/\d{1,2}/\d{2,4}",
    re.IGNORECASE,
)
CHANCE_FACTOR = 10  # times the number by chance: more separating columns are pointed out


def separate_ids(raw: RawTable, keep: Sequence[str] = ()) -> RawTable:
    """Take the columns that name or number the rows out of the features, except those of `keep`.

    Such a column has a name like "id", "sample" or "Unnamed: 0" and mostly different values, or
    whole numbers that rise by one. If the rows have no names yet, the first column of different
    values names them: an id, else a text. A table without another column is refused.
    """
    values: dict[str, np.ndarray] = {
        name: values
        for name, values in raw.texts.items()
        if is_id_name(name) and len(set(values)) > MOSTLY_DIFFERENT * raw.n_samples
    }
    if isinstance(raw.numbers, np.ndarray):
        columns = np.flatnonzero(_are_numbered(raw.numbers) | _are_numeric_ids(raw))
        for j in columns.tolist():
            texts = [None if np.isnan(v) else str(int(v)) for v in raw.numbers[:, j]]
            values[raw.names[j]] = np.array(texts, dtype=object)
    values = {name: column for name, column in values.items() if name not in keep}
    named_by, row_names = raw.named_by, raw.row_names
    if named_by is None:
        others = {n: v for n, v in raw.texts.items() if n not in values and n not in keep}
        unique = (
            name
            for name, column in ({**values, **others}).items()
            if len(set(column) - {None}) == len(column)
        )
        named_by = next(unique, None)
        if named_by in others:
            values[named_by] = others[named_by]
        row_names = row_names if named_by is None else values[named_by]
    if not values:
        return raw
    if len(values) == len(raw.texts) + len(raw.names):
        message = (
            f"{raw.where} has no feature: {list_names([*values])} only name or number the rows. "
            f"Use one as a feature with --keep COLUMN"
        )
        raise DeepMapperError(message)
    used = [j for j, name in enumerate(raw.names) if name not in values]
    numbers = raw.numbers
    if len(used) < len(raw.names):
        numbers = take(numbers, np.arange(raw.n_samples), np.array(used, dtype=np.int64))
    return replace(
        raw,
        numbers=numbers,
        names=[raw.names[j] for j in used],
        texts={name: column for name, column in raw.texts.items() if name not in values},
        row_names=row_names,
        ignored=(*raw.ignored, *values),
        named_by=named_by,
        ids=tuple(name for name in values if name != named_by),
    )


def is_id_name(name: str) -> bool:
    """Whether a column of this name usually names the rows.

    >>> [is_id_name(name) for name in ("Sample_ID", "Unnamed: 0", "patientId", "TP53", "Covid")]
    [True, True, True, False, False]
    """
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
    words = re.sub(r"[^a-z0-9]+", " ", words).strip()
    last = words.split()[-1:]
    return ID_NAMES.fullmatch(words.replace(" ", "")) is not None or last in (["id"], ["barcode"])


def _are_numbered(numbers: np.ndarray) -> np.ndarray:
    """bool (p,): whole numbers that rise or fall by one from row to row.

    So is the only column whose numbers do so after sorting.
    """
    numbers = numbers[: max(FEWEST_NUMBERED, HEAD_VALUES // max(1, numbers.shape[1]))]
    n, p = numbers.shape
    if n < FEWEST_NUMBERED:
        return np.zeros(p, dtype=bool)
    low, high = numbers.min(0), numbers.max(0)
    candidates = np.flatnonzero((high - low == n - 1) & (low == np.round(low)))
    ordered, shuffled = np.zeros(p, dtype=bool), np.zeros(p, dtype=bool)
    for j in candidates:
        steps = np.diff(numbers[:, j])
        ordered[j] = (steps == 1).all() or (steps == -1).all()
        shuffled[j] = (np.diff(np.sort(numbers[:, j])) == 1).all()
    return ordered | shuffled if shuffled.sum() == 1 else ordered


def _are_numeric_ids(raw: RawTable) -> np.ndarray:
    """bool (p,): columns with the name of an id and mostly different whole numbers."""
    is_id = np.zeros(len(raw.names), dtype=bool)
    for j in [j for j, name in enumerate(raw.names) if is_id_name(name)]:
        column = raw.numbers[:, j]
        is_whole = (column[np.isfinite(column)] % 1 == 0).all()
        is_id[j] = is_whole and len(np.unique(column)) > MOSTLY_DIFFERENT * raw.n_samples
    return is_id


def is_gene_header(name: str) -> bool:
    """Whether a column of this name usually names genes."""
    return GENE_HEADERS.fullmatch(re.sub(r"[^a-z0-9]", "", name.lower())) is not None


def note_orientation(raw: RawTable) -> None:
    """Warn if the rows look like genes: the samples may be in columns."""
    named = is_gene_header(raw.named_by or "")
    genes = [name for name in raw.row_names if GENE_NAME.fullmatch(str(name))]
    if named or len(genes) >= FEWEST_GENES:
        warnings.warn(
            f"{raw.where}: the rows look like genes ({list_names(raw.row_names[:3].tolist())}). If "
            "the samples are in columns, transpose the table (--transpose)",
            stacklevel=3,
        )


def note_dates(raw: RawTable) -> None:
    """Warn about names that a spreadsheet has turned into dates."""
    dates = [name for name in raw.names if DATE.fullmatch(name)]
    if dates:
        warnings.warn(
            f"{raw.where}: names that look like dates: {list_names(dates)}. Spreadsheets turn "
            "names of genes such as SEPT4 into dates",
            stacklevel=3,
        )


def note_separating(raw: RawTable, y: np.ndarray) -> None:
    """Warn about columns that alone separate all classes, if chance does not explain them.

    y (n_samples,) are the labels. Such a column is often the label again.
    """
    names = [*_separating_texts(raw, y), *_separating_numbers(raw, y)]
    counts = np.unique(y, return_counts=True)[1]
    # the share of the orders of n samples in which the classes follow each other
    logarithm = gammaln(counts + 1).sum() + gammaln(len(counts) + 1) - gammaln(len(y) + 1)
    if len(names) > CHANCE_FACTOR * len(raw.names) * np.exp(logarithm):
        shown = list_names(names)
        warnings.warn(
            f"{raw.where}: columns that alone separate the classes: {shown}. Leave out a column "
            f"that holds the label again (--drop COLUMN)",
            stacklevel=3,
        )


def _separating_numbers(raw: RawTable, y: np.ndarray) -> list[str]:
    """Numeric columns in which the ranges of the classes do not overlap."""
    if not isinstance(raw.numbers, np.ndarray) or is_on_disk(raw.numbers):
        return []
    members = [np.flatnonzero(y == label) for label in np.unique(y)]
    names: list[str] = []
    for start in range(0, len(raw.names), COLUMN_BLOCK):
        block = raw.numbers[:, start : start + COLUMN_BLOCK]
        parts = [block[rows] for rows in members]
        low = np.stack([part.min(0) for part in parts])  # NaN if a value is missing
        high = np.stack([part.max(0) for part in parts])
        order = np.argsort(low, axis=0)
        low, high = (np.take_along_axis(ends, order, axis=0) for ends in (low, high))
        separates = (high[:-1] < low[1:]).all(0)
        names += [raw.names[start + j] for j in np.flatnonzero(separates)]
    return names


def _separating_texts(raw: RawTable, y: np.ndarray) -> list[str]:
    """Text columns with fewer levels than half of the rows, each level in one class."""
    names = []
    for name, values in raw.texts.items():
        pairs = set(zip(values, y.tolist(), strict=True))
        n_levels = len(set(values))
        if len(pairs) == n_levels and 1 < n_levels < raw.n_samples / 2:
            names.append(name)
    return names
