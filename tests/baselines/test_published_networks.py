"""The authors' networks: layers and budgets as published, behind recipe="published"."""

import pickle
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from torch import nn

from baselines import aggmap
from baselines._published_networks import (
    IGTD,
    IGTDClassifier,
    Inception,
    SquareMaps,
    aggmapnet,
    igtd_batch_size,
    igtd_cnn,
    refined_cnn,
)
from bench.catalog import entry
from bench.run.outputs import attribute
from deepmapper.errors import DeepMapperError
from deepmapper.estimators.network_classifier import NetworkClassifier

METHODS = ("igtd", "refined", "aggmap")


def n_weights(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


@pytest.mark.parametrize("channels", [1, 5])
def test_aggmapnet_has_the_published_number_of_weights(channels: int) -> None:
    """Count by hand: 13x13 to 48, inceptions of 32 and 64, 128 units, 33 classes."""
    first = 13 * 13 * channels * 48 + 48
    inception = [n_in * n_out * (25 + 9 + 1) + 3 * n_out for n_in, n_out in ((48, 32), (96, 64))]
    dense = (192 * 128 + 128) + (128 * 33 + 33)
    network = aggmapnet((1, 102 * channels, 102), 33)
    assert n_weights(network) == first + sum(inception) + dense


def test_refined_has_the_published_number_of_weights() -> None:
    """Count by hand for 26x26 pixels (672 descriptors) and two classes, with normalisation."""
    convolutions = (49 * 16 + 16) + (49 * 16 * 32 + 32) + (9 * 32 * 64 + 64)
    dense = (64 * 12 * 12 * 256 + 256) + (256 * 64 + 64) + (64 * 2 + 2)
    norms = 2 * (16 + 32 + 64 + 256 + 64)
    assert n_weights(refined_cnn((1, 26, 26), 2)) == convolutions + dense + norms


@pytest.mark.parametrize(
    ("side", "filters", "n_flat"), [(50, (16, 32, 64), 64 * 5 * 5), (10, (16,), 16 * 4 * 4)]
)
def test_igtd_leaves_out_convolutions_that_do_not_fit(
    side: int, filters: tuple[int, ...], n_flat: int
) -> None:
    network = igtd_cnn((1, side, side), 2)
    convolutions = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    assert tuple(layer.out_channels for layer in convolutions) == filters
    dense = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
    assert [layer.in_features for layer in dense] == [n_flat, 500, 250, 125, 60]


@pytest.mark.parametrize("build", [aggmapnet, refined_cnn, igtd_cnn])
@pytest.mark.parametrize("side", [2, 3, 15, 18])
def test_every_weight_gets_a_gradient_at_every_side(build, side: int) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    network: nn.Module = build((1, side, side), 3)
    logits = network(torch.rand(16, 1, side, side))
    assert logits.shape == (16, 3)
    (logits * torch.randn(16, 3)).sum().backward()
    for name, weight in network.named_parameters():
        assert weight.grad is not None, name
        assert torch.isfinite(weight.grad).all(), name


def test_inception_joins_three_widths_of_convolution() -> None:
    network = Inception(2, 4)
    impulse = torch.zeros(1, 2, 9, 9)
    impulse[0, 0, 4, 4] = 1
    for branch in network.branches:
        nn.init.ones_(branch[0].weight)
        nn.init.zeros_(branch[0].bias)
    reached = network(impulse)[0].amax((1, 2)), network(impulse)[0].sum((1, 2))
    assert reached[0].tolist() == [1] * 12
    assert reached[1].tolist() == [25] * 4 + [9] * 4 + [1] * 4


def test_square_maps_become_channels() -> None:
    maps = torch.arange(24.0).reshape(2, 3, 2, 2)
    torch.testing.assert_close(SquareMaps()(maps.reshape(2, 1, 6, 2)), maps)


@pytest.mark.parametrize(("n", "size"), [(80, 2), (599, 2), (600, 4), (1200, 8), (10**6, 256)])
def test_igtd_makes_150_to_300_batches(n: int, size: int) -> None:
    assert igtd_batch_size(n) == size


def pipeline_of(name: str, **params: object) -> Pipeline:
    if name == "refined":
        pytest.importorskip("TINTOlib", reason="optional: pip install TINTOlib")
    module = entry("methods", name).load()
    return module.build(module.Params(recipe="published", **params), device="cpu", seed=3)


def test_budgets_are_those_of_the_authors() -> None:
    published = {
        "igtd": {"max_epochs": 100, "learning_rate": 1e-3, "n_iter_no_change": 20},
        "refined": {"max_epochs": 100, "learning_rate": 1e-4, "batch_size": 128},
        "aggmap": {"max_epochs": 200, "learning_rate": 1e-4, "batch_size": 128},
    }
    for name, settings in published.items():
        model = pipeline_of(name).named_steps["model"]
        assert settings.items() <= model.training.items()
        assert (model.passes, model.gate, model.training["weight_decay"]) == (1, False, 0)
    assert pipeline_of("refined", recipe_epochs=7)["model"].training["max_epochs"] == 7


@pytest.mark.parametrize("name", ["igtd", "refined"])
def test_a_setting_that_the_recipe_fixes_is_refused(name: str) -> None:
    with pytest.raises(DeepMapperError, match="sets epochs itself: leave epochs out"):
        pipeline_of(name, epochs=3)
    assert pipeline_of(name)["convert"].scaling == "minmax"


@pytest.mark.filterwarnings("ignore:no pass was better")
@pytest.mark.parametrize("name", METHODS)
def test_the_recipe_trains_and_attributes_to_features(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    # Instead of UMAP, whose compilation takes long.
    monkeypatch.setattr(aggmap, "_plane", lambda X, *others: rng.uniform(size=(X.shape[1], 2)))
    y = np.arange(40) % 2
    X = rng.normal(size=(40, 12)).astype(np.float32)
    pipeline = pipeline_of(name, recipe_epochs=1)
    convert, model = pipeline["convert"].fit(X, y), pipeline["model"]
    Z = convert.transform(X)
    assert 0 <= Z.min() < Z.max() <= 1
    probabilities = model.fit(Z, y).predict_proba(Z)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-6)
    values = attribute(convert, model, Z, y, 2)
    assert values is not None
    assert values.shape == (2, 12)
    again = pickle.loads(pickle.dumps(pipeline))
    np.testing.assert_array_equal(again["model"].predict_proba(Z), probabilities)
    assert str(clone(pipeline).get_params()) == str(pipeline_of(name, recipe_epochs=1).get_params())


@pytest.mark.filterwarnings("ignore:no pass was better")
def test_igtd_keeps_the_dropout_of_lower_held_out_loss() -> None:
    rng = np.random.default_rng(1)
    y = np.arange(60) % 2
    Z = rng.uniform(size=(60, 1, 4, 4)).astype(np.float32)
    Z[:, 0, 1, 1] = y
    settings = {
        "gate": False,
        "training": IGTD.training | {"max_epochs": 2},
        "device": "cpu",
        "random_state": 0,
    }
    chosen = IGTDClassifier(**settings).fit(Z, y)
    settings["training"] |= {"batch_size": 2}
    losses = {}
    for dropout in (0.0, 0.5):
        backbone = partial(igtd_cnn, dropout=dropout)
        model = NetworkClassifier(**settings, backbone=backbone).fit(Z, y)
        losses[dropout] = [row["validation_loss"] for row in model.history_]
    best = min(losses.values(), key=min)
    assert [row["validation_loss"] for row in chosen.history_] == best
    assert losses[0.0] != losses[0.5]
