"""Stores of many cells: figures and lists have limits."""

import re

import pytest

from bench.asv.stores import fill_store, make_cells
from bench.store.store import Store
from reports.build import build
from reports.figures import plans
from reports.page import sections
from reports.results import Results
from reports.topics import PUBLISHED, Topic

N_CELLS = 300


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("scale") / "store"
    fill_store(folder, N_CELLS)
    return Store(folder)


@pytest.fixture
def low_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the limits below a store of 300 cells."""
    monkeypatch.setattr(plans, "MOST_DATASETS", 1)
    monkeypatch.setattr(sections, "MOST_CELLS", 100)
    monkeypatch.setattr(sections, "MOST_FAILURES", 5)


def test_records_are_made_as_a_run_makes_them(many: Store) -> None:
    records = list(many.records())
    assert len(records) == N_CELLS
    assert len({(r["dataset"]["label"], r["method"]["label"], r["seed"]) for r in records}) == 300
    assert {record["status"] for record in records} > {"ok", "timeout"}
    real = next(Topic(PUBLISHED / "quick").records())
    for record in records:
        assert record.keys() >= real.keys()
        assert record["dataset"].keys() >= real["dataset"].keys()
        assert record["metrics"].keys() >= real["metrics"].keys()  # some metrics may be newer
        assert (record["status"] == "ok") == bool(many.artifact(record["key"]))
    again = next(make_cells(N_CELLS))[0]
    assert many.record(again["key"])["metrics"] == again["metrics"]


@pytest.mark.slow
@pytest.mark.usefixtures("low_limits")
def test_everything_of_many_cells_is_on_the_page(many: Store) -> None:
    text = build(many.folder, interactive=False).read_text()
    results = Results.read(many)
    assert not list((many.folder / "report").rglob("*.png"))
    assert text.count("Not drawn for more than") == 7
    assert text.count("../cells/") == 100
    assert len(sections.failures(results)) == 5
    for label in results.datasets:
        assert label in text
    assert re.search(r"Of \d+ failures, 5 are listed: results.parquet has all", text)
    assert "Of 300 cells, 100 are listed: results.parquet has all." in text
