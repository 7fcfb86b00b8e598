"""The exception of the harness, and its form for a wrong name."""

import difflib
from collections.abc import Iterable


class BenchError(ValueError):
    """A request that the harness cannot fulfil: what, where, expected, found, what to try."""


def unknown(name: str, kind: str, known: Iterable[str], where: str = "") -> BenchError:
    """The error for an unknown name: lists the nearest names, then all of them."""
    names = sorted(set(known))
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    place = f" in {where}" if where else ""
    return BenchError(f"unknown {kind} {name!r}{place}.{hint} Known: {', '.join(names) or 'none'}.")
