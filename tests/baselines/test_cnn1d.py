"""The 1-D CNN: TC1 as published, and a modern variant for any supported length."""

import numpy as np
import pytest
import torch
from torch import nn

from baselines import cnn1d


def test_tc1_has_the_published_number_of_parameters() -> None:
    """Count by hand from CANDLE's list of layers, for 60,483 inputs and 36 outputs."""
    after_first = 60_483 - 20 + 1
    after_second = after_first - 10 + 1
    n_flat = 128 * (after_second // 10)
    convolutions = (20 * 1 * 128 + 128) + (10 * 128 * 128 + 128)
    dense = (n_flat * 200 + 200) + (200 * 20 + 20) + (20 * 36 + 36)
    assert convolutions + dense == 154_923_632  # 154.9 million
    with torch.device("meta"):  # no memory, only shapes
        network = cnn1d.tc1((60_483,), 36)
    assert sum(p.numel() for p in network.parameters()) == convolutions + dense


def test_tc1_is_trained_as_published() -> None:
    pipeline = cnn1d.build(cnn1d.Params("tc1"), device="cpu", seed=0)
    settings = pipeline["model"].training
    published = {"optimizer": "sgd", "learning_rate": 0.01, "batch_size": 20, "max_epochs": 400}
    assert {name: settings[name] for name in published} == published
    few = cnn1d.build(cnn1d.Params("tc1", epochs=3), device="cpu", seed=0).named_steps["model"]
    assert few.training == {**settings, "max_epochs": 3}
    X = np.random.default_rng(0).normal(size=(30, 70)).astype(np.float32)
    scaled = pipeline.named_steps["convert"].fit_transform(X)
    np.testing.assert_allclose(scaled, X / np.abs(X).max(0), rtol=1e-6)


@pytest.mark.parametrize("architecture", [cnn1d.strided, cnn1d.tc1])
@pytest.mark.parametrize("p", [cnn1d.MIN_FEATURES, 71, 1000])
def test_every_weight_gets_a_gradient_at_every_supported_length(architecture, p) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    network: nn.Module = architecture((p,), 3)
    logits = network(torch.randn(8, p))
    assert logits.shape == (8, 3)
    (logits * torch.randn(8, 3)).sum().backward()
    for name, weight in network.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.abs().sum() > 0, name
