"""Every backbone keeps the contract, and ResNet-18 is torchvision's."""

import copy

import numpy as np
import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional

from deepmapper import DeepMapperError
from deepmapper.networks.backbones import BACKBONES, build_backbone, resnet18
from deepmapper.networks.backbones._cnn import PatchNet, SmallCNN
from deepmapper.networks.backbones._layers import patch_side
from deepmapper.networks.backbones._retnet import MultiScaleRetention, PatchTokens

NAMES = sorted(set(BACKBONES) - {"resnet34"})  # more blocks of resnet18
# Networks that average over the last map see positions only through the padding at the border.
POSITION_AWARE = ("cnn_small", "flat", "patch", "retnet", "vit")
SHAPES = [(1, 1), (2, 3), (8, 8), (28, 28), (37, 41)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", SHAPES)
def test_any_side_is_read_and_every_weight_gets_a_gradient(
    name: str, shape: tuple[int, int]
) -> None:
    network = _seeded(name, shape, 3).eval()
    logits = network(torch.rand(2, 1, *shape))
    assert logits.shape == (2, 3)
    assert logits.dtype == torch.float32
    assert torch.isfinite(logits).all()
    logits.square().sum().backward()
    for weight_name, weight in network.named_parameters():
        assert weight.grad is not None, weight_name
        assert torch.isfinite(weight.grad).all(), weight_name
        if min(shape) >= 8:  # for a single pixel, a ReLU may be zero
            assert weight.grad.any(), weight_name


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_of_two_single_pixels_trains(name: str) -> None:
    network = _seeded(name, (1, 1)).train()
    before = copy.deepcopy(network.state_dict())
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)
    images, labels = torch.rand(2, 1, 1, 1), torch.tensor([0, 1])
    functional.cross_entropy(network(images), labels).backward()
    optimiser.step()
    assert all(torch.isfinite(value).all() for value in network.state_dict().values())
    assert any(
        not torch.equal(weight, before[weight_name])
        for weight_name, weight in network.named_parameters()
    )


@pytest.mark.parametrize("name", NAMES)
def test_attribution_can_hook_every_activation(name: str) -> None:
    network = _seeded(name).eval()
    calls: dict[nn.Module, int] = {}
    for module in network.modules():
        assert not getattr(module, "inplace", False)
        if isinstance(module, nn.ReLU | nn.GELU | nn.SiLU):
            calls[module] = 0
            module.register_forward_hook(lambda m, *_: calls.__setitem__(m, calls[m] + 1))
    network(torch.rand(1, 1, 9, 5))
    assert set(calls.values()) == {1}


@pytest.mark.parametrize("name", NAMES)
def test_evaluation_is_deterministic_and_independent_of_the_batch(name: str) -> None:
    network = _seeded(name).eval()
    images = torch.rand(4, 1, 9, 5)
    together = network(images)
    torch.testing.assert_close(together, network(images), rtol=0, atol=0)
    torch.testing.assert_close(together[:1], network(images[:1]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", POSITION_AWARE)
def test_positions_far_from_the_border_give_different_outputs(name: str) -> None:
    network = _seeded(name, (28, 28)).eval()
    image = torch.zeros(2, 1, 28, 28)
    image[0, 0, 9, 9] = image[1, 0, 17, 17] = 1
    first, second = network(image)
    assert not torch.allclose(first, second, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_every_pixel_is_seen(name: str) -> None:
    network = _seeded(name, (29, 17)).eval()
    image = torch.rand(4, 1, 29, 17, requires_grad=True)
    network(image)[:, 0].sum().backward()
    assert image.grad is not None
    assert (image.grad != 0).any(0).all()


def test_an_unknown_backbone_is_named() -> None:
    expected = r"resnet81.*nearest: resnet18; known: cnn_small, flat, patch, resnet18"
    with pytest.raises(DeepMapperError, match=expected):
        build_backbone("resnet81", (8, 8), 2)


@pytest.mark.parametrize(("depth", "small_stem"), [(18, False), (18, True), (34, False)])
def test_a_resnet_has_the_weights_of_torchvision_and_gives_its_output(
    depth: int, small_stem: bool
) -> None:
    ours = resnet18(10, small_stem=small_stem, depths=(2, 2, 2, 2) if depth == 18 else (3, 4, 6, 3))
    theirs = getattr(torchvision.models, f"resnet{depth}")(num_classes=10)
    if small_stem:
        theirs.conv1, theirs.maxpool = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.Identity()
    shapes = {name: value.shape for name, value in theirs.state_dict().items()}
    assert {name: value.shape for name, value in ours.state_dict().items()} == shapes
    ours.load_state_dict(theirs.state_dict())
    side = 13 if small_stem else 65
    images = torch.rand(2, 3, side, side)
    for mode in (True, False):
        torch.testing.assert_close(ours.train(mode)(images), theirs.train(mode)(images))


def test_a_grey_image_is_repeated_on_three_channels() -> None:
    network = resnet18(2, channels=3).eval()
    grey = torch.rand(2, 1, 33, 33)
    torch.testing.assert_close(network(grey), network(grey.repeat(1, 3, 1, 1)))


@pytest.mark.parametrize(
    ("shape", "positions"), [((28, 28), 49), ((300, 300), 49), ((139, 7), 49), ((8, 30), 16)]
)
def test_the_end_of_the_small_cnn_is_bounded(shape: tuple[int, int], positions: int) -> None:
    assert SmallCNN(shape, 2, width=1).dense.in_features == 4 * positions


def test_weights_per_pixel_of_a_patch_net_do_not_grow_with_the_image() -> None:
    with torch.device("meta"):
        sizes = {
            side: sum(weight.numel() for weight in PatchNet((side, side), 2).parameters())
            for side in (100, 300, 1000)
        }
    assert sizes[1000] / 1000**2 < sizes[300] / 300**2 < sizes[100] / 100**2
    assert sizes[1000] < 20e6
    assert patch_side((1000, 1)) == patch_side((1, 1000)) == 28


def test_a_flat_net_does_not_see_the_layout() -> None:
    """A permutation of pixels, and of the weights of the first layer, changes no output."""
    network = _seeded("flat").eval()
    permuted = copy.deepcopy(network)
    order = torch.randperm(45)
    permuted.embedding.weight.data = network.embedding.weight.data[:, order]
    images = torch.rand(3, 1, 9, 5)
    shuffled = images.flatten(1)[:, order].view_as(images)
    torch.testing.assert_close(permuted(shuffled), network(images))


def test_retention_is_the_sum_of_the_paper() -> None:
    """Compute equations 5 and 8 term by term, with complex rotations."""
    torch.manual_seed(0)
    layer = MultiScaleRetention(width=4, heads=2, value_width=4).double()
    x = torch.randn(1, 3, 4, dtype=torch.float64)
    weights = {name: w.detach().numpy() for name, w in layer.named_parameters()}
    tokens = x[0].numpy()
    query, key, value, gate = (
        tokens @ weights[f"{name}.weight"].T for name in ("query", "key", "value", "gate")
    )
    heads = []
    for head, decay in enumerate((1 - 2**-5, 1 - 2**-6)):
        part = slice(2 * head, 2 * head + 2)
        retained = np.zeros((3, 2))
        for n in range(3):
            for m in range(n + 1):
                # One pair a head: theta is 1, so that positions turn it by n and m radians.
                turned_query = complex(*query[n, part]) * np.exp(1j * n)
                turned_key = complex(*key[m, part]) * np.exp(1j * m)
                score = (turned_query * turned_key.conjugate()).real / np.sqrt(2)
                retained[n] += decay ** (n - m) * score * value[m, part]
        centred = retained - retained.mean(1, keepdims=True)
        heads.append(centred / np.sqrt(retained.var(1, keepdims=True) + layer.norm.eps))
    gated = gate / (1 + np.exp(-gate)) * np.concatenate(heads, axis=1)
    expected = gated @ weights["output.weight"].T
    np.testing.assert_allclose(layer(x)[0].detach().numpy(), expected, atol=1e-10)


def test_patch_tokens_are_the_patches_in_rows() -> None:
    tokens = PatchTokens((11, 20), width=4)  # patches of 2x2: six rows of ten
    with torch.no_grad():
        tokens.project.weight.copy_(torch.eye(4))
        tokens.project.bias.zero_()
        tokens.position.zero_()
    image = torch.rand(1, 1, 11, 20)
    output = tokens(image)
    assert output.shape == (1, 60, 4)
    torch.testing.assert_close(output[0, 13].view(2, 2), image[0, 0, 2:4, 6:8])
    below = torch.cat([image[0, 0, 10:, 18:], torch.zeros(1, 2)])
    torch.testing.assert_close(output[0, 59].view(2, 2), below)


def _seeded(name: str, shape: tuple[int, int] = (9, 5), n_classes: int = 2) -> nn.Module:
    torch.manual_seed(0)
    return build_backbone(name, shape, n_classes)
