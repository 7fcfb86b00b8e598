"""The gate: shut pixels are not seen, doubt pushes noise shut, what helps opens."""

import numpy as np
import pytest
import torch
from torch import nn

from deepmapper.estimators.network_classifier import NetworkClassifier
from deepmapper.networks._assembly import screened_gate
from deepmapper.networks.gate import GatedNetwork, PixelGate, ProximalSGD


def test_a_shut_pixel_is_not_seen_and_can_open_again() -> None:
    gate = PixelGate(torch.tensor([[[0.0, 1.0]]]))
    x = torch.tensor([[[[5.0, 3.0]]]])
    assert gate(x).tolist() == [[[[0.0, 3.0]]]]
    assert gate.n_open() == 1
    gate(x).sum().backward()
    assert gate.weight.grad is not None
    assert gate.weight.grad[0, 0, 0] == 5.0


def test_the_step_is_gradient_and_threshold_by_hand() -> None:
    gate = PixelGate(torch.tensor([[[0.8, 0.5, 0.2]]]), doubt=torch.tensor([[[0.0, 1.0, 1.0]]]))
    gate.weight.grad = torch.tensor([[[0.1, -0.2, 0.3]]])
    ProximalSGD(gate, lr=0.5, strictness=2.0).step()
    noise = 0.2  # the median of |gradient| after one step
    expected = [0.8 - 0.05, 0.5 + 0.1 - 0.5 * 2 * noise, 0.0]
    np.testing.assert_allclose(gate.weight.detach().flatten(), expected, atol=1e-6)


def test_padding_without_gradient_changes_nothing() -> None:
    gate = PixelGate(torch.tensor([[[0.0, 0.5]]]))
    gate.weight.grad = torch.zeros(1, 1, 2)
    ProximalSGD(gate).step()
    assert gate.weight.flatten().tolist() == [0.0, 0.5]


def test_only_the_gate_of_a_network_is_stepped_by_its_optimiser() -> None:
    network = GatedNetwork(PixelGate(torch.ones(1, 2, 2)), nn.Flatten())
    assert network(torch.ones(3, 1, 2, 2)).shape == (3, 4)


@pytest.mark.parametrize("gate", [True, False])
def test_a_gated_classifier_finds_the_pixel_and_shuts_noise(gate: bool) -> None:
    rng = np.random.default_rng(0)
    images = rng.normal(size=(400, 1, 12, 12)).astype(np.float32)
    labels = (images[:, 0, 5, 7] > 0).astype(int)
    model = NetworkClassifier(gate=gate, device="cpu", random_state=0).fit(images, labels)
    test = rng.normal(size=(400, 1, 12, 12)).astype(np.float32)
    accuracy = (model.predict(test) == (test[:, 0, 5, 7] > 0)).mean()
    assert accuracy > 0.9 if gate else accuracy > 0.6
    if gate:
        (network,) = model.networks_
        assert isinstance(network, GatedNetwork)
        assert network.gate.n_open() < 72
        assert int(network.gate.weight.argmax()) == 5 * 12 + 7


def test_where_every_pixel_says_something_there_is_no_gate() -> None:
    draw = torch.Generator().manual_seed(0)
    labels = torch.arange(600) % 2
    images = torch.randn(600, 1, 4, 4, generator=draw)
    images += labels.float().view(-1, 1, 1, 1)
    images[:, 0, 0, 0] = 0.0  # a pixel that never varies is no reason for a gate
    assert screened_gate(images, labels, 2) is None
    images[:, 0, 1] = torch.randn(600, 4, generator=draw)  # four of noise are
    assert screened_gate(images, labels, 2) is not None


def test_too_few_samples_for_all_pixels_are_a_reason_for_a_gate() -> None:
    draw = torch.Generator().manual_seed(0)
    labels = torch.arange(60) % 2
    images = torch.randn(60, 1, 5, 5, generator=draw) + 3 * labels.float().view(-1, 1, 1, 1)
    assert screened_gate(images, labels, 2) is not None
