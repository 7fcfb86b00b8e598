"""Formats of numbers: a few significant digits, with the unit if needed."""

import math
import re

NOT_KNOWN = "n/a"


def number(value: float | None) -> str:
    """Format three digits without exponents: 1,417 · 94.1 · 1.23 · 0.334 · <0.001."""
    if value is None or math.isnan(value):
        return NOT_KNOWN
    size = abs(value)
    if 0 < size < 0.0005:
        return "<0.001"
    digits = 0 if size >= 99.95 else 1 if size >= 9.995 else 2 if size >= 0.9995 else 3
    return f"{value:,.{digits}f}"


def count(value: float | None) -> str:
    return NOT_KNOWN if value is None or math.isnan(value) else f"{round(value):,}"


def counted(n: int | None, noun: str) -> str:
    """Format a number and its noun: 1 cell, 1,200 cells, ? cells."""
    return f"{'?' if n is None else format(n, ',')} {noun}{'' if n == 1 else 's'}"


def duration(seconds: float | None) -> str:
    """Format a duration as the paper does: 334 ms, 12.3 s, 1 min 34 s, 2 h 05 min."""
    if seconds is None or math.isnan(seconds):
        return NOT_KNOWN
    if seconds < 0.0005:
        return "<1 ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{number(seconds)} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def share(value: float | None, digits: int = 3) -> str:
    return NOT_KNOWN if value is None or math.isnan(value) else f"{value:.{digits}f}"


def share_digits(n_test: float | None) -> int:
    """Return 4 for a test set large enough for a fourth significant digit, else 3."""
    return 4 if n_test is not None and n_test >= 5000 else 3


def shape(image_shape: str | None) -> str:
    return image_shape.replace("x", "×") if image_shape else NOT_KNOWN


def split_code(text: str) -> list[str]:
    """Split text and code (between backticks) in turn, one part if they do not match."""
    parts = text.split("`")
    return parts if len(parts) % 2 else [text]


def status_words(status: str) -> str:
    return status.replace("_", " ")


def natural_order(label: str) -> list[tuple[int, int, str]]:
    """Return a key to sort labels by: text as text, numbers as numbers.

    >>> sorted(["10,000 genes", "2,500 genes", "tcga"], key=natural_order)
    ['2,500 genes', '10,000 genes', 'tcga']
    """
    parts = re.split(r"(\d[\d,]*)", label)
    numbers = [part.replace(",", "") for part in parts]
    return [
        (0, int(number), "") if number.isdigit() else (1, 0, part)
        for part, number in zip(parts, numbers, strict=True)
        if part
    ]
