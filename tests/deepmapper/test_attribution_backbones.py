"""Every method gives finite maps on every backbone, or a reason why it cannot."""

from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

from deepmapper import DeepMapperError
from deepmapper.attribution import EXPLAINERS, Settings, attribute, grid, why_not
from deepmapper.attribution._batch import Batch, contrast, evaluated
from deepmapper.networks.backbones import BACKBONES, build_backbone
from deepmapper.networks.gate import GatedNetwork, PixelGate

SIDE = 12
SHAPE = (1, SIDE, SIDE)
BLOCKS = Settings(
    feature_groups=grid(SHAPE, most=4), window=(6, 6), stride=(6, 6), n_steps=4, n_draws=2
)
TRANSFORMERS = {"deep_lift", "guided_backprop", "grad_cam", "lrp"}
REFUSED = {"flat": {"grad_cam"}, "retnet": TRANSFORMERS, "vit": TRANSFORMERS}  # the rest must work
MEMBERS = [
    # they differ from resnet18 in the first layer, or in the number of equal blocks
    pytest.param(
        backbone, method, marks=[pytest.mark.slow] * (backbone in ("resnet18_rgb", "resnet34"))
    )
    for backbone in sorted(BACKBONES)
    for method in sorted(EXPLAINERS)
]


@cache
def _case(backbone: str) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """A gated network with batch statistics, images, and its predictions."""
    torch.manual_seed(0)
    gate = PixelGate(torch.rand(SHAPE) + 0.5)
    network = GatedNetwork(gate, build_backbone(backbone, (SIDE, SIDE), 2))
    images = torch.randn(8, *SHAPE)
    with torch.no_grad():
        for _ in range(20):  # until the batch statistics are stable
            network.train()(images)
        labels = network.eval()(images).argmax(1)
    return network, images, labels


def _state(network: nn.Module) -> list[object]:
    """All of a network that attribution might change."""
    modules = [
        (
            name,
            module.training,
            sorted(key for key in vars(module) if key != "generator"),
            [len(value) for key, value in sorted(vars(module).items()) if "_hooks" in key],
        )
        for name, module in network.named_modules()
    ]
    weights = [(name, w.requires_grad, w.grad is None) for name, w in network.named_parameters()]
    return [modules, weights, {key: value.clone() for key, value in network.state_dict().items()}]


@pytest.mark.parametrize(("backbone", "method"), MEMBERS)
def test_a_method_explains_a_backbone_or_says_why_not(backbone: str, method: str) -> None:
    network, images, labels = _case(backbone)
    network.train()
    before = _state(network)
    reason = why_not(method, network, SHAPE)
    assert (reason is not None) == (method in REFUSED.get(backbone, set())), reason
    options = {"method": method, "n_classes": 2, "max_samples": 1, "settings": BLOCKS}
    if reason is not None:
        assert method in reason
        with pytest.raises(DeepMapperError, match="cannot attribute by"):
            attribute(network, images, labels, **options)  # type: ignore[arg-type]
    else:
        maps = attribute(network, images, labels, **options)  # type: ignore[arg-type]
        assert maps.shape == (2, *SHAPE)
        assert maps.isfinite().all()
        assert maps.any()
    after = _state(network)
    assert after[:2] == before[:2]
    for name, weights in after[2].items():  # type: ignore[attr-defined]
        np.testing.assert_array_equal(weights, before[2][name])  # type: ignore[index]


def _explained(backbone: str, method: str, settings: Settings | None = None) -> tuple:
    """Attributions of three images for class 1, and the change of its contrast."""
    network, images, _ = _case(backbone)
    baseline = images.double().mean(0, keepdim=True)
    network.double()
    try:
        with evaluated(explained := contrast(network)):
            change = (explained(images[:3].double()) - explained(baseline))[:, 1].detach()
            batch = Batch(explained, images[:3].double(), 1, baseline, settings or Settings())
            values = EXPLAINERS[method](batch)
    finally:
        network.float()
    return values.detach(), change


@pytest.mark.parametrize("backbone", sorted(set(BACKBONES) - set(REFUSED)))
def test_deep_lift_adds_up_to_the_change_of_the_output(backbone: str) -> None:
    values, change = _explained(backbone, "deep_lift")
    np.testing.assert_allclose(values.flatten(1).sum(1), change, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("backbone", sorted(set(BACKBONES) - set(REFUSED)))
def test_lrp_of_relu_and_max_pooling_is_input_times_gradient(backbone: str) -> None:
    """Ancona et al. 2018, Proposition 1."""
    relevance, _ = _explained(backbone, "lrp")
    expected, _ = _explained(backbone, "input_x_gradient")
    np.testing.assert_allclose(relevance, expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("method", sorted(set(EXPLAINERS) - {"grad_cam", "kernel_shap"}))
def test_a_closed_gate_takes_all_attribution_from_its_pixel(method: str) -> None:
    network, images, labels = _case("patch")
    gate = network.gate.weight.data  # type: ignore[union-attr, operator]
    kept = gate.clone()
    try:
        gate[0, 3:5] = 0.0
        single = Settings(window=(1, 1), stride=(1, 1), n_steps=4, n_draws=2)
        maps = attribute(
            network, images, labels, method=method, n_classes=2, max_samples=2, settings=single
        )
    finally:
        gate.copy_(kept)
    # Perturbed copies are in batches of other sizes, which round sums differently.
    rounding = 1e-5 * float(maps.max()) if method in {"feature_ablation", "occlusion"} else 0.0
    np.testing.assert_allclose(maps[:, 0, 3:5].numpy(), 0, atol=rounding)
    assert (maps[:, 0, 5:] > rounding).float().mean() > 0.9


def test_grad_cam_gives_all_pixels_of_a_cell_one_value() -> None:
    torch.manual_seed(0)
    network = build_backbone("patch", (9, 10), 2).eval()
    images = torch.randn(4, 1, 9, 10)
    maps = attribute(network, images, network(images).argmax(1), method="grad_cam", n_classes=2)
    rows, columns = np.arange(9) // 4, np.arange(10) // 4
    for values in maps[:, 0].numpy():
        cells = values[::4, ::4]  # the first pixel of every patch
        assert len(np.unique(cells)) == 9
        np.testing.assert_array_equal(values, cells[rows][:, columns])


def test_grad_cam_refuses_a_network_without_cells() -> None:
    linear = nn.Sequential(nn.Flatten(), nn.Linear(144, 2))
    assert "needs a map of detectors" in str(why_not("grad_cam", linear, SHAPE))
    cut = nn.Sequential(nn.Conv2d(1, 4, 3, 3), nn.Flatten(), nn.ReLU(), nn.Linear(64, 2))
    assert "more than one cell" in str(why_not("grad_cam", cut, SHAPE))
