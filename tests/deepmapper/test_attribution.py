"""Attributions of a linear network can be written down by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from deepmapper import DeepMapperError
from deepmapper.attribution import attribute


def _linear(weight: torch.Tensor) -> nn.Module:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    layer.weight.data = weight
    return nn.Sequential(nn.Flatten(), layer)


@pytest.fixture
def case() -> tuple[nn.Module, torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    weight = torch.randn(3, 4)
    images = torch.randn(60, 1, 2, 2)
    network = _linear(weight)
    return network, images, network(images).argmax(1), weight - weight.mean(0)


def test_saliency_of_a_linear_network_is_its_contrast_weights(case: tuple) -> None:
    network, images, labels, contrast = case
    maps = attribute(network, images, labels, method="saliency", n_classes=3)
    torch.testing.assert_close(maps.flatten(1), contrast.abs())
    signed = attribute(network, images, labels, method="saliency", n_classes=3, signed=True)
    torch.testing.assert_close(signed.flatten(1), contrast)


def test_integrated_gradients_are_weight_times_distance_from_the_mean(case: tuple) -> None:
    network, images, labels, contrast = case
    maps = attribute(
        network, images, labels, method="integrated_gradients", n_classes=3, max_samples=99
    )
    distance = (images - images.mean(0)).flatten(1)
    for c in range(3):
        values = (distance * contrast[c]).abs()
        expected = (values[labels == c].mean(0) + values[labels != c].mean(0)) / 2
        torch.testing.assert_close(maps[c].flatten(), expected, rtol=1e-4, atol=1e-5)


def test_only_true_positives_and_true_negatives_count() -> None:
    """A network that looks at pixel 0 where pixel 3 is low and at pixel 1 where it is high."""

    class Switch(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = x.flatten(1)
            score = torch.where(x[:, 3] < 0, x[:, 0], x[:, 1])
            return torch.stack([-score, score], 1)

    images = torch.tensor([[1.0, -9.0, 0.0, -1.0], [-9.0, 1.0, 0.0, 1.0]]).repeat(20, 1)
    images = images.reshape(-1, 1, 2, 2)
    labels = torch.ones(40, dtype=torch.int64)
    labels[1::2] = 0  # those that look at pixel 1 are all wrong
    maps = attribute(Switch(), images, labels, method="saliency", n_classes=2)
    assert (maps[:, 0, 0, 0] > 0).all()
    assert (maps[:, 0, 0, 1] == 0).all()


def test_a_class_never_recognised_gets_zeros_and_an_unknown_method_is_named() -> None:
    network = _linear(torch.tensor([[1.0, 0, 0, 0], [-1.0, 0, 0, 0]]))
    images, wrong = torch.ones(4, 1, 2, 2), torch.ones(4, dtype=torch.int64)
    maps = attribute(network, images, wrong, method="saliency", n_classes=2)
    np.testing.assert_array_equal(maps.numpy(), 0)
    with pytest.raises(DeepMapperError, match="known: integrated_gradients, saliency"):
        attribute(network, images, wrong, method="magic", n_classes=2)
