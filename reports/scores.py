"""Metrics of a cell, computed from its stored arrays for a report.

A record stores the values of its run and `metrics_version`, the version of bench/metrics.py that
computed them. Values of another version, and newer metrics, are computed from the arrays.
"""

from contextlib import suppress
from typing import Any, cast

import numpy as np

from bench.metrics import METRICS, Outcome, version
from bench.store.store import Record
from reports.topics import Source


class NotStoredError(Exception):
    """A metric needs an array that is not stored."""


class StoredOutcome:
    """The arrays of a cell, named as in `bench.metrics.Outcome`, read when used."""

    def __init__(self, record: Record, source: Source) -> None:
        self._key, self._source = record["key"], source
        relevant = record["dataset"].get("relevant")
        self.relevant = None if relevant is None else np.asarray(relevant)

    predictions = Outcome.predictions
    ranks = Outcome.ranks

    def __getattr__(self, name: str) -> Any:
        array = self._source.array(self._key, name)
        if array is None:
            raise NotStoredError(name)
        setattr(self, name, array)
        return array


def metrics_of(record: Record, source: Source) -> dict[str, float | None]:
    """Return every metric, from the record if current or without arrays."""
    stored: dict[str, float | None] = record.get("metrics") or {}
    is_current = record.get("metrics_version") == version()
    is_scored = any(value is not None for value in stored.values())
    outcome = StoredOutcome(record, source)
    values = {}
    for name, metric in METRICS.items():
        values[name] = stored.get(name)
        if is_scored and not (is_current and name in stored):
            with suppress(NotStoredError):
                values[name] = metric(cast(Outcome, outcome))
    return values
