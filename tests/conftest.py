"""Tests run without network, and with real data if available."""

import gc
import hashlib
import os
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

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


def save_tiny_model(path: Path, network: Any, config: dict[str, object]) -> str:
    """Save random weights in the form of the published checkpoints. Return the SHA-256."""
    import torch

    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weights in network.parameters():
            weights.copy_(0.2 * torch.randn(weights.shape, generator=draw))
    torch.save({"config": config, "state_dict": network.state_dict()}, path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def tiny_tabpfn(folder: Path) -> dict[str, object]:
    """The parameters `weights` and `sha256` of a random TabPFN v2 of 0.1 MB."""
    from tabpfn.architectures.tabpfn_v2 import TabPFNV2Config, get_architecture

    config = TabPFNV2Config(max_num_classes=10, emsize=32, nlayers=2, nhead=2)
    network = get_architecture(config, cache_trainset_representation=False)
    path = folder / "tabpfn-v2-classifier-finetuned-zk73skhh.ckpt"
    return {"weights": str(path), "sha256": save_tiny_model(path, network, asdict(config))}


def tiny_tabpfn_wide(folder: Path) -> dict[str, object]:
    import torch

    base = tiny_tabpfn(folder)
    path = folder / "wide.pt"
    torch.save(torch.load(str(base["weights"]))["state_dict"], path)
    return {
        "weights": str(path),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "base_weights": base["weights"],
        "base_sha256": base["sha256"],
    }


def tiny_tabicl(folder: Path) -> dict[str, object]:
    from tabicl._model.tabicl import TabICL

    config = {
        **{"max_classes": 10, "embed_dim": 16, "col_num_blocks": 1, "col_nhead": 2},
        **{"col_num_inds": 4, "row_num_blocks": 1, "row_nhead": 2, "row_num_cls": 2},
        **{"icl_num_blocks": 1, "icl_nhead": 2},
    }
    path = folder / "tabicl.ckpt"
    return {"weights": str(path), "sha256": save_tiny_model(path, TabICL(**config), config)}


TINY = {"tabpfn": tiny_tabpfn, "tabpfn_wide": tiny_tabpfn_wide, "tabicl": tiny_tabicl}


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    """The parameters of each installed pretrained method for a tiny model of random weights."""
    folder = tmp_path_factory.mktemp("weights")
    return {name: make(folder) for name, make in TINY.items() if find_spec(name.split("_")[0])}
