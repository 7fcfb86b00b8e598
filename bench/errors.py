"""The exception of the harness, and the error for an unknown name."""

import difflib
from collections.abc import Iterable


class BenchError(ValueError):
    """A request that the harness cannot fulfil. The message suggests a remedy."""


def unknown(name: str, kind: str, known: Iterable[str], where: str = "") -> BenchError:
    """Make the error for an unknown name. It lists the nearest and the known names."""
    names = sorted(set(known))
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    place = f" in {where}" if where else ""
    return BenchError(f"unknown {kind} {name!r}{place}.{hint} Known: {', '.join(names) or 'none'}.")
