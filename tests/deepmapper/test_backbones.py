"""Every backbone runs at odd sides and trains every weight; ResNet-18 is torchvision's."""

import pytest
import torch
import torchvision

from deepmapper import DeepMapperError
from deepmapper.backbones import BACKBONES, build_backbone
from deepmapper.backbones.resnet import resnet18


def test_resnet18_has_the_weights_of_torchvision_and_gives_its_output() -> None:
    ours, theirs = resnet18(10, channels=3), torchvision.models.resnet18(num_classes=10)
    shapes = {name: value.shape for name, value in theirs.state_dict().items()}
    assert {name: value.shape for name, value in ours.state_dict().items()} == shapes
    ours.load_state_dict(theirs.state_dict())
    images = torch.rand(4, 3, 65, 65)
    for mode in (True, False):
        torch.testing.assert_close(ours.train(mode)(images), theirs.train(mode)(images))


def test_a_grey_image_is_repeated_on_three_channels() -> None:
    network = resnet18(2, channels=3).eval()
    grey = torch.rand(2, 1, 33, 33)
    torch.testing.assert_close(network(grey), network(grey.repeat(1, 3, 1, 1)))


def test_no_relu_is_used_twice_or_in_place() -> None:
    calls: dict[torch.nn.Module, int] = {}
    network = resnet18(2, channels=1).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.ReLU):
            assert not module.inplace
            module.register_forward_hook(lambda m, *_: calls.__setitem__(m, calls.get(m, 0) + 1))
    network(torch.rand(1, 1, 33, 33))
    assert len(calls) == 17
    assert set(calls.values()) == {1}


@pytest.mark.parametrize("name", sorted(BACKBONES))
@pytest.mark.parametrize("side", [2, 9, 28, 71])
def test_a_backbone_reads_any_side_and_every_weight_gets_a_gradient(name: str, side: int) -> None:
    network = build_backbone(name, (side, side), 3).eval()
    logits = network(torch.rand(5, 1, side, side))
    assert logits.shape == (5, 3)
    assert torch.isfinite(logits).all()
    logits.square().sum().backward()
    for weight_name, weight in network.named_parameters():
        assert weight.grad is not None, weight_name
        assert torch.isfinite(weight.grad).all()


def test_patch_tells_positions_apart() -> None:
    network = build_backbone("patch", (28, 28), 2).eval()
    image = torch.zeros(2, 1, 28, 28)
    image[0, 0, 9, 9] = image[1, 0, 17, 17] = 1
    assert not torch.allclose(network(image)[0], network(image)[1])


def test_an_unknown_backbone_is_named() -> None:
    with pytest.raises(DeepMapperError, match=r"resnet81.*known: patch, resnet18"):
        build_backbone("resnet81", (8, 8), 2)
