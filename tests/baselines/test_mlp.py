"""Multilayer perceptrons: plain, and with dropout and max-norm."""

import numpy as np
import pytest
import torch
from torch import nn

from baselines.mlp import MAX_NORM, MaxNormLinear, Params, build
from deepmapper.networks.backbones import Dropout


def test_steps_are_projected_gradient_steps() -> None:
    """Take two steps of SGD on a sum. The first row is short and is not projected."""
    layer = MaxNormLinear(2, 1, max_norm=1.0)
    x = np.array([0.6, 0.8], dtype=np.float32)
    expected = np.array([0.0, 0.9], dtype=np.float32)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(expected)[None])
    optimiser = torch.optim.SGD([layer.weight], lr=0.5)
    for _ in range(2):
        optimiser.zero_grad()
        (-layer(torch.from_numpy(x)[None])).sum().backward()
        optimiser.step()
        expected = expected / max(1.0, float(np.linalg.norm(expected))) + 0.5 * x
    torch.testing.assert_close(layer.weight.detach()[0], torch.from_numpy(expected))


def test_the_maxnorm_recipe_has_the_published_settings() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    X = (rng.normal(size=(60, 12)) + 2 * y[:, None]).astype(np.float32)
    pipeline = build(Params("maxnorm", hidden=32, epochs=200), device="cpu", seed=0).fit(X, y)
    model = pipeline.named_steps["model"]
    published = {"optimizer": "sgd", "momentum": 0.95, "batch_size": 100}
    assert published.items() <= model.training.items()
    (network,) = model.networks_
    assert [m.p for m in network.modules() if isinstance(m, Dropout)] == [0.2, 0.5, 0.5, 0.5]
    network.train()(torch.zeros(2, 12))  # the last step's projection
    layers = [m for m in network.modules() if isinstance(m, MaxNormLinear)]
    assert len(layers) == 3
    assert all(float(m.weight.detach().norm(dim=1).max()) <= MAX_NORM + 1e-5 for m in layers)
    assert (pipeline.predict(X) == y).mean() > 0.9


@pytest.mark.parametrize("recipe", ["plain", "maxnorm"])
def test_parameters_override_the_recipe(recipe: str) -> None:
    params = Params(recipe, hidden=7, layers=1, epochs=4)  # type: ignore[arg-type]
    model = build(params, device="cpu", seed=0).named_steps["model"]
    assert model.training["max_epochs"] == 4
    network = model.backbone((5,), 3)
    weights = [m.weight.shape for m in network.modules() if isinstance(m, nn.Linear)]
    assert weights == [(7, 5), (3, 7)]


@pytest.mark.parametrize("batch_norm", [True, False])
def test_the_plain_network_has_the_requested_norms_and_dropout(*, batch_norm: bool) -> None:
    params = Params(batch_norm=batch_norm, dropout=0.4, input_dropout=0.1, layers=2)
    model = build(params, device="cpu", seed=0).named_steps["model"]
    modules = list(model.backbone((5,), 3).modules())
    assert [m.p for m in modules if isinstance(m, Dropout)] == [0.1, 0.4, 0.4]
    assert sum(isinstance(m, nn.BatchNorm1d) for m in modules) == 2 * batch_norm
