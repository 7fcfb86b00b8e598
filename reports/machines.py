"""On which kind of machine cells ran and whether they were alone there: which times compare.

Records with the same processor, vector instructions, cores, GPU and threads a cell (that is
`environment.Hardware`) are of one kind, called A where it has most cells, then B and so on.
A kind may be several machines, told apart by their anonymous ids. Older records do not say all of
this: what is not recorded is a kind of its own, as nobody can tell that it is the same.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from string import ascii_uppercase

from bench.machine.environment import Hardware, hardware
from bench.store.store import Record

MOST_REASONS = 3  # that a note lists; percentages differ from cell to cell


@dataclass(frozen=True)
class Kind:
    """A kind of machine: its letter, what it is, how many cells and machines there are of it."""

    letter: str
    hardware: Hardware
    n_cells: int
    n_machines: int  # 0: not recorded

    @property
    def words(self) -> str:
        what = self.hardware
        features = what.cpu_features
        instructions = (
            "(instructions not recorded)"
            if features is None
            else f"with {', '.join(features) or 'no vector instructions'}"
        )
        parts = [
            f"{what.cpu or 'unknown processor'} {instructions}",
            _some(what.n_cpus, "core"),
            f"{_some(what.threads, 'thread')} a cell",
            f"GPU {what.gpu}" if what.gpu else "no GPU",
        ]
        of = f" on {_some(self.n_machines, 'machine')}" if self.n_machines else ""
        return f"{', '.join(parts)} ({_some(self.n_cells, 'cell')}{of})"


def letters(cells: Iterable[Hardware]) -> dict[Hardware, str]:
    """A letter for each kind, that with most cells first."""
    found = Counter(cells)
    ordered = sorted(found, key=lambda kind: (-found[kind], str(kind)))
    return {kind: _letter(i) for i, kind in enumerate(ordered)}


def kinds(records: Collection[Record]) -> list[Kind]:
    """The kinds of machine of these records, in the order of their letters."""
    cells: Counter[Hardware] = Counter()
    ids: dict[Hardware, set[str]] = defaultdict(set)
    for record in records:
        kind = hardware(record)
        cells[kind] += 1
        name = (record.get("environment") or {}).get("machine")
        if name:
            ids[kind].add(name)
    named = letters(cells.elements())
    return [Kind(letter, kind, cells[kind], len(ids[kind])) for kind, letter in named.items()]


def _letter(i: int) -> str:
    """A, B, ..., Z, AA, AB, ..."""
    more, last = divmod(i, len(ascii_uppercase))
    return (_letter(more - 1) if more else "") + ascii_uppercase[last]


def legend(found: list[Kind]) -> str:
    """What the letters stand for, as a sentence; "" where there is one kind."""
    if len(found) < 2:
        return ""
    listed = "; ".join(f"{kind.letter} is {kind.words}" for kind in found)
    return f"Times of different machines are never mixed or compared: {listed}."


def left_out(shared: list[str], n_ok: int) -> str:
    """How many cells have no times that count and why, as a sentence; "" where all count.

    Args:
        shared: why ok cells were not alone, of each that was not.
    """
    if not shared:
        return ""
    return (
        f"Without the seconds of {_some(len(shared), 'ok cell')} of {n_ok:,}, not alone on what "
        f"they ran on ({reasons(shared)})."
    )


def reasons(shared: list[str]) -> str:
    """The most frequent reasons, how many cells have each, and how many more reasons there are."""
    counts = Counter(reason for text in shared for reason in text.split("; "))
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    listed = [f"{reason}: {_some(n, 'cell')}" for reason, n in ordered[:MOST_REASONS]]
    more = len(ordered) - MOST_REASONS
    return "; ".join(listed + ([f"{_some(more, 'other reason')}"] if more > 0 else []))


def _some(n: int | None, noun: str) -> str:
    return f"{'?' if n is None else format(n, ',')} {noun}{'' if n == 1 else 's'}"
