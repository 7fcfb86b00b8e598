"""An epoch of each backbone, prediction and attribution."""

from collections.abc import Callable

import pytest

from bench.asv.workloads import attribute, learn_layout, predict, screen, train

Measure = Callable[..., None]


@pytest.mark.parametrize("backbone", ["patch", "cnn_small", "resnet18", "vit", "retnet"])
def test_epoch(measure: Measure, backbone: str) -> None:
    measure(train(backbone, n_samples=64), rounds=5)


@pytest.mark.parametrize("backbone", ["patch", "cnn_small", "resnet18"])
def test_predict(measure: Measure, backbone: str) -> None:
    measure(predict(backbone, n_samples=128), rounds=5)


@pytest.mark.parametrize("method", ["saliency", "integrated_gradients", "deep_lift"])
def test_attribution(measure: Measure, method: str) -> None:
    measure(attribute(method), rounds=5)


def test_screen(measure: Measure) -> None:
    measure(screen(side=40), rounds=5)


def test_learned_layout(measure: Measure) -> None:
    measure(learn_layout(), rounds=3)
