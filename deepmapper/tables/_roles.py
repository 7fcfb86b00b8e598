"""Roles of columns and rows that no option names: ids, genes, copies of the label.

Such a column or orientation gives a result that looks right and is not.
"""

import re
import warnings
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
from scipy.special import gammaln

from deepmapper.errors import DeepMapperError
from deepmapper.images._rows import is_on_disk
from deepmapper.tables._numbers import TextNumbers
from deepmapper.tables._raw import RawTable, list_names, take

# Names of columns that name the rows, in lower case, letters and digits only.
ID_NAMES = re.compile(
    "accession|aliquot|barcodes?|case|cells?|donor|ids?|identifier|idx|index|individual|key|level0|"
    "names?|obs|observation|participant|patient|record|row(name|names|number|no)?|run|"
    "sample(name|number|no|s)?|specimen|subject|unnamed[0-9]+|uuid"
)
# Names of persons and samples. Their ids may repeat in any number of rows.
REPEATED_IDS = re.compile(
    "accession|aliquot|barcodes?|donor|identifier|individual|participant|patient|"
    "sample(name|number|no|s)?|specimen|subject|uuid"
)
MEASURED = frozenset(["cells", "ids"])  # a number of cells; the gene IDS
MOSTLY_DIFFERENT = 0.5  # of the rows
MAX_CODES = 2  # a column "donor" of 0 and 1 is a category
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

    Such a column has a name like "id", "sample" or "Unnamed: 0" and values like ids, or whole
    numbers that rise by one. If the rows have no names yet, the first column of different values
    names them: an id, else a text. Other ids, and ids of numbers, are pointed out. A table without
    another column is refused.
    """
    values: dict[str, np.ndarray] = {
        name: values for name, values in raw.texts.items() if holds_ids(name, values)
    }
    if isinstance(raw.numbers, np.ndarray):
        values |= _numeric_ids(raw)
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
    ids = {name: column for name, column in values.items() if name != named_by}
    shown = [name for name in values if name in ids or name not in raw.texts]
    if shown:
        warnings.warn(
            f"{raw.where}: columns that name or number the rows were left out: "
            f"{list_names(shown)}. Use one as a feature with --keep COLUMN",
            stacklevel=3,
        )
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
        ids=ids,
    )


def is_id_name(name: str) -> bool:
    """Whether a column of this name usually names the rows.

    >>> [is_id_name(name) for name in ("Sample_ID", "Unnamed: 0", "patientId", "TP53", "Covid")]
    [True, True, True, False, False]
    """
    words = _words(name)
    return ID_NAMES.fullmatch("".join(words)) is not None or words[-1:] in (["id"], ["barcode"])


def are_mostly_different(values: np.ndarray) -> bool:
    """Whether more than half of the rows have different values."""
    return len(set(values) - {None}) > MOSTLY_DIFFERENT * len(values)


def may_be_id(name: str, values: Sequence[str]) -> bool:
    """Whether whole numbers may be ids, so that their text is needed.

    They have the name of an id, or rise or fall by one in the first rows.
    """
    if is_id_name(name):
        return True
    try:
        steps = set(np.diff([int(value) for value in values[:FEWEST_NUMBERED]]).tolist())
    except ValueError:
        return False
    return steps in ({1}, {-1})


def name_new_rows(raw: RawTable, features: Collection[str], named_by: str | None) -> RawTable:
    """Name the rows of a new table that has no column with the name used in training.

    The first text column of different values that is no feature names them, ids first. A note says
    so, or how to choose one. `named_by` is the column of the training table.
    """
    columns = {name: values for name, values in raw.texts.items() if name not in features}
    raw = replace(raw, texts={name: v for name, v in raw.texts.items() if name in features})
    if raw.named_by is not None:
        return raw
    unique = [n for n, v in columns.items() if len(set(v) - {None}) == len(v)]
    texts = [name for name in unique if not TextNumbers(columns[name]).is_plain]
    chosen = next((name for name in unique if is_id_name(name)), next(iter(texts), None))
    if chosen is not None:
        warnings.warn(
            f"{raw.where}: the rows are named by the column {chosen!r}. Choose another with "
            f"--row-names COLUMN",
            stacklevel=3,
        )
        return replace(raw, row_names=columns[chosen], named_by=chosen)
    if named_by is not None:
        warnings.warn(
            f"{raw.where}: the rows are numbered, because it has no column {named_by!r}, which "
            f"names the rows of the training table. Choose a column with --row-names COLUMN",
            stacklevel=3,
        )
    return raw


def _words(name: str) -> list[str]:
    """The words of a name in lower case: "patientId" has two."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
    return re.sub(r"[^a-z0-9]+", " ", spaced).split()


def holds_ids(name: str, values: np.ndarray) -> bool:
    """Whether a column has the name of an id and values like ids.

    Most rows differ, or they are ids of persons or samples, which repeat. Those have digits, if
    the name has no word "id", and are more than two.
    """
    levels = set(values) - {None}
    if not levels or not is_id_name(name):
        return False
    if are_mostly_different(values) or _words(name)[-1:] == ["id"]:
        return True
    have_digits = all(re.search(r"\d", str(level)) for level in levels)
    is_repeated = REPEATED_IDS.fullmatch("".join(_words(name))) is not None
    return is_repeated and have_digits and len(levels) > MAX_CODES


def _numeric_ids(raw: RawTable) -> dict[str, np.ndarray]:
    """The text of the numeric columns that name or number the rows, as in the file."""
    is_id = _are_numbered(raw.numbers)
    for j, name in enumerate(raw.names):
        if name in raw.written:
            column = _text(raw, j)
            numbers = [np.nan if value is None else float(value) for value in column]
            is_id[j] = _are_numbered(np.array(numbers)[:, None])[0] or (
                holds_ids(name, column)
                and (name.lower() not in MEASURED or _is_first_name(raw, j, column))
            )
    return {raw.names[j]: _text(raw, j) for j in np.flatnonzero(is_id).tolist()}


def _is_first_name(raw: RawTable, j: int, values: np.ndarray) -> bool:
    """Whether values without repeats in the first column name rows that have no names yet."""
    return j == 0 and raw.named_by is None and len(set(values) - {None}) == raw.n_samples


def _text(raw: RawTable, j: int) -> np.ndarray:
    """The text of a numeric column. Without `written` it is that of the whole numbers."""
    if raw.names[j] in raw.written:
        return raw.written[raw.names[j]]
    texts = [None if np.isnan(value) else str(int(value)) for value in raw.numbers[:, j]]
    return np.array(texts, dtype=object)


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
