"""The one exception of the harness, and the help a wrong name deserves."""

import difflib
from collections.abc import Iterable


class BenchError(ValueError):
    """Something asked of the harness cannot be done: what, where, expected, got, what to try."""


def unknown(name: str, kind: str, known: Iterable[str], where: str = "") -> BenchError:
    """The error for a name that nobody bears: lists the nearest names, then all of them."""
    names = sorted(set(known))
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    place = f" in {where}" if where else ""
    return BenchError(f"unknown {kind} {name!r}{place}.{hint} Known: {', '.join(names) or 'none'}.")
