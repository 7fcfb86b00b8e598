"""What a network is, in words that JSON holds, and the network again from these and its weights."""

import re
from typing import Any

import torch
from torch import nn

from deepmapper.errors import DeepMapperError
from deepmapper.networks._assembly import build_network
from deepmapper.networks.backbones import BACKBONES
from deepmapper.networks.gate import GatedNetwork, PixelGate
from deepmapper.training.streams import torch_stream

# The names of timm's own architectures; "hf-hub:..." would fetch one from elsewhere.
TIMM_NAME = re.compile(r"timm:\w[\w.]*", re.ASCII)
LARGEST_SIDE = 65_536
AUTOENCODER = "autoencoder"


def describe(
    network: nn.Module, backbone: str, image_shape: tuple[int, int], n_classes: int
) -> dict[str, Any]:
    """The description of a fitted network, from which `rebuild` makes it again."""
    if type(network).__name__ == "Autoencoder":
        return _describe_autoencoder(network)
    return {
        "backbone": backbone,
        "image_shape": list(image_shape),
        "n_classes": n_classes,
        "gated": isinstance(network, GatedNetwork),
    }


def rebuild(data: dict[str, Any], weights: dict[str, torch.Tensor]) -> nn.Module:
    """A network in evaluation mode from its description and its weights.

    Raises:
        DeepMapperError: no backbone has that name, an image shape that is none, weights that do
            not fit.
        KeyError, TypeError, ValueError: data that `describe` did not write.
    """
    with torch_stream(0, "load"):  # draws nothing from the program's own generator
        network = _build(data, weights)
    try:
        network.load_state_dict(weights, strict=True)
    except RuntimeError as error:
        message = f"the weights do not fit the network: {error}"
        raise DeepMapperError(message) from error
    return network.eval()


def _build(data: dict[str, Any], weights: dict[str, torch.Tensor]) -> nn.Module:
    height, width = (_count(side) for side in data["image_shape"])
    name = data["backbone"]
    if name == AUTOENCODER:
        return _build_autoencoder((height, width), data, weights)
    if name not in BACKBONES and not TIMM_NAME.fullmatch(str(name)):
        message = f"the model asks for the backbone {name!r}; known: {', '.join(BACKBONES)}"
        raise DeepMapperError(message)
    return build_network(
        name,
        (1, height, width),
        _count(data["n_classes"]),
        gate=PixelGate(torch.zeros(1, height, width)) if data["gated"] else None,
    )


def _describe_autoencoder(network: Any) -> dict[str, Any]:
    expansion = network.expansion
    return {
        "backbone": AUTOENCODER,
        "image_shape": list(expansion.image_shape),
        "n_components": network.axes.out_features,
        "patch": expansion.patch,
        "width": expansion.weight.shape[1],
        "dense": network.dense1.out_features,
        "hidden": network.hide.share,
    }


def _build_autoencoder(
    shape: tuple[int, int], data: dict[str, Any], weights: dict[str, torch.Tensor]
) -> nn.Module:
    from deepmapper.networks._autoencoder import Autoencoder

    sizes = {name: _count(data[name]) for name in ("patch", "width", "dense")}
    n_components, hidden = _count(data["n_components"]), float(data["hidden"])
    # Which pixels hold features decides more than the buffer of that name.
    return Autoencoder(shape, n_components, weights["pixels"].bool(), hidden=hidden, **sizes)


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= LARGEST_SIDE:
        message = f"expected a size from 1 to {LARGEST_SIDE}, got {value!r}"
        raise DeepMapperError(message)
    return value
