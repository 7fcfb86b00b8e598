"""A key changes with everything that decides a result, and with nothing else."""

import sysconfig
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bench import catalog
from bench.catalog import ROOT, Entry, harness_hash
from bench.cell import TableRequest


def forget_sources() -> None:
    for function in (catalog._hash_sources, catalog._import_closure, catalog._imported_names):
        function.cache_clear()
    harness_hash.cache_clear()


@pytest.fixture(autouse=True)
def no_source_stays_in_memory() -> Iterator[None]:
    yield
    forget_sources()


def hash_of(path: Path, module: str) -> str:
    forget_sources()
    return Entry("m", "methods", module, path, "", {}, ()).source_hash


@pytest.mark.parametrize(
    ("module", "text", "helper"),
    [
        ("single", "import helper\n", "helper.py"),
        ("package.method", "from package.deep import helper\n", "package/deep/helper.py"),
        ("package.method", "from . import helper\n", "package/helper.py"),
        ("package.method", "from .helper import build\n", "package/helper.py"),
        ("package.deep.method", "from ..helper import build\n", "package/helper.py"),
        ("package", "from .helper import build\n", "package/helper.py"),
    ],
)
def test_the_source_of_a_plugin_includes_its_helpers(
    tmp_path: Path, module: str, text: str, helper: str
) -> None:
    path = tmp_path.joinpath(*module.split("."))
    path = path / "__init__.py" if module == "package" else path.with_suffix(".py")
    for file, content in ((path, text), (tmp_path / helper, "import numpy\n")):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    before = hash_of(path, module)
    (tmp_path / helper).write_text("import scipy\n")
    assert hash_of(path, module) != before


def test_other_libraries_beside_an_installed_plugin_are_not_its_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    (tmp_path / "single.py").write_text("import library\n")
    (tmp_path / "library.py").write_text("VERSION = 1\n")
    before = hash_of(tmp_path / "single.py", "single")
    (tmp_path / "library.py").write_text("VERSION = 2\n")
    assert hash_of(tmp_path / "single.py", "single") == before


@pytest.mark.parametrize(
    "name",
    [
        *("bench/run/split.py", "bench/run/worker.py", "bench/run/explanation.py"),
        *("bench/run/outputs.py", "deepmapper/training/streams.py", "datasets/table.py"),
    ],
)
def test_the_files_of_the_harness_that_decide_results_are_in_every_key(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, read = harness_hash(), Path.read_bytes
    harness_hash.cache_clear()
    changed = lambda path: read(path) + b"#" * (path == ROOT / name)  # noqa: E731
    monkeypatch.setattr(Path, "read_bytes", changed)
    assert harness_hash() != before


def test_a_table_is_made_again_if_the_source_of_its_generator_changes() -> None:
    """Its content is then compared: the checksum is in the key."""
    request = TableRequest("needles", "needles", {}, "source")
    assert request.id != replace(request, source_hash="another").id
    assert request.id == replace(request, label="another").id
