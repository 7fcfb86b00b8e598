"""Networks that read images of any side. One line in `BACKBONES` is one backbone."""

from collections.abc import Callable

from torch import nn

from deepmapper.backbones.patch import PatchNet
from deepmapper.backbones.resnet import resnet18
from deepmapper.errors import DeepMapperError

# name -> build(image_shape, n_classes) -> module: (n, 1, height, width) -> logits (n, n_classes)
BACKBONES: dict[str, Callable[[tuple[int, int], int], nn.Module]] = {
    "patch": PatchNet,
    "resnet18": lambda shape, n_classes: resnet18(n_classes, channels=1),
    "resnet18_rgb": lambda shape, n_classes: resnet18(n_classes, channels=3),
}


def build_backbone(name: str, image_shape: tuple[int, int], n_classes: int) -> nn.Module:
    """A fresh network, its weights drawn from torch's global generator.

    Raises:
        DeepMapperError: no backbone has that name.
    """
    if name not in BACKBONES:
        message = f"unknown backbone {name!r}; known: {', '.join(sorted(BACKBONES))}"
        raise DeepMapperError(message)
    return BACKBONES[name](image_shape, n_classes)
