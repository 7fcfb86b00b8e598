"""What a method needs, on one page: rows are methods, columns datasets, seconds and memory."""

from reports import units
from reports.entries import (
    ELSEWHERE,
    NOT_RUN,
    failed_cell,
    failure_notes,
    left_out_cell,
    long_data,
    machine_cell,
    machine_column,
    shared_notes,
)
from reports.results import Group, Results
from reports.views import PLAIN, Block, Cell, Column, Footnotes, View

READING = (
    "Seconds for conversion, training and prediction together (what it takes to use the method), "
    "and the memory that the cell added to its process at its peak; medians over seeds. A word "
    "says where a method gave up, its footnote why. First-use warm-up, the loading of data and "
    "attribution are not counted; the table “Time and memory” has each phase."
)


def needs(results: Results) -> View:
    """Rows are methods (and kinds of machine), columns datasets: total seconds, peak memory."""
    notes = Footnotes()
    columns = [Column(name, dataset=name) for name in results.datasets]
    head = [Column("Method"), *machine_column(results), *columns]
    rows = [row for method in results.methods for row in _rows(results, method, notes)]
    block = Block("Seconds and memory", head, rows)
    data = long_data(results, _data, timed=True)
    reading = READING + results.times_note
    return View("needs", "What it takes", reading, [block], notes.texts, data)


def _rows(results: Results, method: str, notes: Footnotes) -> list[list[Cell]]:
    """One for each kind of machine that ran the method."""
    rows: dict[str | None, dict[str, Group]] = {}
    for dataset in results.datasets:
        group = results.group(dataset, method)
        for part in group.parts if group is not None else []:
            rows.setdefault(part.machine, {})[dataset] = part
    return [
        [
            Cell(method),
            *machine_cell(results, letter),
            *(
                _cell(found[dataset], notes)
                if dataset in found
                else (ELSEWHERE if results.group(dataset, method) else NOT_RUN)
                for dataset in results.datasets
            ),
        ]
        for letter, found in sorted(rows.items(), key=lambda item: str(item[0]))
    ]


def _cell(group: Group, notes: Footnotes) -> Cell:
    seconds = group.total_seconds
    if seconds is None and group.is_left_out("train_seconds"):
        return left_out_cell(group, notes)
    if seconds is None:
        return failed_cell(group, notes)
    memory = _memory(group)
    missing = f", {group.words}" if group.failures else ""
    detail = "" if memory is None else f"{units.count(memory)} MiB{missing}"
    numbers = failure_notes(group, notes) + shared_notes(group, notes)
    return Cell(f"{units.number(seconds)} s", detail, seconds, PLAIN, numbers)


def _memory(group: Group) -> float | None:
    """The peak on the device where there is one, else on the host."""
    found = group.spread("peak_device_mib") or group.spread("peak_host_mib")
    return found.median if found else None


def _data(group: Group) -> dict[str, object]:
    host, device = group.spread("peak_host_mib"), group.spread("peak_device_mib")
    return {
        "total_seconds": group.total_seconds,
        "peak_host_mib": host.median if host else None,
        "peak_device_mib": device.median if device else None,
    }
