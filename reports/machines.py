"""Group cells by hardware, so that only comparable times are compared.

Records with the same processor, vector instructions, cores, GPU and threads a cell
(`environment.Hardware`) are of one kind. The kind with most cells is A, the next B, and so on. A
kind may be several machines with different anonymous ids. A value that older records lack counts as
different from any recorded one.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from string import ascii_uppercase

from bench.machine.environment import Hardware, hardware
from bench.store.store import Record
from reports.units import counted

MOST_REASONS = 3  # in a note
PERCENTAGE = re.compile(r"\d+%")  # differs from cell to cell


@dataclass(frozen=True)
class Kind:
    """A kind of machine: its letter, hardware, and numbers of cells and machines."""

    letter: str
    hardware: Hardware
    n_cells: int
    n_machines: int  # 0: not recorded

    @property
    def words(self) -> str:
        """The hardware and the numbers of cells and machines, as text."""
        machine = self.hardware
        features = machine.cpu_features
        instructions = (
            "(instructions not recorded)"
            if features is None
            else f"with {', '.join(features) or 'no vector instructions'}"
        )
        parts = [
            f"{machine.cpu or 'unknown processor'} {instructions}",
            counted(machine.n_cpus, "core"),
            f"{counted(machine.threads, 'thread')} a cell",
            f"GPU {machine.gpu}" if machine.gpu else "no GPU",
        ]
        of = f" on {counted(self.n_machines, 'machine')}" if self.n_machines else ""
        return f"{', '.join(parts)} ({counted(self.n_cells, 'cell')}{of})"


def letters(cells: Iterable[Hardware]) -> dict[Hardware, str]:
    """Return a letter for each kind, the kind with most cells first."""
    counts = Counter(cells)
    ordered = sorted(counts, key=lambda kind: (-counts[kind], str(kind)))
    return {kind: _letter(i) for i, kind in enumerate(ordered)}


def kinds(records: Collection[Record]) -> list[Kind]:
    """Return the kinds of machine of these records, in the order of their letters."""
    cells: Counter[Hardware] = Counter()
    ids: dict[Hardware, set[str]] = defaultdict(set)
    for record in records:
        machine = hardware(record)
        cells[machine] += 1
        name = (record.get("environment") or {}).get("machine")
        if name:
            ids[machine].add(name)
    named = letters(cells.elements())
    return [Kind(letter, kind, cells[kind], len(ids[kind])) for kind, letter in named.items()]


def _letter(i: int) -> str:
    more, last = divmod(i, len(ascii_uppercase))
    return (_letter(more - 1) if more else "") + ascii_uppercase[last]


def legend(machines: list[Kind]) -> str:
    """Return the meaning of the letters as a sentence, or "" for one kind."""
    if len(machines) < 2:
        return ""
    listed = "; ".join(f"{kind.letter} is {kind.words}" for kind in machines)
    return f"Times of different machines are never mixed or compared: {listed}."


def left_out(shared: list[str], n_ok: int) -> str:
    """Return how many cells' times do not count, and why, or "" if all count.

    `shared` has the reason for each ok cell that did not have its cores to itself.
    """
    if not shared:
        return ""
    return (
        f"Without the seconds of {counted(len(shared), 'ok cell')} of {n_ok:,}, which shared "
        f"their hardware ({reasons(shared)})."
    )


def reasons(shared: list[str]) -> str:
    """Return the most frequent reasons with their numbers of cells, without percentages."""
    listed = (PERCENTAGE.sub("part", text) for text in shared)
    counts = Counter(reason for text in listed for reason in text.split("; "))
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    texts = [f"{reason}: {counted(n, 'cell')}" for reason, n in ordered[:MOST_REASONS]]
    more = len(ordered) - MOST_REASONS
    return "; ".join(texts + ([f"{counted(more, 'other reason')}"] if more > 0 else []))
