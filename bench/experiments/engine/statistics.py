"""Short summaries of repeated measurements."""

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats


def mean_and_half_width(values: Sequence[float]) -> tuple[float, float]:
    """The mean and half the 95% confidence interval (Student's t); NaN for a single value."""
    n = len(values)
    if n < 2:
        return float(np.mean(values)), math.nan
    half = stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1) / math.sqrt(n)
    return float(np.mean(values)), float(half)


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(_text(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def _text(cell: object) -> str:
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)


def of_seeds(values: Sequence[float], digits: int = 4) -> str:
    """mean ± half the 95% interval (lowest..highest, n)."""
    mean, half = mean_and_half_width(values)
    if len(values) == 1:
        return f"{mean:.{digits}f} (n = 1)"
    return (
        f"{mean:.{digits}f} ± {half:.{digits}f} ({min(values):.{digits}f}"
        f"..{max(values):.{digits}f}, n = {len(values)})"
    )
