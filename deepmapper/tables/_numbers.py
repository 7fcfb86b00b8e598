"""Numbers as people write them: decimal commas, thousands separators, comparison signs, units."""

import re
import warnings
from collections.abc import Iterable

import numpy as np

from deepmapper.errors import DeepMapperError
from deepmapper.tables._raw import list_names

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
}
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

    @property
    def is_ambiguous(self) -> bool:
        """Whether all values have the form 1,234."""
        return {"decimal commas", "commas between thousands"} <= set(self.styles)

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


def choose_styles(columns: dict[str, TextNumbers], separator: str, where: str) -> dict[str, str]:
    """The style of each column that has one. A warning says which columns are concerned.

    Values such as 1,234 are understood by the other columns, else by the separator of the file.
    If neither decides, DeepMapperError.
    """
    clear = {style for c in columns.values() if not c.is_ambiguous for style in c.styles[:1]}
    clear &= {"decimal commas", "commas between thousands"}
    if not clear and separator in (",", ";"):
        clear = {"decimal commas" if separator == ";" else "commas between thousands"}
    chosen: dict[str, str] = {}
    unclear = []
    for name, column in columns.items():
        if column.is_ambiguous and len(clear) != 1:
            unclear.append(name)
        elif column.styles:
            chosen[name] = next(iter(clear)) if column.is_ambiguous else column.styles[0]
    if unclear:
        example = next(iter(columns[unclear[0]].texts))
        message = (
            f"{where}: the columns {list_names(unclear)} hold values such as {example!r}, either "
            "with a decimal comma or with a thousands separator. Write 1234 or 1.234"
        )
        raise DeepMapperError(message)
    for style in STYLES:
        names = [name for name, own in chosen.items() if own == style]
        if names:
            warnings.warn(
                f"{where}: columns with {style}, read as numbers: {list_names(names)}",
                stacklevel=2,
            )
    return chosen


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
    if (has_points and not has_both) or not any("," in text for text in texts):
        styles = [style for style in styles if style != "decimal commas"]
    return styles


def _is_number_in_any_style(text: str) -> bool:
    patterns = (PLAIN_PATTERN, *PATTERNS.values())
    return bool(text) and any(pattern.fullmatch(text) for pattern in patterns)
