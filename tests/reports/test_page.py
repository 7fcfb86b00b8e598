"""The page of a report: self-contained, sortable, with the reasons of failures."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser

import pytest

from bench.store.store import Store
from reports.build import build
from reports.page.sections import without_folders
from reports.results import Results

MEBIBYTE = 2**20


class Parts(HTMLParser):
    """The resources, ids, sort values and visible text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.resources: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.sorts: list[str] = []
        self.text: list[str] = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self._inside = tag
        target = attributes.get("href") if tag == "link" else attributes.get("src")
        if target is not None:
            self.resources.append(target)
        if tag == "a":
            self.links.append(attributes.get("href") or "")
        if "id" in attributes:
            self.ids.append(attributes["id"] or "")
        if "data-sort" in attributes:
            self.sorts.append(attributes["data-sort"] or "")

    def handle_data(self, data: str) -> None:
        if self._inside not in ("script", "style"):
            self.text.append(data)


@pytest.fixture(scope="module")
def html(filled: Store) -> str:
    return (filled.folder / "report" / "index.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html: str) -> Parts:
    return Parts(html)


def test_nothing_is_fetched(html: str, page: Parts) -> None:
    assert page.resources
    assert all(resource.startswith("data:") for resource in page.resources)
    styles = "".join(re.findall(r"<style>(.*?)</style>", html, re.DOTALL))
    assert "url(" not in styles
    assert "@import" not in styles


def test_links_inside_the_page_lead_somewhere(filled: Store, page: Parts) -> None:
    for link in page.links:
        if link.startswith("#"):
            assert link[1:] in page.ids
        elif not link.startswith("https://"):
            assert (filled.folder / "report" / link).is_file(), link
    assert len(page.ids) == len(set(page.ids))


def test_the_page_is_small_enough_and_holds_the_chart_once(html: str) -> None:
    assert len(html.encode()) < 8 * MEBIBYTE
    assert html.count('id="chart"') == 1
    points = re.search(r'id="points">(.*?)</script>', html, re.DOTALL)
    assert points
    assert {p["dataset"] for p in json.loads(points[1])} == {"digits", "needles", "nihs", "tcga"}


def test_failures_and_reasons_are_on_the_page(page: Parts) -> None:
    text = "".join(page.text)
    for reason in (
        "stopped after 300 s in convert_fit",
        "asked for 9.1 GiB of 8 GiB",
        "loss is NaN & 50% <of> epoch_3",
        "64 features are too few",
        "no data: run `python -m bench data fetch gisette`",
        "ValueError: a | b",
    ):
        assert reason in text
    assert "Traceback\n  <module>" in text


def test_numbers_have_a_value_to_sort_by(filled: Store, page: Parts) -> None:
    group = Results.read(filled).group("nihs", "deepmapper")
    assert group is not None
    assert group.accuracy is not None
    assert str(group.accuracy.mean) in page.sorts
    assert "nan" not in page.sorts
    assert "None" not in page.sorts
    assert "<NA>" not in page.sorts


def test_every_section_is_on_the_page(page: Parts) -> None:
    parts = {"reading", "environment", "comparison", "datasets", "figures", "failures"}
    assert parts | {"left-out", "cells", "filter", "figure-curves"} <= set(page.ids)
    text = "".join(page.text)
    assert "A made-up CPU" in text
    assert "Attribution is not scored on digits, gisette, tcga" in text


def test_building_again_gives_the_same_bytes(filled: Store, make_cell: Callable) -> None:
    def contents() -> dict[str, bytes]:
        files = [*(filled.folder / "report").rglob("*.*"), filled.folder / "results.parquet"]
        return {str(f.relative_to(filled.folder)): f.read_bytes() for f in files if f.is_file()}

    before = contents()
    build(filled.folder)
    after = contents()
    assert set(before) == set(after)
    assert [name for name in before if before[name] != after[name]] == []
    record, _ = make_cell("nihs", "deepmapper", 0)
    assert filled.record(record["key"]) == record  # cells are only read


def test_an_empty_store_has_a_clear_page(store: Store) -> None:
    text = build(store.folder).read_text()
    assert "no cells yet" in text
    assert "Plotly" not in text.split("<script>")[0]
    assert not list((store.folder / "report").rglob("*.png"))


def test_a_store_of_failures_has_a_clear_page(store: Store, make_cell: Callable) -> None:
    store.put(*make_cell("gisette", "logistic", 0))
    store.put(*make_cell("nihs", "deepinsight_tsne", 0))
    text = "".join(Parts(build(store.folder).read_text()).text)
    assert "1 unavailable" in text
    assert "stopped after 300 s" in text
    assert "No cell has a balanced accuracy." in text


def test_one_seed_is_enough(store: Store, make_cell: Callable) -> None:
    record, arrays = make_cell("nihs", "deepmapper", 0)
    blank = record["metrics"] | {"auroc": None, "needle_auprc": None, "log_loss": None}
    store.put(record | {"metrics": blank}, arrays)
    path = build(store.folder, interactive=False)
    assert path.stat().st_size < MEBIBYTE
    assert "n = 1" in path.read_text()


def test_tracebacks_do_not_say_where_the_checkout_lies() -> None:
    trace = 'File "/home/someone/secret/checkout/bench/run/worker.py", line 3'
    assert without_folders(trace) == 'File "…/bench/run/worker.py", line 3'


def test_importing_reports_loads_no_heavy_library() -> None:
    code = (
        "import sys, reports, reports.build\n"
        "heavy = {'matplotlib', 'seaborn', 'plotly', 'scipy', 'pandas', 'jinja2'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    completed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert completed.stdout.strip() == "[]"
