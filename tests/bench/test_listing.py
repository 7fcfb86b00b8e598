"""What `bench list` says of entries that need more than packages."""

from dataclasses import replace

import pytest

from bench.catalog import entries
from bench.commands.listing import list_entries
from bench.metrics import METRICS


def test_metrics_are_those_that_a_report_computes() -> None:
    assert set(list_entries("metrics").columns[0].cells) == set(METRICS)


def test_a_pretrained_method_needs_its_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = {
        name: replace(entry, requires={})
        for name, entry in entries("methods").items()
        if name in ("tabpfn", "logistic")
    }
    monkeypatch.setattr("bench.commands.listing.entries", lambda kind: installed)
    names, _, states = (list(column.cells) for column in list_entries("methods").columns)
    assert dict(zip(names, states, strict=True)) == {
        "logistic": "available",
        "tabpfn": "needs its weights: parameters weights and sha256",
    }
