"""Any network of timm (Wightman, "PyTorch Image Models") for one channel.

Weights start untrained. An image is padded with zeros, below and to the right, to the size that the
network requires. It is never resized: one feature stays one pixel. timm is an optional dependency.
"""

import difflib
from collections import OrderedDict
from typing import Any

import torch
from torch import nn

from deepmapper.errors import DeepMapperError
from deepmapper.networks.backbones._layers import Dropout, pad_to, round_up

# Almost every CNN and hierarchical transformer halves its image five times.
USUAL_MULTIPLE = 32


def timm_network(name: str, image_shape: tuple[int, int], n_classes: int) -> nn.Sequential:
    """A new network of timm behind its padding, (n, 1, h, w) -> (n, n_classes).

    `name` is as in `timm.list_models()`, without "timm:". Sides are padded to multiples of 32, or
    of the network's patch if that does not divide 32. If the network cannot read that size, sides
    are padded to its published size. Stochastic depth, which few of timm's defaults use, draws from
    torch's global generator.

    A DeepMapperError is raised if timm is missing or has no such name, or if the network cannot
    read images of this shape.
    """
    try:
        import timm
    except ImportError as error:
        message = (
            "backbones named timm:<name> need timm, which cannot be imported "
            f'({error}); install it: pip install "deepmapper-benchmark[timm]"'
        )
        raise DeepMapperError(message) from error
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=3)
        message = f"timm {timm.__version__} has no model {name!r}; nearest: {', '.join(near)}"
        raise DeepMapperError(message)
    reasons = []
    for shape in _candidate_shapes(timm, name, image_shape):
        try:
            network = _build(timm, name, shape, n_classes)
        except (AssertionError, RuntimeError, ValueError) as error:  # raised by timm's checks
            reasons.append(f"at {shape[0]}x{shape[1]}: {error}")
        else:
            pad = pad_to(image_shape, shape)
            return nn.Sequential(OrderedDict(pad=pad, network=network))
    message = (
        f"timm's {name!r} cannot read images of {image_shape[0]}x{image_shape[1]}, padded with "
        f"zeros ({'; '.join(reasons)}); choose another backbone"
    )
    raise DeepMapperError(message)


def _candidate_shapes(timm: Any, name: str, image_shape: tuple[int, int]) -> list[tuple[int, int]]:
    """Shapes to pad to, the smallest first."""
    with torch.device("meta"):
        network = timm.create_model(name, num_classes=2)
    patch = getattr(getattr(network, "patch_embed", None), "patch_size", 1)
    patch = max(patch) if isinstance(patch, tuple) else patch
    # A patch that does not fit would lose pixels.
    multiple = USUAL_MULTIPLE if USUAL_MULTIPLE % patch == 0 else patch
    height, breadth = (round_up(side, multiple) for side in image_shape)
    published = tuple(timm.get_pretrained_cfg(name).input_size[1:])
    fits = published[0] >= image_shape[0] and published[1] >= image_shape[1]
    return [(height, breadth), *([published] if fits else [])]


def _build(timm: Any, name: str, shape: tuple[int, int], n_classes: int) -> nn.Module:
    """The network for images of this shape, after a trial run on one image.

    AssertionError, RuntimeError or ValueError: the network cannot read them.
    """
    fixed = timm.get_pretrained_cfg(name).fixed_input_size
    size = {"img_size": shape} if fixed else {}  # other networks read any size
    network = timm.create_model(name, in_chans=1, num_classes=n_classes, **size)
    # Our dropout replaces torch's, so that training is repeatable. No activation overwrites its
    # input, so that attribution works.
    for module in list(network.modules()):
        if hasattr(module, "inplace"):
            module.inplace = False
        for child_name, child in module.named_children():
            if type(child) is nn.Dropout:
                setattr(module, child_name, Dropout(child.p))
    with torch.no_grad():
        logits = network.eval()(torch.zeros(1, 1, *shape))
    if not isinstance(logits, torch.Tensor) or logits.shape != (1, n_classes):
        message = f"expected logits of shape (1, {n_classes}), got {type(logits).__name__}"
        raise ValueError(message)
    return network.train()
