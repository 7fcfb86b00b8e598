"""Latents of any named layer: the right numbers, and a network left as it was found."""

import pytest
import torch
from torch import nn

from deepmapper.errors import DeepMapperError
from deepmapper.estimators._base import latent, layer_names


class _Doubler(nn.Module):
    """A named layer, an in-place step behind it, one layer that is never run, one without rows."""

    def __init__(self) -> None:
        super().__init__()
        self.twice = nn.Linear(4, 4, bias=False)
        self.twice.weight.data = 2 * torch.eye(4)
        self.relu = nn.ReLU(inplace=True)
        self.drop = nn.Dropout(0.5)
        self.idle = nn.Linear(4, 1)
        self.total = _Total()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.drop(self.relu(self.twice(x.flatten(1))))
        self.total(x)
        return x


class _Total(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.sum()


class _Rows:
    """Images that can only be sliced, as a table that streams."""

    def __init__(self, images: torch.Tensor) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: slice) -> torch.Tensor:
        return self.images[rows]


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(5, 1, 2, 2, generator=torch.Generator().manual_seed(0))


def test_names_are_the_modules_in_order() -> None:
    assert layer_names(_Doubler()) == ["twice", "relu", "drop", "idle", "total"]


def test_a_latent_is_what_the_layer_gave_before_anything_changed_it(images: torch.Tensor) -> None:
    network = _Doubler()
    torch.testing.assert_close(latent(network, images, "twice"), 2 * images.flatten(1))
    torch.testing.assert_close(latent(network, images, "relu"), 2 * images.flatten(1).clamp(min=0))


@pytest.mark.parametrize("batch_size", [1, 2, 5, 256])
def test_batches_and_images_that_stream_give_the_same(
    images: torch.Tensor, batch_size: int
) -> None:
    streamed = latent(_Doubler(), _Rows(images), "twice", batch_size)
    torch.testing.assert_close(streamed, 2 * images.flatten(1))


def test_it_runs_in_evaluation_mode_and_leaves_modes_and_hooks_alone(images: torch.Tensor) -> None:
    network = _Doubler().train()
    network.relu.eval()  # a frozen part of a network in training
    torch.testing.assert_close(latent(network, images, "drop"), 2 * images.flatten(1).clamp(min=0))
    assert network.training
    assert network.drop.training
    assert not network.relu.training
    assert all(not module._forward_hooks for module in network.modules())


def test_an_unknown_layer_lists_the_nearest_and_the_known(images: torch.Tensor) -> None:
    with pytest.raises(DeepMapperError, match=r"did you mean 'twice'\? known: twice, relu, drop"):
        latent(_Doubler(), images, "twise")


def test_layers_without_rows_and_no_images_are_refused_and_no_hook_stays(
    images: torch.Tensor,
) -> None:
    network = _Doubler().train()
    with pytest.raises(DeepMapperError, match="is not called"):
        latent(network, images, "idle")
    with pytest.raises(DeepMapperError, match=r"no row per image: expected \(5, ...\), got \(\)"):
        latent(network, images, "total")
    with pytest.raises(DeepMapperError, match="at least one image"):
        latent(network, images[:0], "twice")
    assert network.training
    assert all(not module._forward_hooks for module in network.modules())
