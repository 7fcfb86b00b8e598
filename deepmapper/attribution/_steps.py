"""What a forward pass is made of: the modules it calls, and what it does between them.

Captum hangs its rules on modules. What a network computes between its modules, or by calling one
twice, or from a tensor that others read too, Captum cannot see and would get silently wrong. So we
run one blank image and write down every step.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.modules import batchnorm, dropout, padding
from torch.overrides import TorchFunctionMode

from deepmapper.attribution._contrast import Centring
from deepmapper.networks.backbones._addition import Addition
from deepmapper.networks.backbones._patch import PatchEmbedding
from deepmapper.networks.gate import PixelGate

IDENTITIES = (dropout._DropoutNd, nn.Flatten, nn.Unflatten, nn.Identity)
AFFINE: tuple[type[nn.Module], ...] = (
    *IDENTITIES,
    nn.Linear,
    nn.Conv1d,
    nn.Conv2d,
    batchnorm._BatchNorm,
    nn.AvgPool1d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool1d,
    nn.AdaptiveAvgPool2d,
    padding._ConstantPadNd,
    Addition,
    Centring,
    PatchEmbedding,
    PixelGate,
)
# These ask about a tensor and compute nothing.
QUESTIONS = {"__get__", "size", "dim", "numel", "_assert", "is_contiguous", "__len__"}
# These move numbers without changing them, or pad with constants.
RESHAPES = {
    *("flatten", "unflatten", "reshape", "view", "permute", "transpose", "movedim", "squeeze"),
    *("unsqueeze", "expand", "expand_as", "contiguous", "clone", "__getitem__", "chunk", "split"),
    *("cat", "concat", "stack", "pad"),
}
SUMS = {"add", "add_", "sub", "sub_", "mean", "sum"}


@dataclass(frozen=True)
class Step:
    """One step of a forward pass.

    name: of the module within the network, or of the function. module: None for a function.
    shape: of the output, () where that is no tensor. inputs: a number for each tensor it reads.
    """

    name: str
    module: nn.Module | None
    shape: tuple[int, ...]
    inputs: tuple[int, ...]


def is_step(module: nn.Module) -> bool:
    """Whether a module counts as one step: it has no parts, or is a layer of torch with parts."""
    from_torch = type(module).__module__.startswith("torch.nn.modules")
    is_container = type(module).__module__ == "torch.nn.modules.container"
    return not any(module.children()) or (from_torch and not is_container)


def is_affine(module: nn.Module) -> bool:
    """Whether a module is known to be affine (a x + b) in evaluation mode."""
    if isinstance(module, batchnorm._BatchNorm) and module.running_mean is None:
        return False  # it would normalise by the batch
    return isinstance(module, AFFINE)


def is_identity(module: nn.Module) -> bool:
    """Whether a module hands on its input in evaluation mode, reshaped at most."""
    return isinstance(module, IDENTITIES)


def forward_steps(network: nn.Module, image_shape: tuple[int, ...]) -> list[Step]:
    """The steps of a network in evaluation mode, in order, for a blank image of that shape."""
    recorder = _Recorder()
    some = next(network.parameters(), torch.empty(()))
    blank = torch.zeros((1, *image_shape), device=some.device, dtype=some.dtype)
    with torch.no_grad(), recorder.listening(network), recorder:
        network(blank)
    return recorder.steps


def shared_inputs(steps: Iterable[Step]) -> Counter[int]:
    """How many steps read each tensor."""
    return Counter(tensor for step in steps for tensor in set(step.inputs))


class _Recorder(TorchFunctionMode):
    """Writes down modules (by hooks) and the functions called outside of them (as a mode)."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[Step] = []
        self.depth = 0
        self.kept: list[Any] = []  # tensors stay alive, so that no two share an id

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", str(func))
        if self.depth == 0 and name not in QUESTIONS:
            self._write(name, None, (args, kwargs), result)
        return result

    @contextmanager
    def listening(self, network: nn.Module) -> Iterator[None]:
        handles = []
        for name, module in network.named_modules():
            if is_step(module):
                handles.append(module.register_forward_pre_hook(self._enter))
                handles.append(module.register_forward_hook(partial(self._leave, name)))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _enter(self, module: nn.Module, inputs: Any) -> None:
        self.depth += 1

    def _leave(self, name: str, module: nn.Module, inputs: Any, output: Any) -> None:
        self.depth -= 1
        if self.depth == 0:
            self._write(name, module, inputs, output)

    def _write(self, name: str, module: nn.Module | None, inputs: Any, output: Any) -> None:
        self.kept += [inputs, output]
        shape = tuple(output.shape) if isinstance(output, torch.Tensor) else ()
        self.steps.append(Step(name, module, shape, tuple(map(id, _tensors(inputs)))))


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _tensors(part)
