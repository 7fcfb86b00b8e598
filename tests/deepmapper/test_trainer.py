"""The batch loop: repeatable, honest about divergence, leaves BatchNorm in training mode."""

import pytest
import torch
from torch import nn

from deepmapper import DeepMapperError, Diverged
from deepmapper.backbones import build_backbone
from deepmapper.streams import torch_stream
from deepmapper.trainer import TrainingSettings, class_weights, train


def _data(n: int = 90) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    images = torch.randn(n, 1, 6, 6)
    return images, (images[:, 0, 2, 3] > 0).long()


def _train(settings: TrainingSettings, backbone: str = "patch", seed: int = 0):  # type: ignore[no-untyped-def]
    data = _data()
    with torch_stream(seed, "test"):
        network = build_backbone(backbone, (6, 6), 2)
        generator = torch.Generator().manual_seed(seed)
        history = train(network, data, settings, n_classes=2, generator=generator, validation=data)
    return network, history


def test_the_same_seed_gives_the_same_weights_and_another_does_not() -> None:
    settings = TrainingSettings(epochs=2)
    (first, a), (again, b), (other, _) = (_train(settings, seed=s) for s in (0, 0, 1))
    assert a == b
    for w, v in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(w, v)
    assert not torch.equal(first.head.weight, other.head.weight)


def test_training_learns_and_history_counts_epochs_from_one() -> None:
    _, history = _train(TrainingSettings(epochs=30, learning_rate=3e-3))
    assert [epoch.epoch for epoch in history] == list(range(1, 31))
    assert history[-1].train_accuracy > 0.95
    assert history[-1].validation_accuracy is not None
    assert history[-1].validation_accuracy > 0.95


def test_batch_norm_is_trained_in_every_epoch() -> None:
    """The notebooks left the model in evaluation mode after the first test (facts 2.3)."""
    network, _ = _train(TrainingSettings(epochs=3, batch_size=30), "resnet18")
    assert int(network.bn1.num_batches_tracked) == 3 * 3


def test_a_loss_that_is_not_finite_stops_the_training() -> None:
    with pytest.raises(Diverged, match="try a lower"):
        _train(TrainingSettings(epochs=3, learning_rate=1e30, schedule="constant"))


def test_a_last_batch_of_one_joins_the_one_before() -> None:
    images, labels = _data(31)
    seen: list[int] = []
    network = nn.Sequential(nn.Flatten(), nn.Linear(36, 2))
    network.register_forward_hook(lambda m, args, out: seen.append(len(args[0])))
    train(
        network,
        (images, labels),
        TrainingSettings(epochs=1, batch_size=10),
        n_classes=2,
        generator=torch.Generator().manual_seed(0),
    )
    assert seen == [10, 10, 11]


def test_class_weights_make_classes_count_alike() -> None:
    labels = torch.tensor([0] * 30 + [1] * 10)
    weights = class_weights(labels, 2)
    torch.testing.assert_close(weights * torch.tensor([30.0, 10.0]), torch.tensor([20.0, 20.0]))


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"batch_size": 1}, {"schedule": "zigzag"}])
def test_wrong_settings_are_refused(wrong: dict) -> None:
    with pytest.raises(DeepMapperError):
        TrainingSettings(**wrong)
