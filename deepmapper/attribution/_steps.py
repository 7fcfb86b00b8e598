"""The steps of a forward pass, and the steps that a method cannot follow.

Captum attaches its rules to modules. It does not see functions between modules, modules that are
called twice, or tensors that several steps read: its result would be wrong without an error. So one
blank image is run and every step is recorded.

Gradients (saliency, input_x_gradient, integrated_gradients, gradient_shap) and perturbations
(feature_ablation, occlusion, kernel_shap) work for any network. The other methods have rules for
certain layers only. For a layer without a rule, Captum raises an error or uses the plain gradient.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.modules import batchnorm, dropout, padding
from torch.overrides import TorchFunctionMode

from deepmapper.attribution._batch import Centring
from deepmapper.networks.backbones._layers import Addition, PatchEmbedding
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
# Modules that make maps. The output of later modules may have four axes without being a map.
MAPPING = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d, PatchEmbedding)
MAX_POOLS = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
NORMS = (nn.LayerNorm, nn.GroupNorm, nn.InstanceNorm1d, nn.InstanceNorm2d)
# Functions that read properties of a tensor and compute nothing.
QUERIES = {"__get__", "size", "dim", "numel", "_assert", "is_contiguous", "__len__"}
# Functions that move numbers without changing them, or pad with constants.
RESHAPES = {
    *("flatten", "unflatten", "reshape", "view", "permute", "transpose", "movedim", "squeeze"),
    *("unsqueeze", "expand", "expand_as", "contiguous", "clone", "__getitem__", "chunk", "split"),
    *("cat", "concat", "stack", "pad"),
}
SUMS = {"add", "add_", "sub", "sub_", "mean", "sum"}


@dataclass(frozen=True)
class Rules:
    """The steps that a method can follow besides affine modules.

    modules: exact classes with a rule.
    functions: names of functions between modules.
    why: the error that the method would make at any other step.
    """

    modules: tuple[type[nn.Module], ...]
    functions: set[str]
    why: str


RULES = {
    "deep_lift": Rules(
        (nn.ReLU, nn.LeakyReLU, nn.ELU, nn.Sigmoid, nn.Tanh, nn.Softplus, *MAX_POOLS),
        RESHAPES | SUMS,
        "its gradient would stand for its multiplier and the sum would no longer be f(x) - f(x0)",
    ),
    "guided_backprop": Rules(
        (nn.ReLU, *MAX_POOLS, *NORMS),
        RESHAPES | SUMS,
        "guided backpropagation is defined by the gradients that a ReLU passes back",
    ),
    # Relevance is shared in proportion to the contribution of each input: a sum needs a rule, and
    # so a module.
    "lrp": Rules(
        (nn.ReLU, nn.Tanh, *MAX_POOLS),
        RESHAPES,
        "relevance would not be conserved",
    ),
}


@dataclass(frozen=True)
class Step:
    """One step of a forward pass.

    name: of the module within the network, or of the function.
    module: None for a function.
    shape: of the output, () if that is not a tensor.
    inputs: an id for each tensor it reads.
    """

    name: str
    module: nn.Module | None
    shape: tuple[int, ...]
    inputs: tuple[int, ...]


def is_step(module: nn.Module) -> bool:
    """Whether a module is one step: it has no parts, or is a layer of torch."""
    from_torch = type(module).__module__.startswith("torch.nn.modules")
    is_container = type(module).__module__ == "torch.nn.modules.container"
    return not any(module.children()) or (from_torch and not is_container)


def is_affine(module: nn.Module) -> bool:
    """Whether a module is known to be affine (a x + b) in evaluation mode."""
    if isinstance(module, batchnorm._BatchNorm) and module.running_mean is None:
        return False  # it would normalise by the batch
    return isinstance(module, AFFINE)


def forward_steps(network: nn.Module, image_shape: tuple[int, ...]) -> list[Step]:
    """Record the steps of a network in evaluation mode for a blank image, in order.

    Parameters
    ----------
    network : nn.Module
    image_shape : tuple of int
        Shape of one input, (1, height, width).

    Returns
    -------
    list of Step
    """
    recorder = _Recorder()
    weight = next(network.parameters(), torch.empty(()))
    blank = torch.zeros((1, *image_shape), device=weight.device, dtype=weight.dtype)
    with torch.no_grad(), recorder.hooks(network), recorder:
        network(blank)
    return recorder.steps


def spatial_step(steps: list[Step]) -> Step | None:
    """Find the last map of detectors, (1, channels, rows, columns) with cells.

    It is the output of the last convolution (or pooling) that has more than one cell, followed
    through the modules that keep its shape. It comes after a nonlinearity. A linear cut of the
    image into patches (a vision transformer's first convolution) has channels that do not detect
    anything yet.

    Parameters
    ----------
    steps : list of Step
        The result of `forward_steps`.

    Returns
    -------
    Step or None
        None if there is no such map.
    """
    result, is_nonlinear = None, False
    shape: tuple[int, ...] = ()
    for step in steps:
        if step.module is None:
            continue
        is_nonlinear = is_nonlinear or not is_affine(step.module)
        has_cells = len(step.shape) == 4 and math.prod(step.shape[2:]) > 1
        if isinstance(step.module, MAPPING) and has_cells:
            shape = step.shape
        if shape and is_nonlinear and step.shape == shape:
            result = step
    return result


def module_without_rule(method: str, network: nn.Module) -> str | None:
    """The reason why a method cannot follow a module of the network, or None."""
    rules = RULES[method]
    for name, module in network.named_modules():
        if is_step(module) and not is_affine(module) and type(module) not in rules.modules:
            layers = ", ".join(layer.__name__ for layer in rules.modules)
            return (
                f"{method} has no rule for {type(module).__name__} "
                f"({name or 'the network itself'}): {rules.why}. It has rules for affine layers "
                f"and {layers}"
            )
    return None


def step_without_rule(method: str, steps: list[Step]) -> str | None:
    """The reason why a method cannot follow one of the steps, or None."""
    rules = RULES[method]
    calls = Counter(id(step.module) for step in steps)
    readers = Counter(tensor for step in steps for tensor in set(step.inputs))
    for step in steps:
        layer = type(step.module).__name__
        if step.module is None:
            if step.name not in rules.functions:
                return (
                    f"{method} has no rule for the function {step.name!r} that the network calls "
                    f"between its modules: {rules.why}. Make it a module that has a rule"
                )
            continue
        if is_affine(step.module) and method != "lrp":
            continue
        if calls[id(step.module)] > 1:
            return (
                f"{method} keeps one activation a module, but {layer} ({step.name}) is called more "
                "than once; give each call its own module"
            )
        if not is_affine(step.module) and any(readers[tensor] > 1 for tensor in step.inputs):
            return (
                f"{method} replaces the gradient of the tensor that {layer} ({step.name}) reads, "
                "but other steps read that tensor too"
            )
    return None


class _Recorder(TorchFunctionMode):
    """A recorder of modules (by hooks) and of functions between them (as a mode)."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[Step] = []
        self.depth = 0
        self.values: list[Any] = []  # keeps tensors alive, so that no two have the same id

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", str(func))
        if self.depth == 0 and name not in QUERIES:
            self._record(name, None, (args, kwargs), result)
        return result

    @contextmanager
    def hooks(self, network: nn.Module) -> Iterator[None]:
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
            self._record(name, module, inputs, output)

    def _record(self, name: str, module: nn.Module | None, inputs: Any, output: Any) -> None:
        self.values += [inputs, output]
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
