"""The training loop: repeatable, stops on divergence, and trains batch norms."""

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from deepmapper import DeepMapperError, DivergedError
from deepmapper.networks.backbones import build_backbone
from deepmapper.networks.gate import GatedNetwork, PixelGate
from deepmapper.training import trainer
from deepmapper.training._augmentation import move
from deepmapper.training.devices import free_bytes, resolve_device
from deepmapper.training.objectives import Classification, class_weights
from deepmapper.training.streams import torch_stream
from deepmapper.training.trainer import Epoch, Pairs, TrainingSettings, autocast, evaluate, train


def _data(n: int = 90) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    images = torch.randn(n, 1, 6, 6)
    return images, (images[:, 0, 2, 3] > 0).long()


def _fit(
    network: nn.Module, data: Pairs, settings: TrainingSettings, **options: Any
) -> list[Epoch]:
    seed = options.pop("seed", 0)
    generator = torch.Generator().manual_seed(seed)
    return train(
        network, data, settings, objective=Classification(), generator=generator, **options
    )


def _train(
    settings: TrainingSettings, backbone: str = "patch", seed: int = 0, n: int = 90
) -> tuple[Any, list[Epoch]]:
    data = _data(n)
    with torch_stream(seed, "test"):
        network = build_backbone(backbone, (6, 6), 2)
        return network, _fit(network, data, settings, seed=seed, validation=data)


def _figures(history: list[Epoch]) -> list[dict]:
    return [{k: v for k, v in e.row("accuracy").items() if k != "seconds"} for e in history]


def test_the_same_seed_gives_the_same_weights_and_another_does_not() -> None:
    settings = TrainingSettings(max_epochs=2)
    (first, a), (again, b), (other, _) = (_train(settings, seed=s) for s in (0, 0, 1))
    assert _figures(a) == _figures(b)
    for w, v in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(w, v)
    assert not torch.equal(first.head.weight, other.head.weight)


def test_training_learns_and_history_counts_epochs_from_one() -> None:
    _, history = _train(TrainingSettings(max_epochs=30, learning_rate=3e-3))
    assert [epoch.epoch for epoch in history] == list(range(1, 31))
    assert history[-1].train_score > 0.95
    assert history[-1].validation_score is not None
    assert history[-1].validation_score > 0.95


def test_batch_norm_is_trained_in_every_epoch() -> None:
    """The notebooks left the model in evaluation mode after the first epoch."""
    network, _ = _train(TrainingSettings(max_epochs=2, batch_size=30), "resnet18", n=60)
    assert int(network.bn1.num_batches_tracked) == 2 * 2


def test_a_loss_that_is_not_finite_stops_the_training() -> None:
    with pytest.raises(DivergedError, match="try a lower"):
        _train(TrainingSettings(max_epochs=3, learning_rate=1e30, schedule="constant"))


def test_a_last_batch_of_one_joins_the_one_before() -> None:
    images, labels = _data(31)
    batches: list[int] = []
    network = nn.Sequential(nn.Flatten(), nn.Linear(36, 2))
    network.register_forward_hook(
        lambda m, args, out: batches.append(len(args[0])) if m.training else None
    )
    _fit(network, (images, labels), TrainingSettings(max_epochs=1, batch_size=10))
    assert batches == [10, 10, 11]


def test_class_weights_make_classes_count_alike() -> None:
    labels = torch.tensor([0] * 30 + [1] * 10)
    weights = class_weights(labels, 2)
    torch.testing.assert_close(weights * torch.tensor([30.0, 10.0]), torch.tensor([20.0, 20.0]))


def test_training_stops_once_the_held_out_loss_is_on_target() -> None:
    settings = TrainingSettings(max_epochs=30, learning_rate=3e-3, target_loss=0.2)
    _, stopped = _train(settings, n=200)
    assert len(stopped) < 30
    assert len(_train(settings, n=190)[1]) == 30  # too few held out to be sure
    assert stopped[-1].validation_loss is not None
    assert stopped[-1].validation_loss < 0.2
    assert stopped[-1].validation_score == 1.0


def test_patience_goes_back_to_the_best_weights() -> None:
    images, labels = _data(60)
    held_out = images[:20], 1 - labels[:20]  # this loss rises with training
    network = build_backbone("patch", (6, 6), 2)
    settings = TrainingSettings(max_epochs=30, n_iter_no_change=3, schedule="constant")
    history = _fit(network, (images, labels), settings, validation=held_out)
    losses = [epoch.validation_loss for epoch in history]
    assert len(history) < 30
    assert min(losses) in losses[:-3]
    loss, _ = evaluate(network, *held_out, Classification())
    assert loss == pytest.approx(min(losses), rel=1e-5)


def test_sgd_takes_the_steps_of_its_formula() -> None:
    """Compare two steps with v <- 0.9 v + g and w <- w - 0.1 v in numpy."""
    images = torch.tensor([[[[1.0, -2.0]]], [[[0.5, 3.0]]]])
    labels = torch.tensor([0, 1])
    network = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False))
    w = network[1].weight.detach().numpy().astype(np.float64)
    v = np.zeros((2, 2))
    rates: dict[str, Any] = {"learning_rate": 0.1, "weight_decay": 0.0, "momentum": 0.9}
    settings = TrainingSettings(
        max_epochs=2, batch_size=2, schedule="constant", optimizer="sgd", **rates
    )
    _fit(network, (images, labels), settings)
    X = images.flatten(1).numpy().astype(np.float64)
    for _ in range(2):
        scores = np.exp(X @ w.T)
        v = 0.9 * v + (scores / scores.sum(1, keepdims=True) - np.eye(2)).T @ X / 2
        w = w - 0.1 * v
    np.testing.assert_allclose(network[1].weight.detach().numpy(), w, rtol=1e-5)


def _draw(*_: object) -> None:
    torch.rand(3)


def test_dropout_draws_from_the_training_alone() -> None:
    """Other draws from the global generator of torch change nothing."""
    first, _ = _train(TrainingSettings(max_epochs=1))
    with torch_stream(0, "test"):
        network = build_backbone("patch", (6, 6), 2)
        hook = network.register_forward_pre_hook(_draw)
        data = _data()
        _fit(network, data, TrainingSettings(max_epochs=1), validation=data)
        hook.remove()
    assert torch.equal(first.head.weight, network.head.weight)


def test_bfloat16_trains_and_the_weights_stay_float32() -> None:
    network, history = _train(TrainingSettings(max_epochs=5, precision="bfloat16"), "cnn_small")
    assert all(p.dtype == torch.float32 for p in network.parameters())
    assert history[-1].train_loss < history[0].train_loss


@pytest.mark.parametrize(
    "wrap",
    [
        lambda network: network,
        lambda network: GatedNetwork(PixelGate(torch.ones(1, 6, 6)), network),
        lambda network: nn.Sequential(nn.Identity(), network),
    ],
    ids=["bare", "gated", "sequential"],
)
@pytest.mark.parametrize(("backbone", "is_low"), [("cnn_small", True), ("patch", False)])
def test_the_precision_is_that_of_the_backbone_behind_any_wrapper(
    wrap: Any, backbone: str, is_low: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "has_bfloat16", lambda: True)
    network = wrap(build_backbone(backbone, (6, 6), 2))
    with autocast(network, torch.device("cpu"), "auto")():
        assert torch.is_autocast_enabled("cpu") is is_low


def test_an_unknown_device_is_named() -> None:
    with pytest.raises(DeepMapperError, match="unknown device 'warp'"):
        resolve_device("warp")


def test_free_memory_of_a_cpu_is_known() -> None:
    assert (free_bytes(torch.device("cpu")) or 1) > 0


def test_waiting_threads_leave_the_cores_to_others() -> None:
    words = "import os, deepmapper; print(os.environ['OMP_WAIT_POLICY'])"
    environment = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"}
    for variables, expected in ({}, "passive"), ({"OMP_WAIT_POLICY": "active"}, "active"):
        completed = subprocess.run(
            [sys.executable, "-c", words],
            env=environment | variables,
            capture_output=True,
            text=True,
            check=True,
        )
        assert completed.stdout.strip() == expected


def _blobs(n: int, side: int = 28) -> torch.Tensor:
    """Images with a bright disc in the middle, on a background of 3."""
    y, x = torch.meshgrid(*[torch.arange(side) - (side - 1) / 2] * 2, indexing="ij")
    return (3 + 10 * torch.exp(-(x**2 + y**2) / 18)).expand(n, 1, side, side)


def test_moved_images_keep_their_values_and_differ_from_each_other() -> None:
    images = _blobs(40)
    moved, again = (move(images, torch.Generator().manual_seed(0)) for _ in range(2))
    assert torch.equal(moved, again)
    assert moved.shape == images.shape
    assert moved.std(0).max() > 1
    assert moved.min() >= 2.99  # no black border
    assert moved.amax((1, 2, 3)).min() > 12  # the disc stays in sight
    weight = moved - 3
    columns = (weight.sum(2) * torch.arange(28)).sum(2) / weight.sum((2, 3))
    shift = (columns - 13.5).abs().max()
    assert 1 < shift <= 0.08 * 28 * 1.2
    flat = torch.full((5, 1, 9, 9), 0.7)
    torch.testing.assert_close(move(flat, torch.Generator()), flat)


def test_images_are_moved_in_training_alone() -> None:
    images, targets = _blobs(40), torch.arange(40) % 2
    seen: list[torch.Tensor] = []

    def look(module: nn.Module, inputs: tuple[torch.Tensor]) -> None:
        seen.append((inputs[0] == images[0]).all(dim=(1, 2, 3)))

    for augment in (False, True):
        seen.clear()
        network = build_backbone("cnn_small", (28, 28), 2)
        network.register_forward_pre_hook(look)
        settings = TrainingSettings(max_epochs=1, batch_size=40, augment=augment)
        _fit(network, (images, targets), settings, validation=(images, targets))
        in_training, in_validation = seen[-2:]
        assert bool(in_training.all()) is not augment
        assert in_validation.all()
