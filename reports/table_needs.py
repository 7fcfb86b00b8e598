"""Table of the total seconds and the memory of each method on each dataset."""

from collections import defaultdict

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
    "Seconds for conversion, training and prediction together, and the memory that the cell added "
    "to its process at its peak in these phases. Medians over seeds. A failure is a word with its "
    "reason in a footnote. First-use warm-up, the loading of data and attribution are not counted. "
    "The table “Time and memory” has each phase."
)


def needs(results: Results) -> View:
    notes = Footnotes()
    columns = [Column(name, dataset=name) for name in results.datasets]
    head = [Column("Method"), *machine_column(results), *columns]
    rows = [row for method in results.methods for row in _rows(results, method, notes)]
    block = Block("Seconds and memory", head, rows)
    data = long_data(results, _data, timed=True)
    reading = READING + results.times_note
    return View("needs", "Total time and memory", reading, [block], notes.texts, data)


def _rows(results: Results, method: str, notes: Footnotes) -> list[list[Cell]]:
    by_machine: dict[str, dict[str, Group]] = defaultdict(dict)
    absent = dict.fromkeys(results.datasets, NOT_RUN)
    for dataset in results.datasets:
        if group := results.group(dataset, method):
            absent[dataset] = ELSEWHERE
            for part in group.parts:
                by_machine[part.machine][dataset] = part
    rows = []
    for letter, groups in sorted(by_machine.items()):
        cells = absent | {dataset: _cell(group, notes) for dataset, group in groups.items()}
        rows.append([Cell(method), *machine_cell(results, letter), *cells.values()])
    return rows


def _cell(group: Group, notes: Footnotes) -> Cell:
    seconds = group.total_seconds
    if seconds is None and group.is_left_out("train_seconds"):
        return left_out_cell(group, notes)
    if seconds is None:
        return failed_cell(group, notes)
    device = group.median("peak_device_mib")
    memory = group.median("peak_host_mib") if device is None else device
    missing = f", {group.words}" if group.failures else ""
    detail = "" if memory is None else f"{units.count(memory)} MiB{missing}"
    numbers = failure_notes(group, notes) + shared_notes(group, notes)
    return Cell(f"{units.number(seconds)} s", detail, seconds, PLAIN, numbers)


def _data(group: Group) -> dict[str, object]:
    return {
        "total_seconds": group.total_seconds,
        "peak_host_mib": group.median("peak_host_mib"),
        "peak_device_mib": group.median("peak_device_mib"),
    }
