"""Table of the seconds and the memory of each method on each dataset."""

from collections import defaultdict
from dataclasses import replace

from reports import units
from reports.results import Group, Results
from reports.tables.entries import (
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
from reports.tables.views import PLAIN, Block, Cell, Column, Footnotes, View

READING = (
    "First the warm wall seconds: conversion, training and prediction. Cold: with the loading of "
    "the table and first-use warm-up before them. Libraries are loaded before both, so a new "
    "process needs more. CPU: seconds of all processes of the cell until its predictions are "
    "stored, also of cells that shared their hardware. Memory: added to the process at the peak of "
    "the warm phases. Medians over seeds. Attribution is not counted. Joules are not measured. A "
    "failure is a word with its reason in a footnote. The table “Time and memory” has each phase."
)


def needs(results: Results) -> View:
    notes = Footnotes()
    columns = [Column(name, dataset=name) for name in results.datasets]
    head = [Column("Method"), *machine_column(results), *columns]
    rows = [row for method in results.methods for row in _rows(results, method, notes)]
    block = Block("Warm, cold and CPU seconds, and memory", head, rows)
    data = long_data(results, _data, timed=True)
    reading = READING + results.times_note
    return View("needs", "Cost: seconds and memory", reading, [block], notes.texts, data)


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
        return replace(left_out_cell(group, notes), detail=_detail(group))
    if seconds is None:
        return failed_cell(group, notes)
    numbers = failure_notes(group, notes) + shared_notes(group, notes)
    return Cell(f"{units.number(seconds)} s", _detail(group), seconds, PLAIN, numbers)


def _detail(group: Group) -> str:
    """Return what is known of cold and CPU seconds, memory and failures."""
    cold, cpu = group.median("cold_seconds"), group.median("cpu_seconds")
    device = group.median("peak_device_mib")
    memory = group.median("peak_host_mib") if device is None else device
    parts = (
        cold is not None and f"cold {units.number(cold)} s",
        cpu is not None and f"CPU {units.number(cpu)} s",
        memory is not None and f"{units.count(memory)} MiB",
        group.words,
    )
    return ", ".join(part for part in parts if part)


def _data(group: Group) -> dict[str, object]:
    return {
        "warm_seconds": group.total_seconds,
        "cold_seconds": group.median("cold_seconds"),
        "cpu_seconds": group.median("cpu_seconds"),
        "peak_host_mib": group.median("peak_host_mib"),
        "peak_device_mib": group.median("peak_device_mib"),
    }
