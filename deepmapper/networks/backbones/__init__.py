"""Networks for images of any shape. One line in `BACKBONES` is one backbone."""

import difflib
from collections.abc import Callable

from torch import nn

from deepmapper.errors import DeepMapperError
from deepmapper.networks.backbones._cnn import PatchNet, ResNet, SmallCNN
from deepmapper.networks.backbones._flat import FlatNet
from deepmapper.networks.backbones._layers import Dropout

__all__ = ["BACKBONES", "Dropout", "build_backbone", "resnet18"]

Shape = tuple[int, int]
resnet18 = ResNet


def _retnet(image_shape: Shape, n_classes: int) -> nn.Module:
    from deepmapper.networks.backbones._retnet import RetNet

    return RetNet(image_shape, n_classes)


def _vit(image_shape: Shape, n_classes: int) -> nn.Module:
    try:
        from deepmapper.networks.backbones._vit import ViT  # torchvision takes long to import
    except ImportError as error:
        message = (
            "the backbone 'vit' needs torchvision, which cannot be imported "
            f'({error}); install it: pip install "deepmapper-benchmark[vit]"'
        )
        raise DeepMapperError(message) from error
    return ViT(image_shape, n_classes)


# name -> build(image_shape, n_classes) -> module: (n, 1, height, width) -> logits (n, n_classes)
BACKBONES: dict[str, Callable[[Shape, int], nn.Module]] = {
    "cnn_small": SmallCNN,
    "flat": FlatNet,
    "patch": PatchNet,
    "resnet18": lambda shape, n_classes: resnet18(n_classes, channels=1),
    "resnet18_rgb": lambda shape, n_classes: resnet18(n_classes, channels=3),
    "resnet18_small_stem": lambda shape, n: resnet18(n, channels=1, small_stem=True),
    "resnet34": lambda shape, n_classes: resnet18(n_classes, channels=1, depths=(3, 4, 6, 3)),
    "retnet": _retnet,
    "vit": _vit,
}


def build_backbone(name: str, image_shape: Shape, n_classes: int) -> nn.Module:
    """Make a new network. Its weights are drawn from torch's global generator.

    Parameters
    ----------
    name : str
        A name in `BACKBONES`.
    image_shape : tuple of int
        Height and width.
    n_classes : int

    Returns
    -------
    nn.Module, images (n, 1, h, w) -> logits (n, n_classes)

    Raises
    ------
    DeepMapperError
        No backbone has that name, or its library is missing.
    """
    if name not in BACKBONES:
        near = difflib.get_close_matches(name, BACKBONES, n=1)
        message = (
            f"unknown backbone {name!r}{f'; nearest: {near[0]}' if near else ''}; "
            f"known: {', '.join(sorted(BACKBONES))}"
        )
        raise DeepMapperError(message)
    return BACKBONES[name](image_shape, n_classes)
