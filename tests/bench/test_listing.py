"""What `bench list` says of entries that need more than packages."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench.catalog import entries, module_entry
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


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"NEEDS = {}\nREQUIRES = NEEDS\n", "has a REQUIRES that is not written out"),
        ("# é".encode("latin-1"), "is not valid Python"),
        (b'REQUIRES = {"no_such_package.part": "no-such-package"}\n', "needs no_such_package.part"),
    ],
)
def test_an_odd_file_of_a_method_has_a_reason_and_stops_nothing(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    (tmp_path / "odd.py").write_bytes(content)
    method = module_entry("odd", tmp_path / "odd.py")
    assert method.unavailable is not None
    assert reason in method.unavailable
    assert method.source_hash
