"""Networks that Captum would explain wrongly are refused."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from deepmapper import DeepMapperError
from deepmapper.attribution import Settings, attribute, why_not
from deepmapper.attribution._batch import Batch, contrast, evaluated
from deepmapper.attribution._methods import deep_lift, input_x_gradient, lrp

SHAPE = (1, 4, 4)


class Net(nn.Module):
    """Two dense layers, with `between` applied to the output of the first."""

    def __init__(self, *, relu: nn.Module | None = None) -> None:
        super().__init__()
        self.flatten = nn.Flatten()
        self.first = nn.Linear(16, 8)
        self.relu = nn.ReLU() if relu is None else relu
        self.last = nn.Linear(8, 3)

    def between(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(x)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.between(self.first(self.flatten(x))))


class HiddenReLU(Net):
    def between(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(x)


class ReLUTwice(Net):
    def between(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(self.relu(x) - 1)


class HiddenSum(Net):
    def between(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.relu(x)
        return hidden + hidden.mean(1, keepdim=True)


class ReadTwice(Net):
    def between(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.relu(x)[:, :4], x[:, 4:]], 1)


class Product(Net):
    def between(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.relu(x)
        return hidden * hidden.mean(1, keepdim=True)


def _network(kind: type[Net], **options: nn.Module) -> Net:
    torch.manual_seed(0)
    return kind(**options).eval()


@pytest.mark.parametrize("method", ["deep_lift", "guided_backprop", "lrp"])
@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (HiddenReLU, "no rule for the function 'relu' that the network calls between"),
        (ReLUTwice, "ReLU .relu. is called more than once|function 'sub'"),
        (ReadTwice, "ReLU .relu. reads, but other steps read that tensor too"),
        (Product, "no rule for the function 'mul'|function 'mean'"),
    ],
)
def test_a_step_without_a_rule_is_refused(method: str, kind: type[Net], reason: str) -> None:
    network = _network(kind)
    images, labels = torch.randn(6, *SHAPE), torch.zeros(6, dtype=torch.int64)
    assert why_not(method, network) is None  # the modules alone do not show it
    with pytest.raises(DeepMapperError, match=f"cannot attribute by {method}: .*({reason})"):
        attribute(network, images, labels, method=method, n_classes=3)
    assert why_not("saliency", network, SHAPE) is None


def test_deep_lift_allows_a_sum_between_modules_and_lrp_does_not() -> None:
    network = _network(HiddenSum).double()
    assert why_not("deep_lift", network, SHAPE) is None
    assert _completeness_error(network) < 1e-9
    assert "function 'mean'" in str(why_not("lrp", network, SHAPE))


@pytest.mark.parametrize(
    ("activation", "refused"),
    [
        (nn.GELU(), {"deep_lift", "guided_backprop", "lrp"}),
        (nn.SiLU(), {"deep_lift", "guided_backprop", "lrp"}),
        (nn.Softmax(1), {"deep_lift", "guided_backprop", "lrp"}),
        (nn.LayerNorm(8), {"deep_lift", "lrp"}),
        (nn.GroupNorm(2, 8), {"deep_lift", "lrp"}),
        (nn.BatchNorm1d(8, track_running_stats=False), {"deep_lift", "guided_backprop", "lrp"}),
        (nn.BatchNorm1d(8), set()),
        (nn.Tanh(), {"guided_backprop"}),
        (nn.Sigmoid(), {"guided_backprop", "lrp"}),
        (nn.ReLU(), set()),
    ],
)
def test_layers_without_a_rule_are_named(activation: nn.Module, refused: set[str]) -> None:
    network = _network(Net, relu=activation)
    for method in ("deep_lift", "guided_backprop", "lrp"):
        reason = why_not(method, network)
        assert (reason is not None) == (method in refused)
        if reason is not None:
            assert f"{method} has no rule for {type(activation).__name__} (relu)" in reason


def test_activations_in_place_are_explained_and_stay_in_place() -> None:
    plain, in_place = _network(Net), _network(Net, relu=nn.ReLU(inplace=True))
    images = torch.randn(20, *SHAPE)
    labels = plain(images).argmax(1)
    for method in ("saliency", "deep_lift", "guided_backprop", "lrp"):
        maps = [
            attribute(network, images, labels, method=method, n_classes=3)
            for network in (plain, in_place)
        ]
        np.testing.assert_allclose(*maps, rtol=1e-6)
    assert in_place.relu.inplace


@pytest.mark.parametrize("between", [nn.Dropout(0.5), nn.Identity(), nn.Unflatten(1, (2, 4))])
def test_lrp_passes_through_modules_that_keep_their_input(between: nn.Module) -> None:
    """Captum multiplies the relevance of a ReLU before such a module by its output."""
    network = _network(Net, relu=nn.Sequential(nn.ReLU(), between, nn.Flatten())).double()
    images = torch.randn(5, *SHAPE, dtype=torch.float64)
    with evaluated(explained := contrast(network)):
        relevance, expected = (
            explain(Batch(explained, images.clone(), 1, images[:1], Settings()))
            for explain in (lrp, input_x_gradient)
        )
    np.testing.assert_allclose(relevance.detach(), expected.detach(), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    "between",
    [
        [nn.MaxPool2d(3, 1)],  # overlapping windows
        [nn.ReLU(), nn.MaxPool2d(2, 2)],  # neighbours
        [nn.MaxPool2d(2, 2, ceil_mode=True), nn.Tanh(), nn.ReLU()],
        [nn.MaxPool2d(3, 2, 1), nn.MaxPool2d(2, 1)],
    ],
    ids=["overlap", "relu-pool", "pool-tanh-relu", "pool-pool"],
)
def test_deep_lift_adds_up_where_captum_alone_does_not(between: list[nn.Module]) -> None:
    torch.manual_seed(0)
    maps = nn.Sequential(nn.Conv2d(1, 3, 3), *between, nn.Flatten()).double().eval()
    n_values = maps(torch.zeros(1, 1, 9, 9, dtype=torch.float64)).shape[1]
    network = nn.Sequential(*maps, nn.Linear(n_values, 3).double())
    assert _completeness_error(network, (1, 9, 9)) < 1e-9


def _completeness_error(network: nn.Module, shape: tuple[int, ...] = SHAPE) -> float:
    """The largest difference of DeepLift's sums from f(x) - f(baseline)."""
    generator = torch.Generator().manual_seed(1)
    images = 3 * torch.randn(6, *shape, dtype=torch.float64, generator=generator)
    baseline = torch.randn(1, *shape, dtype=torch.float64, generator=generator)
    with evaluated(explained := contrast(network)):
        difference = (explained(images) - explained(baseline))[:, 1]
        relevance = deep_lift(Batch(explained, images.clone(), 1, baseline, Settings()))
    return float((relevance.detach().flatten(1).sum(1) - difference.detach()).abs().max())
