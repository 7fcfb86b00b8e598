"""The training loops of the notebooks, which differ from the paper's description."""

import numpy as np
import pytest
import torch
from torch import nn

from baselines.deepmapper_notebook import Params, build, frozen_resnet
from deepmapper import TrainingSettings


@pytest.fixture(scope="module")
def rows() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    X = 100 * rng.random((60, 30)).astype(np.float32)
    X[:, 7] += 200 * y
    return X, y


def test_values_are_folded_without_scaling(rows: tuple[np.ndarray, np.ndarray]) -> None:
    X, y = rows
    images = np.asarray(build(Params(), device="cpu", seed=0)["convert"].fit(X, y).transform(X))
    assert images.shape == (60, 1, 6, 6)
    np.testing.assert_array_equal(images.reshape(60, 36)[:, :30], X)
    np.testing.assert_array_equal(images.reshape(60, 36)[:, 30:], 0)


def test_the_norms_of_the_mnist_notebook_are_frozen() -> None:
    network = frozen_resnet((1, 28, 28), 10)
    network.train()
    before = {k: v.clone() for k, v in network.state_dict().items() if "running" in k}
    network(255 * torch.rand(4, 1, 28, 28))
    for name, value in network.state_dict().items():
        if "running" in name:
            torch.testing.assert_close(value, before[name])
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(norms) == 20
    assert not any(norm.training for norm in norms)
    assert all(norm.weight.requires_grad for norm in norms)


@pytest.mark.parametrize(
    ("notebook", "batch", "rate"), [("tables", 20, 1e-3), ("mnist", 256, 1e-4)]
)
def test_settings_are_those_of_the_notebooks(notebook: str, batch: int, rate: float) -> None:
    model = build(Params(notebook=notebook), device="cpu", seed=0)["model"]  # type: ignore[arg-type]
    used = TrainingSettings.of(model.training)
    assert (used.batch_size, used.learning_rate, used.weight_decay) == (batch, rate, 1e-5)
    assert (used.max_epochs, used.schedule, used.validation_fraction) == (15, "constant", 0.0)


def test_attribution_is_the_mean_gradient_of_each_logit(
    rows: tuple[np.ndarray, np.ndarray],
) -> None:
    """Sum over channels the mean over rows of the absolute gradient."""
    X, y = rows
    pipeline = build(Params(epochs=1), device="cpu", seed=0)
    Z = pipeline["convert"].fit(X, y).transform(X)
    model = pipeline["model"].fit(Z, y)
    assert model.attributes_over == "test"
    maps = model.attribute(Z, np.zeros(60))
    assert maps.shape == (2, 1, 6, 6)
    x = torch.as_tensor(np.asarray(Z)).repeat(1, 3, 1, 1).requires_grad_()
    for c in range(2):
        (gradient,) = torch.autograd.grad(model.networks_[0](x)[:, c].sum(), x)
        expected = gradient.abs().mean(0).sum(0)
        np.testing.assert_allclose(maps[c, 0], expected, rtol=1e-3, atol=1e-6)
