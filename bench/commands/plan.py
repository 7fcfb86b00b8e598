"""The cost of the cells of a run, as far as published cells tell."""

from collections import defaultdict
from collections.abc import Iterable
from statistics import fmean
from typing import Any

from rich.table import Table as Listing

from bench.cell import Cell, content_hash


def published_seconds(topics: Iterable[list[dict[str, Any]]]) -> dict[str, float]:
    """Return the mean CPU seconds of a cell, by the id of its table and method.

    Parameters
    ----------
    topics : iterable of list of dict
        The records of each topic. If several topics have a table and method, the newest counts.

    Returns
    -------
    dict of float by str
        Seconds until predictions. A timeout counts with the seconds that it took.
    """
    seconds: dict[str, float] = {}
    timed = [[r for r in records if r.get("cpu_seconds") is not None] for records in topics]
    for records in sorted(filter(None, timed), key=lambda r: max(of["finished"] for of in r)):
        values = defaultdict(list)
        for record in records:
            values[_id_of(record["dataset"], record["method"])].append(record["cpu_seconds"])
        seconds |= {key: fmean(group) for key, group in values.items()}
    return seconds


def list_costs(cells: list[Cell], seconds: dict[str, float], limit: float) -> Listing:
    """Make a table of the methods: cells, and CPU hours by published cells of the same tables.

    Parameters
    ----------
    cells : list of Cell
    seconds : dict
        Of `published_seconds`.
    limit : float
        CPU seconds of a cell without a published one.
    """
    rows = Listing("method", "cells", "published", "CPU hours of these", "of others, at most")
    by_method = defaultdict(list)
    for cell in cells:
        table, method = vars(cell.table), {"name": cell.method, "params": cell.params}
        by_method[cell.label].append(seconds.get(_id_of(table, method)))
    everything = [value for values in by_method.values() for value in values]
    for label, values in [*by_method.items(), ("all", everything)]:
        known = [value for value in values if value is not None]
        others = (len(values) - len(known)) * limit
        hours = (f"{sum(known) / 3600:.2f}" if known else "", f"{others / 3600:.1f}")
        rows.add_row(label, str(len(values)), str(len(known)), *hours)
    return rows


def _id_of(dataset: dict[str, Any], method: dict[str, Any]) -> str:
    """Return the id of a table with any seed and a method."""
    params = {name: value for name, value in dataset["params"].items() if name != "seed"}
    return content_hash([dataset["name"], params, method["name"], method["params"]])
