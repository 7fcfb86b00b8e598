"""Attributions, compared with those of a linear network by hand."""

import dataclasses
import re

import numpy as np
import pytest
import torch
from torch import nn

from deepmapper import DeepMapperError
from deepmapper.attribution import EXPLAINERS, Settings, attribute, grid, occlusion_window, why_not
from deepmapper.networks.backbones._cnn import PatchNet

SHAPE = (1, 3, 4)
SINGLES = np.arange(12).reshape(3, 4)


def _linear(weight: torch.Tensor) -> nn.Module:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    layer.weight.data = weight
    return nn.Sequential(nn.Flatten(), layer)


class Case:
    """Three classes and twelve pixels. Labels are the predictions of the network."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        weight = torch.randn(3, 12, generator=generator)
        self.images = torch.randn(16, *SHAPE, generator=generator)
        self.baseline = torch.randn(1, *SHAPE, generator=generator)
        self.network = _linear(weight)
        self.labels = self.network(self.images).argmax(1)
        self.contrast = (weight - weight.mean(0)).reshape(3, *SHAPE)

    def maps(self, method: str, **options: object) -> torch.Tensor:
        options = {"baseline": self.baseline, **options}
        return attribute(
            self.network,
            self.images,
            self.labels,
            method=method,
            n_classes=3,
            **options,  # type: ignore[arg-type]
        )

    def mean_over_groups(self, values: np.ndarray, most: int | None = None) -> np.ndarray:
        """(classes, images, ...) -> (classes, ...), with equal weights for both groups."""
        labels = self.labels.numpy()
        rows = [(values[c][labels == c][:most], values[c][labels != c][:most]) for c in range(3)]
        return np.stack([(inside.mean(0) + outside.mean(0)) / 2 for inside, outside in rows])


@pytest.fixture
def case() -> Case:
    return Case()


def _by_hand(case: Case, method: str) -> np.ndarray:
    """The attribution of every image for every class, (3, 16, 1, 3, 4)."""
    weight = case.contrast.detach().numpy()[:, None]
    images, baseline = case.images.numpy()[None], case.baseline.numpy()[None]
    if method in {"saliency", "guided_backprop"}:
        return np.broadcast_to(weight, (3, *images.shape[1:]))
    if method in {"input_x_gradient", "lrp"}:  # Captum's LRP: relevance x w, no bias absorbs any
        return weight * images
    return weight * (images - baseline)


BY_PIXEL = Settings(
    feature_groups=SINGLES, window=(1, 1), stride=(1, 1), n_coalitions=60, n_draws=3
)
PIXELWISE = sorted(set(EXPLAINERS) - {"grad_cam"})


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("method", PIXELWISE)
def test_a_linear_network_is_explained_as_by_hand(case: Case, method: str, signed: bool) -> None:
    values = _by_hand(case, method)
    expected = case.mean_over_groups(values if signed else np.abs(values))
    maps = case.maps(method, signed=signed, settings=BY_PIXEL)
    np.testing.assert_allclose(maps.numpy(), expected, rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize("method", ["feature_ablation", "kernel_shap"])
def test_pixels_of_a_group_share_what_the_group_does(case: Case, method: str) -> None:
    groups = np.array([[5, 5, 900, 900], [5, 5, 900, 900], [7, 7, 7, 7]])  # not 0, 1, 2
    values = _by_hand(case, method)
    expected = np.empty_like(values)
    for number in (5, 7, 900):
        inside = groups == number
        expected[..., inside] = values[..., inside].sum(-1, keepdims=True)
    maps = case.maps(method, signed=True, settings=Settings(feature_groups=groups))
    np.testing.assert_allclose(maps.numpy(), case.mean_over_groups(expected), rtol=2e-3, atol=2e-4)


def test_occlusion_is_the_mean_over_the_windows_that_cover_a_pixel(case: Case) -> None:
    values = _by_hand(case, "occlusion")
    expected, covered = np.zeros_like(values), np.zeros(SHAPE)
    for top in range(2):
        for left in (0, 2):
            window = np.s_[..., top : top + 2, left : left + 2]
            expected[window] += values[window].sum((-1, -2), keepdims=True)
            covered[window] += 1
    settings = Settings(window=(2, 2), stride=(1, 2))
    maps = case.maps("occlusion", signed=True, settings=settings)
    expected = case.mean_over_groups(expected / covered)
    np.testing.assert_allclose(maps.numpy(), expected, rtol=1e-4, atol=1e-5)


def test_flat_images_are_explained_too(case: Case) -> None:
    """A multilayer perceptron reads images as (n, p)."""
    network, images = case.network[1], case.images.flatten(1)  # type: ignore[index]
    settings = Settings(window=(1,), stride=(1,), feature_groups=np.arange(12), n_coalitions=60)
    weight, distance = case.contrast.flatten(1), images - images.mean(0)
    for method in ("integrated_gradients", "occlusion", "kernel_shap", "feature_ablation"):
        maps = attribute(
            network, images, case.labels, method=method, n_classes=3, signed=True, settings=settings
        )
        expected = case.mean_over_groups((weight[:, None] * distance).detach().numpy())
        np.testing.assert_allclose(maps.numpy(), expected, rtol=2e-3, atol=2e-4)
    with pytest.raises(DeepMapperError, match="map of detectors"):
        attribute(network, images, case.labels, method="grad_cam", n_classes=3)


def test_the_baseline_is_the_mean_image_unless_given(case: Case) -> None:
    mean = case.images.mean(0)
    maps = case.maps("deep_lift", baseline=None)
    np.testing.assert_allclose(maps, case.maps("deep_lift", baseline=mean))
    assert not torch.allclose(maps, case.maps("deep_lift", baseline=torch.zeros(SHAPE)))
    with pytest.raises(DeepMapperError, match=re.escape("shape (2, 2), expected (1, 1, 3, 4)")):
        case.maps("deep_lift", baseline=torch.zeros(2, 2))


def test_only_the_first_images_of_a_group_count(case: Case) -> None:
    maps = case.maps("input_x_gradient", signed=True, max_samples=3)
    expected = case.mean_over_groups(_by_hand(case, "input_x_gradient"), most=3)
    np.testing.assert_allclose(maps.numpy(), expected, rtol=1e-4, atol=1e-6)


def test_only_true_positives_and_true_negatives_count() -> None:
    """The network reads pixel 0 if pixel 3 is low, and else pixel 1."""

    class Switch(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = x.flatten(1)
            score = torch.where(x[:, 3] < 0, x[:, 0], x[:, 1])
            return torch.stack([-score, score], 1)

    images = torch.tensor([[1.0, -9.0, 0.0, -1.0], [-9.0, 1.0, 0.0, 1.0]]).repeat(20, 1)
    images = images.reshape(-1, 1, 2, 2)
    labels = torch.ones(40, dtype=torch.int64)
    labels[1::2] = 0  # all images that use pixel 1 are wrong
    maps = attribute(Switch(), images, labels, method="saliency", n_classes=2)
    assert (maps[:, 0, 0, 0] > 0).all()
    assert (maps[:, 0, 0, 1] == 0).all()


def test_a_class_never_recognised_gets_zeros_and_an_unknown_method_is_named(case: Case) -> None:
    network = _linear(torch.tensor([[1.0, 0, 0, 0], [-1.0, 0, 0, 0]]))
    images, wrong = torch.ones(4, 1, 2, 2), torch.ones(4, dtype=torch.int64)
    maps = attribute(network, images, wrong, method="saliency", n_classes=2)
    np.testing.assert_array_equal(maps.numpy(), 0)
    with pytest.raises(DeepMapperError, match="known: deep_lift, feature_ablation, grad_cam"):
        attribute(network, images, wrong, method="magic", n_classes=2)
    with pytest.raises(DeepMapperError, match="unknown attribution 'magic'"):
        why_not("magic", network)


@pytest.mark.parametrize("method", ["gradient_shap", "kernel_shap"])
def test_draws_follow_the_seed_and_leave_the_global_generators(case: Case, method: str) -> None:
    case.network = PatchNet(SHAPE[1:], 3).eval()  # on a linear network kernel_shap is exact
    case.labels = case.network(case.images).argmax(1)
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002 (Captum draws from it)
    before = torch.rand(3), np.random.rand(3)  # noqa: NPY002
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    options = {"max_samples": 2, "settings": Settings(n_draws=4, noise=0.1)}
    first = case.maps(method, **options)
    np.testing.assert_array_equal(torch.rand(3), before[0])
    np.testing.assert_array_equal(np.random.rand(3), before[1])  # noqa: NPY002
    np.testing.assert_array_equal(case.maps(method, **options), first)
    assert not torch.equal(case.maps(method, seed=1, **options), first)


def test_images_may_come_row_by_row(case: Case) -> None:
    class Table:
        """A table that is converted while it is read."""

        shape = case.images.shape

        def __len__(self) -> int:
            return len(case.images)

        def __getitem__(self, rows: torch.Tensor) -> torch.Tensor:
            assert isinstance(rows, torch.Tensor)
            return case.images[rows]

    expected = case.maps("integrated_gradients")
    labels, images = case.labels, Table()
    options = {"method": "integrated_gradients", "n_classes": 3}
    maps = attribute(case.network, images, labels, baseline=case.baseline, **options)  # type: ignore[arg-type]
    np.testing.assert_array_equal(maps, expected)
    with pytest.raises(DeepMapperError, match=r"images come as Table.*training mean as `baseline`"):
        attribute(case.network, images, labels, **options)  # type: ignore[arg-type]


def test_an_attribution_of_hours_is_refused_with_a_remedy(case: Case) -> None:
    costly = Settings(max_pixel_evaluations=1000)
    n_images = 16 * 3
    message = f"{12 * n_images:,} images of 12 pixels .* Try feature_groups .*max_samples"
    with pytest.raises(DeepMapperError, match=message):
        case.maps("feature_ablation", settings=costly)
    with pytest.raises(DeepMapperError, match="Try a wider window"):
        case.maps("occlusion", settings=costly)
    with pytest.raises(DeepMapperError, match="Try fewer feature_groups or n_coalitions"):
        case.maps("kernel_shap", settings=costly)
    case.maps("saliency", settings=costly)
    few = dataclasses.replace(costly, feature_groups=np.zeros((3, 4), dtype=int))
    case.maps("feature_ablation", settings=few, max_samples=1)


def test_settings_that_make_no_sense_are_refused(case: Case) -> None:
    with pytest.raises(DeepMapperError, match="n_steps >= 1, got 0"):
        Settings(n_steps=0)
    with pytest.raises(DeepMapperError, match="noise >= 0"):
        Settings(noise=-1.0)
    with pytest.raises(DeepMapperError, match=r"got stride \(3, 3\), window \(2, 2\)"):
        occlusion_window(SHAPE, Settings(window=(2, 2), stride=(3, 3)))
    with pytest.raises(DeepMapperError, match=r"window \(9, 2\), image \(3, 4\)"):
        case.maps("occlusion", settings=Settings(window=(9, 2)))
    with pytest.raises(DeepMapperError, match=r"of shape \(3, 4\); got float64 of shape \(2, 2\)"):
        case.maps("feature_ablation", settings=Settings(feature_groups=np.zeros((2, 2))))
    single = Settings(feature_groups=np.zeros((3, 4), dtype=int))
    with pytest.raises(DeepMapperError, match="needs two, got 1"):
        case.maps("kernel_shap", settings=single)


@pytest.mark.parametrize(
    "shape", [(1, 139, 139), (1, 12, 12), (1, 1, 500), (500,), (1, 3, 4), (1,)]
)
def test_the_grid_covers_every_pixel_with_few_blocks(shape: tuple[int, ...]) -> None:
    groups = grid(shape)
    assert groups.shape == shape[-2:]
    numbers, sizes = np.unique(groups, return_counts=True)
    np.testing.assert_array_equal(numbers, np.arange(len(numbers)))
    assert min(64, np.prod(shape)) / 2 < len(numbers) <= 64 or len(numbers) == np.prod(shape)
    assert sizes.max() <= 2 * sizes.min() + 40
