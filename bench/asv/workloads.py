"""What is timed, once for asv, for pytest-benchmark and for `bench regress`.

A workload is a function of sizes that returns a `Timed`: it makes its data outside the clock. The
engine is imported inside the functions, so that the same file times whichever revision is first on
the path.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from .stores import filled_store, record

SEED = 20241127
N_CLASSES = 4


def _nothing() -> None:
    return None


@dataclass(frozen=True, eq=False)
class Timed:
    """Something to time.

    Args:
        run: what the clock sees; given what `before` returned.
        before: makes what `run` may use up (a fresh network), outside the clock.
        output: the arrays to compare between revisions, from what `run` returned.
        n_bytes: of the table or the images that a run reads; 0 where there are none.
        keep: what has to live as long as this does (a temporary folder).
    """

    run: Callable[[Any], Any]
    before: Callable[[], Any] = _nothing
    output: Callable[[Any], list[np.ndarray]] = field(default=lambda result: [np.asarray(result)])
    n_bytes: int = 0
    keep: Any = None

    def once(self) -> Any:
        """Prepare and run, whatever the clock says."""
        return self.run(self.before())


def counts(n_samples: int, n_features: int) -> np.ndarray:
    """Log-normal counts, float32 (n_samples, n_features): heavy-tailed, so that logs are taken."""
    rng = np.random.default_rng(SEED)
    return np.floor(np.exp(2 * rng.standard_normal((n_samples, n_features), dtype=np.float32) + 3))


def normalise(
    n_samples: int = 400, n_features: int = 5_000, scale: str = "standard", log: bool | str = "auto"
) -> Timed:
    """Learn a scaling and apply it."""
    from deepmapper.images.scaling import FeatureScaler

    X = counts(n_samples, n_features)
    return Timed(lambda _: FeatureScaler(log=log, scale=scale).fit_transform(X), n_bytes=X.nbytes)


def convert(
    n_samples: int = 400, n_features: int = 5_000, scale: str = "standard", device: str = "cpu"
) -> Timed:
    """Scale and fold a table in one go, as the engine does it."""
    from deepmapper.images.converter import ImageConverter

    X = counts(n_samples, n_features)

    def run(_: None) -> Any:
        return ImageConverter(scale=scale, device=device, stream=False).fit_transform(X)

    return Timed(run, output=_host, n_bytes=X.nbytes)


def fold(
    n_samples: int = 500, n_features: int = 10_000, layout: str = "natural", device: str = "cpu"
) -> Timed:
    """Rows become images."""
    from deepmapper.images.layouts import make_layout

    made = make_layout(layout, n_features, SEED)
    X = _tensor(counts(n_samples, n_features), device)
    return Timed(lambda _: made.fold(X), output=_host, n_bytes=X.nbytes)


def unfold(
    n_samples: int = 500, n_features: int = 10_000, layout: str = "random", device: str = "cpu"
) -> Timed:
    """Images become values a feature."""
    from deepmapper.images.layouts import make_layout

    made = make_layout(layout, n_features, SEED)
    images = made.fold(_tensor(counts(n_samples, n_features), device))

    def run(_: None) -> Any:
        values = made.unfold(images)
        return values.clone() if values._is_view() else values  # as who asks for them has them

    return Timed(run, output=_host, n_bytes=images.nbytes)


def learn_layout(n_samples: int = 200, n_features: int = 256, layout: str = "learned") -> Timed:
    """Find a pixel for each feature."""
    from deepmapper.images.layouts import make_layout

    rng = np.random.default_rng(SEED)
    factors = rng.standard_normal((n_samples, 8), dtype=np.float32)
    X = factors @ rng.standard_normal((8, n_features), dtype=np.float32)
    X += rng.standard_normal(X.shape, dtype=np.float32)

    def run(_: None) -> Any:
        return make_layout(layout, n_features, SEED, X=X)

    return Timed(run, output=lambda made: [made.pixel_of_feature], n_bytes=X.nbytes)


def screen(
    n_samples: int = 400, side: int = 28, interactions: bool = True, device: str = "cpu"
) -> Timed:
    """Compare the classes feature by feature and pair by pair."""
    from deepmapper.networks.screen import screen

    images, labels = _images(n_samples, side, device)

    def run(_: None) -> Any:
        return screen(images, labels, N_CLASSES, interactions=interactions, seed=SEED)

    return Timed(run, output=lambda seen: [np.asarray(seen.strength)], n_bytes=images.nbytes)


def train(
    backbone: str = "patch",
    n_samples: int = 256,
    side: int = 28,
    epochs: int = 1,
    gated: bool = False,
    device: str = "cpu",
) -> Timed:
    """Train a fresh network for one epoch."""
    import torch

    from deepmapper.networks._assembly import build_network
    from deepmapper.networks.gate import PixelGate
    from deepmapper.training.objectives import Classification
    from deepmapper.training.streams import torch_stream
    from deepmapper.training.trainer import TrainingSettings
    from deepmapper.training.trainer import train as train_network

    images, labels = _images(n_samples, side, device)
    settings = TrainingSettings(
        max_epochs=epochs, batch_size=min(64, n_samples), precision="float32"
    )

    def before() -> Any:
        with torch_stream(SEED, "initialisation"):
            gate = PixelGate(torch.full(tuple(images.shape[1:]), 0.5)) if gated else None
            return build_network(backbone, tuple(images.shape[1:]), N_CLASSES, gate=gate).to(device)

    def run(network: Any) -> Any:
        return train_network(
            network,
            (images, labels),
            settings,
            objective=Classification(),
            generator=torch.Generator().manual_seed(SEED),
        )

    return Timed(
        run,
        before,
        output=lambda history: [np.array([epoch.train_loss for epoch in history])],
        n_bytes=images.nbytes,
    )


def predict(
    backbone: str = "patch", n_samples: int = 512, side: int = 28, device: str = "cpu"
) -> Timed:
    """Logits of images."""
    from deepmapper.training.trainer import predict_logits

    images, _ = _images(n_samples, side, device)
    network = _network(backbone, side, device)
    return Timed(lambda _: predict_logits(network, images), output=_host, n_bytes=images.nbytes)


def attribute(
    method: str = "saliency",
    backbone: str = "cnn_small",
    n_samples: int = 32,
    side: int = 28,
    device: str = "cpu",
) -> Timed:
    """One map a class from a network and labelled images."""
    from deepmapper.attribution import Settings
    from deepmapper.attribution import attribute as explain

    images, labels = _images(n_samples, side, device)
    network = _network(backbone, side, device)
    settings = Settings()

    def run(_: None) -> Any:
        return explain(
            network,
            images,
            labels,
            method=method,
            n_classes=N_CLASSES,
            max_samples=8,
            seed=SEED,
            settings=settings,
        )

    return Timed(run, output=_host, n_bytes=images.nbytes)


def store_append(n_records: int = 10) -> Timed:
    """Write records with their arrays, one after the other."""
    from bench.store.store import Store

    folder = tempfile.TemporaryDirectory()
    store = Store(Path(folder.name))
    store.create()
    arrays: dict[str, np.ndarray] = {
        "y_test": np.arange(500),
        "attributions": np.zeros((4, 1_000), dtype=np.float32),
    }
    records = [record(i) for i in range(n_records)]

    def before() -> None:  # a record that is there stays
        for path in store.cells.iterdir():
            path.unlink()

    def run(_: None) -> Any:
        for made in records:
            store.put(made, arrays)
        return store

    def output(store: Any) -> list[np.ndarray]:
        text = "".join(map(str, store.records()))
        stored = store.artifact(records[-1]["key"])
        return [np.array(list(text.encode())), *(stored[name] for name in sorted(stored))]

    return Timed(run, before, output=output, keep=folder)


def store_read(n_records: int = 100) -> Timed:
    """Read all records of a store as the frame of results.parquet."""
    from bench.store.store import Store
    from reports.aggregate import results_frame

    folder = filled_store(n_records)
    store = Store(Path(folder.name))
    return Timed(
        lambda _: results_frame(store),
        output=lambda frame: [frame["accuracy"].to_numpy()],
        keep=folder,
    )


def report_tables(n_records: int = 40) -> Timed:
    """All tables of the report, from the stored cells."""
    from bench.store.store import Store
    from reports.results import Results
    from reports.tables import all_views

    folder = filled_store(n_records)
    store = Store(Path(folder.name))

    def run(_: None) -> Any:
        return all_views(Results.read(store))

    def output(views: Any) -> list[np.ndarray]:
        return [np.array(list(repr(views).encode()))]

    return Timed(run, output=output, keep=folder)


def report_build(n_records: int = 40) -> Timed:
    """The whole report: frame, tables, figures, page."""
    from reports.build import build

    folder = filled_store(n_records)

    def run(_: None) -> int:
        build(Path(folder.name), interactive=False)
        return n_records

    return Timed(run, keep=folder)


def import_cli(module: str = "bench") -> Timed:
    """A fresh Python that imports the command line of a package of ours, and nothing else."""
    root = str(Path(import_module(module).__path__[0]).parent)
    code = f"import sys; sys.path.insert(0, {root!r}); import {module}.cli"
    words = [sys.executable, "-I", "-c", code]

    def run(_: None) -> int:
        return subprocess.run(words, check=True, stdin=subprocess.DEVNULL, timeout=60).returncode

    return Timed(run)


def control(size: int = 192) -> Timed:
    """Nothing of ours: a product of matrices, a copy of memory, and Python counting."""
    import torch

    a = torch.from_numpy(np.random.default_rng(SEED).standard_normal((size, size), np.float32))
    block = np.ones(1 << 20, dtype=np.float32)
    target = np.empty_like(block)

    def run(_: None) -> float:
        for _i in range(8):
            b = a @ a
        np.copyto(target, block)
        np.copyto(target, block)
        return float(b[0, 0]) + sum(i & 7 for i in range(20_000))

    return Timed(run, n_bytes=2 * block.nbytes)


def _tensor(X: np.ndarray, device: str) -> Any:
    import torch

    return torch.from_numpy(X).to(device)


def _images(n_samples: int, side: int, device: str) -> tuple[Any, Any]:
    """Images (n, 1, side, side) whose classes differ in four pixels, and class codes (n,)."""
    import torch

    rng = np.random.default_rng(SEED)
    labels = np.arange(n_samples) % N_CLASSES
    images = rng.standard_normal((n_samples, 1, side, side), dtype=np.float32)
    images[np.arange(n_samples), 0, side // 2, side // 3 + labels] += 2.0
    return torch.from_numpy(images).to(device), torch.from_numpy(labels).to(device)


def _network(backbone: str, side: int, device: str) -> Any:
    from deepmapper.networks._assembly import build_network
    from deepmapper.training.streams import torch_stream

    with torch_stream(SEED, "initialisation"):
        return build_network(backbone, (1, side, side), N_CLASSES).to(device)


def _host(result: Any) -> list[np.ndarray]:
    """What `run` returned as an array in the machine's memory."""
    return [np.asarray(result.detach().cpu() if hasattr(result, "detach") else result)]
