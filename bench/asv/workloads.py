"""Workloads of the engine, for asv and for `bench regress`.

Each function takes sizes, makes data and returns a `Workload`. It imports the measured code inside
the function, so that this file measures the revision that is first on sys.path.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

SEED = 20241127
N_CLASSES = 4


@dataclass(frozen=True, eq=False)
class Workload:
    """A function to time, with its input and output.

    Parameters
    ----------
    run : the timed function, called with the return value of `before`
    before : makes the input of `run`, e.g. a fresh network, outside the clock
    output : turns the return value of `run` into arrays that are compared between revisions
    n_bytes : size of the table or the images that a run reads, 0 if it reads none
    keep : an object that must live as long as this one, e.g. a temporary folder
    """

    run: Callable[[Any], Any]
    before: Callable[[], Any] = lambda: None
    output: Callable[[Any], list[np.ndarray]] = field(default=lambda result: [np.asarray(result)])
    n_bytes: int = 0
    keep: Any = None

    def run_once(self) -> Any:
        """Prepare and run, without a clock."""
        return self.run(self.before())


def make_counts(n_samples: int, n_features: int) -> np.ndarray:
    """Draw log-normal counts, float32 (n_samples, n_features): scaling takes logs."""
    rng = np.random.default_rng(SEED)
    return np.floor(np.exp(2 * rng.standard_normal((n_samples, n_features), dtype=np.float32) + 3))


def normalise(
    n_samples: int = 400, n_features: int = 5_000, scale: str = "standard", log: bool | str = "auto"
) -> Workload:
    """Learn a scaling and apply it."""
    from deepmapper.images.scaling import FeatureScaler

    X = make_counts(n_samples, n_features)
    return Workload(
        lambda _: FeatureScaler(log=log, scale=scale).fit_transform(X), n_bytes=X.nbytes
    )


def convert(n_samples: int = 400, n_features: int = 5_000, scale: str = "standard") -> Workload:
    """Scale and fold a table in one step, as the engine does."""
    from deepmapper.images.converter import ImageConverter

    X = make_counts(n_samples, n_features)

    def run(_: None) -> Any:
        return ImageConverter(scale=scale, device="cpu", stream=False).fit_transform(X)

    return Workload(run, output=_host, n_bytes=X.nbytes)


def fold(n_samples: int = 500, n_features: int = 10_000, layout: str = "natural") -> Workload:
    """Fold rows into images."""
    import torch

    from deepmapper.images.layouts import make_layout

    placement = make_layout(layout, n_features, SEED)
    X = torch.from_numpy(make_counts(n_samples, n_features))
    return Workload(lambda _: placement.fold(X), output=_host, n_bytes=X.nbytes)


def unfold(n_samples: int = 500, n_features: int = 10_000, layout: str = "random") -> Workload:
    """Unfold images into values of features."""
    import torch

    from deepmapper.images.layouts import make_layout

    placement = make_layout(layout, n_features, SEED)
    images = placement.fold(torch.from_numpy(make_counts(n_samples, n_features)))

    def run(_: None) -> Any:
        values = placement.unfold(images)
        return values.clone() if values._is_view() else values  # callers also get a copy

    return Workload(run, output=_host, n_bytes=images.nbytes)


def learn_layout(n_samples: int = 200, n_features: int = 256) -> Workload:
    """Learn a layout: a pixel for each feature."""
    from deepmapper.images.layouts import make_layout

    rng = np.random.default_rng(SEED)
    factors = rng.standard_normal((n_samples, 8), dtype=np.float32)
    X = factors @ rng.standard_normal((8, n_features), dtype=np.float32)
    X += rng.standard_normal(X.shape, dtype=np.float32)
    return Workload(
        lambda _: make_layout("learned", n_features, SEED, X=X),
        output=lambda placement: [placement.pixel_of_feature],
        n_bytes=X.nbytes,
    )


def screen(n_samples: int = 400, side: int = 28, interactions: bool = True) -> Workload:
    """Screen features and pairs of features for differences between classes."""
    from deepmapper.networks.screen import screen

    images, labels = _images(n_samples, side)

    def run(_: None) -> Any:
        return screen(images, labels, N_CLASSES, interactions=interactions, seed=SEED)

    return Workload(
        run, output=lambda screened: [np.asarray(screened.strength)], n_bytes=images.nbytes
    )


def train(
    backbone: str = "patch",
    n_samples: int = 256,
    side: int = 28,
    epochs: int = 1,
    gated: bool = False,
) -> Workload:
    """Train a fresh network."""
    import torch

    from deepmapper.networks._assembly import build_network
    from deepmapper.networks.gate import PixelGate
    from deepmapper.training.objectives import Classification
    from deepmapper.training.streams import torch_stream
    from deepmapper.training.trainer import TrainingSettings
    from deepmapper.training.trainer import train as train_network

    images, labels = _images(n_samples, side)
    settings = TrainingSettings(
        max_epochs=epochs, batch_size=min(64, n_samples), precision="float32"
    )

    def before() -> Any:
        with torch_stream(SEED, "initialisation"):
            gate = PixelGate(torch.full(tuple(images.shape[1:]), 0.5)) if gated else None
            return build_network(backbone, tuple(images.shape[1:]), N_CLASSES, gate=gate)

    def run(network: Any) -> Any:
        return train_network(
            network,
            (images, labels),
            settings,
            objective=Classification(),
            generator=torch.Generator().manual_seed(SEED),
        )

    return Workload(
        run,
        before,
        output=lambda history: [np.array([epoch.train_loss for epoch in history])],
        n_bytes=images.nbytes,
    )


def predict(backbone: str = "patch", n_samples: int = 512, side: int = 28) -> Workload:
    """Compute the logits of images."""
    from deepmapper.training.trainer import predict_logits

    images, _ = _images(n_samples, side)
    network = _network(backbone, side)
    return Workload(lambda _: predict_logits(network, images), output=_host, n_bytes=images.nbytes)


def attribute(
    method: str = "saliency", backbone: str = "cnn_small", n_samples: int = 32, side: int = 28
) -> Workload:
    """Compute one attribution map a class from a network and labelled images."""
    from deepmapper.attribution import Settings
    from deepmapper.attribution import attribute as explain

    images, labels = _images(n_samples, side)
    network = _network(backbone, side)
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

    return Workload(run, output=_host, n_bytes=images.nbytes)


def control(size: int = 192) -> Workload:
    """Multiply matrices, copy memory and run a loop: no code of this project."""
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

    return Workload(run, n_bytes=2 * block.nbytes)


def _images(n_samples: int, side: int) -> tuple[Any, Any]:
    """Make images (n, 1, side, side) with four informative pixels, and their classes."""
    import torch

    rng = np.random.default_rng(SEED)
    labels = np.arange(n_samples) % N_CLASSES
    images = rng.standard_normal((n_samples, 1, side, side), dtype=np.float32)
    images[np.arange(n_samples), 0, side // 2, side // 3 + labels] += 2.0
    return torch.from_numpy(images), torch.from_numpy(labels)


def _network(backbone: str, side: int) -> Any:
    from deepmapper.networks._assembly import build_network
    from deepmapper.training.streams import torch_stream

    with torch_stream(SEED, "initialisation"):
        return build_network(backbone, (1, side, side), N_CLASSES)


def _host(result: Any) -> list[np.ndarray]:
    """Turn the return value of `run` into an array."""
    return [np.asarray(result.detach() if hasattr(result, "detach") else result)]
