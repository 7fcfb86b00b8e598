"""Text columns: numbers after all, or categories."""

from dataclasses import replace

import numpy as np

from deepmapper.errors import DeepMapperError
from deepmapper.tables._raw import RawTable

TRUTH = {"true": 1.0, "false": 0.0}
# A column in which so many values are numbers was meant as numbers: the others are mistakes.
MEANT_AS_NUMBERS = 0.5


def settle_text(raw: RawTable, texts: frozenset[str] | None = None) -> RawTable:
    """Move text columns that hold numbers (also true and false: 1 and 0) to the numbers.

    Args:
        texts: columns that are categories whatever they hold; every other one has to be numbers.
            None decides by the values: numbers where all are, categories where fewer than half are.

    Raises:
        DeepMapperError: strings among the numbers of a column.
    """
    found: dict[str, np.ndarray] = {}
    for name, values in raw.texts.items():
        if texts is not None and name in texts:
            continue
        numbers, wrong = parse_numbers(values)
        n_present = sum(value is not None for value in values)
        meant = 1 - len(wrong) / max(n_present, 1) >= MEANT_AS_NUMBERS
        if wrong and (texts is not None or meant):
            rows = [f"{values[i]!r} (row {raw.row_names[i]})" for i in wrong]
            shown = ", ".join(rows[:5]) + (" ..." if len(rows) > 5 else "")
            message = (
                f"{raw.where}: column {name!r} holds numbers, but {len(wrong)} of its {n_present} "
                f"values are none: {shown}; correct them, leave the column out, or name what marks "
                f"a missing value"
            )
            raise DeepMapperError(message)
        if not wrong:
            found[name] = numbers
    if not found:
        return raw
    appended = np.stack(list(found.values()), axis=1)
    return replace(
        raw,
        numbers=np.concatenate([raw.numbers, appended], axis=1),
        names=[*raw.names, *found],
        texts={name: values for name, values in raw.texts.items() if name not in found},
    )


def take_row_names(raw: RawTable) -> RawTable:
    """Where nothing names the rows yet, take the first text column that is all different.

    Raises:
        DeepMapperError: nothing is left to learn from.
    """
    if raw.named_by is not None:
        return raw
    unique = (c for c, values in raw.texts.items() if len(set(values) - {None}) == len(values))
    name = next(unique, None)
    if name is None:
        return raw
    if len(raw.texts) + len(raw.names) == 1:
        message = f"{raw.where} has no feature: its column {name!r} only names the rows"
        raise DeepMapperError(message)
    return replace(
        raw,
        texts={column: values for column, values in raw.texts.items() if column != name},
        row_names=raw.texts[name],
        ignored=(*raw.ignored, name),
        named_by=name,
    )


def parse_numbers(values: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """float32 (n,), NaN where missing; and the positions of what is no number."""
    numbers = np.full(len(values), np.nan, dtype=np.float32)
    wrong = []
    for i, value in enumerate(values):
        if value is None:
            continue
        truth = TRUTH.get(value.strip().lower())
        try:
            numbers[i] = float(value.replace("_", "?")) if truth is None else truth
        except ValueError:
            wrong.append(i)
    return numbers, wrong
