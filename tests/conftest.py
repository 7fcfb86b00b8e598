"""Tests run without network, and with real data if available."""

import gc
import os
from pathlib import Path

import pytest

pytest_plugins = ["bench.commands.contract"]
ROOT = Path(__file__).resolve().parent.parent

if "PYTEST_XDIST_WORKER_COUNT" in os.environ:
    # Workers share the cores.
    threads = max(1, (os.cpu_count() or 1) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"]))
    for library in ("OMP", "MKL", "OPENBLAS"):
        os.environ.setdefault(f"{library}_NUM_THREADS", str(threads))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip tests marked `network`, unless -m selects them."""
    if "network" in config.option.markexpr:
        return
    skip = pytest.mark.skip(reason="needs the internet: run with -m network")
    for item in items:
        if item.get_closest_marker("network"):
            item.add_marker(skip)


def pytest_collection_finish() -> None:
    """Loaded libraries stay: the garbage collector need not visit their objects in every test."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def offline(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forbid downloads, except in tests marked `network`."""
    if request.node.get_closest_marker("network"):
        monkeypatch.delenv("DEEPMAPPER_OFFLINE", raising=False)
    else:
        monkeypatch.setenv("DEEPMAPPER_OFFLINE", "1")


@pytest.fixture
def real_data(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the real data, set as DEEPMAPPER_DATA. Skips if it is missing."""
    folder = Path(os.environ.get("DEEPMAPPER_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} does not exist and DEEPMAPPER_DATA is not set to them")
    monkeypatch.setenv("DEEPMAPPER_DATA", str(folder))
    return folder
