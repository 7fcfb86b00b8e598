"""The cost of the cells of a run, as far as published cells tell."""

import json
from collections import defaultdict
from collections.abc import Iterable
from statistics import fmean
from typing import Any

from rich.markup import escape
from rich.table import Table as Listing

from bench.cell import Cell

Costs = dict[tuple[str, str], list[tuple[dict[str, Any], float]]]


def published_costs(topics: Iterable[list[dict[str, Any]]]) -> Costs:
    """Return mean CPU seconds of published cells by names of table and method, newest first.

    The parameters of both, without the seed of the table, are beside the seconds. Seconds are until
    the predictions. A timeout has the seconds that it took. A cell that was unavailable there tells
    nothing.
    """
    costs = defaultdict(list)
    timed = [list(filter(_is_timed, records)) for records in topics]
    newest = {max(of["finished"] for of in records): records for records in timed if records}
    for _, records in sorted(newest.items(), reverse=True):
        groups = defaultdict(list)
        for record in records:
            dataset, method = record["dataset"], record["method"]
            text = json.dumps([dataset["name"], method["name"], _params(dataset, method)])
            groups[text].append(record["cpu_seconds"])
        for text, seconds in groups.items():
            table, name, params = json.loads(text)
            costs[table, name].append((params, fmean(seconds)))
    return costs


def list_costs(cells: list[Cell], costs: Costs, limit: float) -> Listing:
    """Make a table of the methods: cells, and CPU hours by published cells of the same tables.

    A parameter that is newer than the published cell may have any value.

    Parameters
    ----------
    cells : list of Cell
    costs : Costs
        Of `published_costs`.
    limit : float
        CPU seconds of a cell without a published one.
    """
    rows = Listing("method", "cells", "published", "CPU hours of these", "of others, at most")
    by_method = defaultdict(list)
    for cell in cells:
        params = _params(vars(cell.table), {"params": cell.params})
        known = costs.get((cell.table.name, cell.method), [])
        same = (
            seconds
            for given, seconds in known
            if given.items() <= params.items()
            # Without its packages, only the parameters in the spec are known, not the defaults.
            or (cell.unavailable and params.items() <= given.items())
        )
        by_method[cell.label].append(next(same, None))
    everything = [value for values in by_method.values() for value in values]
    for label, values in [*by_method.items(), ("all", everything)]:
        published = [value for value in values if value is not None]
        others = (len(values) - len(published)) * limit
        hours = (f"{sum(published) / 3600:.2f}" if published else "", f"{others / 3600:.1f}")
        rows.add_row(escape(label), str(len(values)), str(len(published)), *hours)
    return rows


def _is_timed(record: dict[str, Any]) -> bool:
    return record.get("cpu_seconds") is not None and record.get("status") != "unavailable"


def _params(dataset: dict[str, Any], method: dict[str, Any]) -> dict[str, Any]:
    of_table = {f"table {k}": value for k, value in dataset["params"].items() if k != "seed"}
    return of_table | {f"method {k}": value for k, value in method["params"].items()}
