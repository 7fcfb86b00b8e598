"""A network as it must be to be explained, and afterwards as it was before."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def evaluated(network: nn.Module) -> Iterator[None]:
    """Inside: evaluation mode, weights that need no gradient, nothing in place.

    Outside, all of that is as it was, and what Captum left on the modules (LRP's `rule` and
    `activations`, DeepLift's `input`) is gone.
    """
    modules = list(network.modules())
    weights = [(weight, weight.requires_grad) for weight in network.parameters()]
    training = [module.training for module in modules]
    in_place = [module for module in modules if getattr(module, "inplace", False) is True]
    names = [set(vars(module)) for module in modules]
    network.eval()
    for weight, _ in weights:
        weight.requires_grad_(False)  # saves what their gradients would keep in memory
    for module in in_place:
        module.inplace = False  # type: ignore[assignment]
    try:
        with torch.enable_grad():
            yield
    finally:
        for module, was_training, known in zip(modules, training, names, strict=True):
            module.training = was_training
            for name in set(vars(module)) - known:
                delattr(module, name)
        for weight, needed in weights:
            weight.requires_grad_(needed)
        for module in in_place:
            module.inplace = True  # type: ignore[assignment]
