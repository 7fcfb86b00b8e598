"""Numbers as people write them: decimal commas, thousands separators, comparison signs, units."""

import re
import warnings
from collections.abc import Iterable

import numpy as np

from deepmapper.errors import DeepMapperError
from deepmapper.tables._raw import RawTable, list_names

TRUTH = {"true": 1.0, "false": 0.0}
PLAIN = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
BLANKS = "'\u2019 \u00a0\u2007\u2009\u202f"  # between thousands
# The number in each style, and what to replace to get a plain number.
STYLES = {
    "decimal commas": (
        rf"[+-]?((\d+|[1-9]\d{{0,2}}([.{BLANKS}]\d{{3}})+)(,\d+)?|,\d+)([eE][+-]?\d+)?",
        {**dict.fromkeys("." + BLANKS, ""), ",": "."},
    ),
    "commas between thousands": (r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?|" + PLAIN, {",": ""}),
    "blanks between thousands": (
        rf"[+-]?[1-9]\d{{0,2}}([{BLANKS}]\d{{3}})+(\.\d*)?|" + PLAIN,
        dict.fromkeys(BLANKS, ""),
    ),
    "points between thousands": (r"[+-]?[1-9]\d{0,2}(\.\d{3})+|[+-]?\d+", {".": ""}),
}
WITH_COMMAS = {"decimal commas", "commas between thousands"}
GROUPED = {mark: re.compile(rf"[+-]?[1-9]\d{{0,2}}([{mark}]\d{{3}})+", re.ASCII) for mark in ",."}
BELOW_1000 = re.compile(r"[+-]?\d{1,3}", re.ASCII)
# 1,156 is beside 922: as thousands, the standard deviation of the logarithms is far smaller.
CLOSER = 0.5
FEW_ROWS = 5  # in more rows of counts, a column has values on both sides of 1000
# A column with at least this share of numbers holds numbers. Its other values are mistakes.
MEANT_AS_NUMBERS = 0.5
FEW_LEVELS = 4
PATTERNS = {style: re.compile(pattern, re.ASCII) for style, (pattern, _) in STYLES.items()}
PLAIN_PATTERN = re.compile(rf"{PLAIN}|[+-]?(inf|infinity)", re.ASCII | re.IGNORECASE)
# "<0.1", "5 mg", "12%": a number that is not alone
MEASUREMENT = re.compile(
    rf"[<>~≤≥]*\s*[+-]?\d[\d.,{BLANKS}]*([eE][+-]?\d+)?\s*(%|\s[\w/%µ.]{{1,8}})?"
)


class TextNumbers:
    """The values of a text column, and the styles in which all of them are numbers."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values
        # true and false are 1 and 0
        self.texts = {v: _normal(v) for v in dict.fromkeys(values) if v is not None}
        others = [text for text in self.texts.values() if text.lower() not in TRUTH]
        self.is_plain = all(PLAIN_PATTERN.fullmatch(text) for text in others)
        self.styles = [] if self.is_plain else _common_styles(others)
        self.numbers = others

    @property
    def is_ambiguous(self) -> bool:
        """Whether all commas are those of 1,234, and no other value tells their meaning."""
        return set(self.styles) >= WITH_COMMAS

    @property
    def with_points(self) -> list[str]:
        return [text for text in self.numbers if "." in text]

    def to_numbers(self, style: str | None) -> np.ndarray:
        """float32 (n,), NaN if missing."""
        signs = str.maketrans(STYLES[style][1]) if style is not None else {}
        numbers: dict[str | None, float] = {None: np.nan}
        for value, text in self.texts.items():
            truth = TRUTH.get(text.lower())
            numbers[value] = float(text.translate(signs)) if truth is None else truth
        with np.errstate(over="ignore"):
            return np.array([numbers[value] for value in self.values], dtype=np.float32)

    def wrong(self) -> list[int]:
        """Positions of the values that are not numbers in any style."""
        is_wrong = {v: not _is_number_in_any_style(text) for v, text in self.texts.items()}
        if not any(is_wrong.values()):  # numbers of several styles: the rarer one is wrong
            is_wrong = {v: not PLAIN_PATTERN.fullmatch(text) for v, text in self.texts.items()}
        return [i for i, v in enumerate(self.values) if v is not None and is_wrong[v]]

    @property
    def is_measured(self) -> bool:
        """Whether most values are numbers, perhaps with a sign or a unit.

        Without a plain number, most values have to differ: ">=3" may be a category.
        """
        present = [v for v in self.values if v is not None]
        measured = {v for v, text in self.texts.items() if MEASUREMENT.fullmatch(text)}
        if sum(v in measured for v in present) < MEANT_AS_NUMBERS * len(present):
            return False
        has_number = any(_is_number_in_any_style(text) for text in self.texts.values())
        return has_number or len(measured) > max(FEW_LEVELS, MEANT_AS_NUMBERS * len(present))


def choose_styles(columns: dict[str, TextNumbers], raw: RawTable) -> dict[str, str]:
    """The style of each column that has one. A warning says which columns are concerned.

    Values such as 1,234 are understood by the other columns, else by the separator of the file.
    If neither decides, DeepMapperError. So are values such as 1.234 beside decimal commas.
    """
    clear = {style for c in columns.values() if not c.is_ambiguous for style in c.styles[:1]}
    clear &= WITH_COMMAS
    if raw.decimal == ",":
        clear.add("decimal commas")
    ambiguous = [column for column in columns.values() if column.is_ambiguous]
    if ambiguous and not clear:
        clear = _style_of_file(ambiguous, raw)
    chosen: dict[str, str] = {}
    unclear = []
    for name, column in columns.items():
        if column.is_ambiguous and len(clear) != 1:
            unclear.append(name)
        elif column.styles:
            chosen[name] = next(iter(clear)) if column.is_ambiguous else column.styles[0]
    if unclear:
        raise _unclear(columns, unclear, raw.where, ",")
    if "decimal commas" in {*clear, *chosen.values()}:
        chosen |= _points_between_thousands(columns, raw.where)
    for style in STYLES:
        names = [name for name, own in chosen.items() if own == style]
        if names:
            warnings.warn(
                f"{raw.where}: columns with {style}, read as numbers: {list_names(names)}",
                stacklevel=2,
            )
    return chosen


def _style_of_file(ambiguous: list[TextNumbers], raw: RawTable) -> set[str]:
    """What a comma means if all are those of 1,234. Empty if the rest of the file does not tell."""
    used = [j for j, name in enumerate(raw.names) if name not in raw.written]
    sizes = np.abs(raw.numbers[:, used])
    sizes = sizes[np.isfinite(sizes)]
    fractions = sizes[sizes % 1 != 0]
    hundredths = np.round(100 * fractions)
    has_points = bool(((fractions < 1) | np.isclose(100 * fractions, hundredths)).any())
    if raw.separator == "," or has_points:  # 0.5 and 12.25 have decimal points
        return {"commas between thousands"}
    is_mixed = any("," not in text for column in ambiguous for text in column.numbers)
    has_hundreds = raw.n_samples < FEW_ROWS and 100 <= sizes.max(initial=0) < 1000
    if raw.separator != ";" or is_mixed or has_hundreds:
        return set()
    return {"decimal commas"}


def _points_between_thousands(columns: dict[str, TextNumbers], where: str) -> dict[str, str]:
    """The style of columns such as 1.156 and 922, in a file of decimal commas."""
    pointed = {n: c for n, c in columns.items() if c.is_plain and c.with_points}
    texts = [text for column in pointed.values() for text in column.with_points]
    if not all(map(GROUPED["."].fullmatch, texts)):
        return {}  # points are decimals in this file, too
    unclear = [name for name, c in pointed.items() if not _are_thousands(c.numbers, ".")]
    if unclear:
        raise _unclear(columns, unclear, where, ".")
    return dict.fromkeys(pointed, "points between thousands")


def _unclear(
    columns: dict[str, TextNumbers], names: list[str], where: str, mark: str
) -> DeepMapperError:
    """The error that a mark in these columns is either a decimal or between thousands."""
    example = next(text for text in columns[names[0]].numbers if mark in text)
    word, other = ("comma", "1.234") if mark == "," else ("point", "1,234")
    message = (
        f"{where}: the columns {list_names(names)} hold values such as {example!r}, either "
        f"with a decimal {word} or with a thousands separator. Write 1234 or {other}"
    )
    return DeepMapperError(message)


def _are_thousands(texts: Iterable[str], mark: str) -> bool:
    """Whether the mark is between thousands for certain: 1,156 beside 922, not beside 2.

    The other numbers are whole and below 1000, and thousands are far closer to them than decimals.
    """
    texts = list(texts)
    grouped = [text for text in texts if mark in text]
    others = [text for text in texts if mark not in text]
    if not (grouped and others and all(map(GROUPED[mark].fullmatch, grouped))):
        return False
    if not all(map(BELOW_1000.fullmatch, others)):
        return False
    small = np.log([max(1, abs(int(text))) for text in others])
    large = np.log([abs(int(text.replace(mark, ""))) for text in grouped])
    decimals = large - np.log(1000)
    return bool(np.std([*small, *large]) < CLOSER * np.std([*small, *decimals]))


def _normal(value: str) -> str:
    return value.strip().replace("\u2212", "-")


def _common_styles(texts: Iterable[str]) -> list[str]:
    """The styles in which all texts are numbers.

    A point beside decimal commas is a decimal point by mistake, unless a value has both.
    """
    texts = list(texts)
    styles = [
        style
        for style, pattern in PATTERNS.items()
        if texts and all(text and pattern.fullmatch(text) for text in texts)
    ]
    has_points = any("." in text for text in texts)
    has_both = any("." in text and "," in text for text in texts)
    has_commas = any("," in text for text in texts)
    if (has_points and not has_both) or not has_commas or _are_thousands(texts, ","):
        styles = [style for style in styles if style != "decimal commas"]
    return styles


def _is_number_in_any_style(text: str) -> bool:
    patterns = (PLAIN_PATTERN, *PATTERNS.values())
    return bool(text) and any(pattern.fullmatch(text) for pattern in patterns)
