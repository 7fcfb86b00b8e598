"""Checks of the parameters of generators."""

from typing import NoReturn

import numpy as np

from datasets.table import TableError


def refuse(generator: str, parameter: str, expected: str, got: object, advice: str) -> NoReturn:
    """Raise the TableError of a parameter that cannot be used."""
    message = f"generator {generator!r}: parameter {parameter!r}: "
    message += f"expected {expected}, got {got!r}. {advice}"
    raise TableError(message)


def require_whole(generator: str, least: int, /, **parameters: int) -> None:
    """Refuse all values but whole numbers of at least `least`."""
    for parameter, value in parameters.items():
        whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        if not whole or value < least:
            refuse(generator, parameter, f"a whole number >= {least}", value, "Change it.")


def require_within(generator: str, low: float, high: float, /, **parameters: float) -> None:
    """Refuse NaN and numbers outside low..high, both included."""
    for parameter, value in parameters.items():
        if not low <= value <= high:
            refuse(generator, parameter, f"a number in {low:g}..{high:g}", value, "Change it.")
