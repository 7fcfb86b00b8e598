"""What a method needs, on one page: rows are methods, columns datasets, seconds and memory."""

from reports import units
from reports.entries import NOT_RUN, failed_cell, failure_notes, long_data
from reports.results import Group, Results
from reports.views import PLAIN, Block, Cell, Column, Footnotes, View

READING = (
    "Seconds for conversion, training and prediction together (what it takes to use the method), "
    "and the memory that the cell added to its process at its peak; medians over seeds. A word "
    "says where a method gave up, its footnote why. First-use warm-up, the loading of data and "
    "attribution are not counted; the table “Time and memory” has each phase."
)


def needs(results: Results) -> View:
    """Rows are methods, columns are datasets: total seconds and peak memory."""
    notes = Footnotes()
    head = [Column("Method"), *(Column(name, dataset=name) for name in results.datasets)]
    rows = [
        [Cell(method), *(_cell(results.group(name, method), notes) for name in results.datasets)]
        for method in results.methods
    ]
    block = Block("Seconds and memory", head, rows)
    return View("needs", "What it takes", READING, [block], notes.texts, long_data(results, _data))


def _cell(group: Group | None, notes: Footnotes) -> Cell:
    if group is None:
        return NOT_RUN
    seconds = group.total_seconds()
    if seconds is None:
        return failed_cell(group, notes)
    memory = _memory(group)
    missing = f", {group.words}" if group.failures else ""
    detail = "" if memory is None else f"{units.count(memory)} MiB{missing}"
    return Cell(f"{units.number(seconds)} s", detail, seconds, PLAIN, failure_notes(group, notes))


def _memory(group: Group) -> float | None:
    """The peak on the device where there is one, else on the host."""
    found = group.spread("peak_device_mib") or group.spread("peak_host_mib")
    return found.median if found else None


def _data(group: Group) -> dict[str, object]:
    host, device = group.spread("peak_host_mib"), group.spread("peak_device_mib")
    return {
        "total_seconds": group.total_seconds(),
        "peak_host_mib": host.median if host else None,
        "peak_device_mib": device.median if device else None,
    }
