"""What a network makes of images at any of its layers: every hidden layer is a latent space.

Paper: Methods, self-supervised mode ("the output of any hidden layer can be used").
"""

import difflib
from typing import Any

import torch
from torch import nn

from deepmapper.errors import DeepMapperError


def layer_names(network: nn.Module) -> list[str]:
    """The names of all modules inside the network, in the order of their definition.

    >>> layer_names(nn.Sequential(nn.Linear(2, 3), nn.ReLU()))
    ['0', '1']
    """
    return [name for name, _ in network.named_modules() if name]


@torch.no_grad()
def latent(network: nn.Module, images: Any, layer: str, batch_size: int = 256) -> torch.Tensor:
    """What the layer gives for each image, (n, ...), in evaluation mode, on the network's device.

    The network is left as it was found: every module in its own mode, and without a hook. Where a
    layer is called more than once for an image, the last call counts.

    Args:
        images: (n, 1, h, w) on the network's device: a tensor, or anything that has a length and
            slices to one.
        layer: a name of `layer_names`.
        batch_size: images at a time.

    Raises:
        DeepMapperError: no layer has that name; there are no images; the layer takes no part, or
            gives something else than a tensor with a row an image.
    """
    module = _module(network, layer)
    if len(images) == 0:
        message = "latents need at least one image, got none"
        raise DeepMapperError(message)
    modes = [(part, part.training) for part in network.modules()]
    outputs: list[Any] = []
    # A copy at once: an in-place ReLU further on would change what the layer gave.
    handle = module.register_forward_hook(lambda _, inputs, output: outputs.append(_copy(output)))
    network.eval()
    try:
        batches = []
        for start in range(0, len(images), batch_size):
            batch = images[start : start + batch_size]
            outputs.clear()
            network(batch)
            batches.append(_last(outputs, len(batch), layer))
        return torch.cat(batches)
    finally:
        handle.remove()
        for part, mode in modes:
            part.training = mode


def _module(network: nn.Module, name: str) -> nn.Module:
    known = layer_names(network)
    if name in known:
        return network.get_submodule(name)
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
    hint = f"did you mean {nearest[0]!r}? " if nearest else ""
    message = f"the network has no layer {name!r}; {hint}known: {', '.join(known) or 'none'}"
    raise DeepMapperError(message)


def _copy(output: Any) -> Any:
    return output.clone() if isinstance(output, torch.Tensor) else output


def _last(outputs: list[Any], n: int, layer: str) -> torch.Tensor:
    """The last thing that the layer gave, which has to be a tensor with n rows."""
    if not outputs:
        message = f"the layer {layer!r} takes no part when images run through the network"
        raise DeepMapperError(message)
    output = outputs[-1]
    if not isinstance(output, torch.Tensor) or output.ndim == 0 or len(output) != n:
        got = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
        message = f"the layer {layer!r} gives no row an image: expected ({n}, ...), got {got}"
        raise DeepMapperError(message)
    return output
