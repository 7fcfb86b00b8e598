"""Which method can explain which network, and if not, why.

Gradients (saliency, input_x_gradient, integrated_gradients, gradient_shap) and perturbations
(feature_ablation, occlusion, kernel_shap) ask nothing of a network. The others have rules for
certain layers only: where a layer has no rule, Captum would raise, or silently use its gradient.
"""

from collections import Counter
from dataclasses import dataclass

from torch import nn

from deepmapper.attribution._explainers import EXPLAINERS
from deepmapper.attribution._grad_cam import spatial_step
from deepmapper.attribution._state import evaluated
from deepmapper.attribution._steps import (
    RESHAPES,
    SUMS,
    Step,
    forward_steps,
    is_affine,
    is_step,
    shared_inputs,
)
from deepmapper.errors import DeepMapperError

MAX_POOLS = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
NORMS = (nn.LayerNorm, nn.GroupNorm, nn.InstanceNorm1d, nn.InstanceNorm2d)


@dataclass(frozen=True)
class Rules:
    """What a method can follow besides affine modules.

    modules: exact classes with a rule. functions: names of functions between modules. why: what
    the method would do to anything else.
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
        "guided backpropagation is defined by what a ReLU lets back",
    ),
    # Shared out in proportion to what each input adds: a sum needs a rule, so it must be a module.
    "lrp": Rules(
        (nn.ReLU, nn.Tanh, *MAX_POOLS),
        RESHAPES,
        "relevance would not be conserved",
    ),
}


def why_not(
    method: str, network: nn.Module, image_shape: tuple[int, ...] | None = None
) -> str | None:
    """Why a method cannot explain a network; None where it can.

    Args:
        image_shape: of one input, (1, h, w). With it a blank image is run and each step of the
            forward pass is looked at; without it only the network's modules are.

    Raises:
        DeepMapperError: no attribution method has that name.
    """
    if method not in EXPLAINERS:
        message = f"unknown attribution {method!r}; known: {', '.join(sorted(EXPLAINERS))}"
        raise DeepMapperError(message)
    rules = RULES.get(method)
    if rules is not None:
        reason = _module_without_rule(method, rules, network)
        if reason is not None:
            return reason
    if image_shape is None or (rules is None and method != "grad_cam"):
        return None
    with evaluated(network):
        steps = forward_steps(network, image_shape)
    if rules is not None:
        return _step_without_rule(method, rules, steps)
    if spatial_step(steps) is None:
        return (
            "grad_cam needs a map of detectors: (channels, rows, columns) of more than one cell, "
            f"computed by at least one nonlinearity; {_class(network)} has none for images of "
            f"shape {tuple(image_shape)}"
        )
    return None


def _module_without_rule(method: str, rules: Rules, network: nn.Module) -> str | None:
    for name, module in network.named_modules():
        if is_step(module) and not is_affine(module) and type(module) not in rules.modules:
            known = ", ".join(known.__name__ for known in rules.modules)
            return (
                f"{method} has no rule for {_class(module)} ({name or 'the network itself'}): "
                f"{rules.why}. It knows affine layers and {known}"
            )
    return None


def _step_without_rule(method: str, rules: Rules, steps: list[Step]) -> str | None:
    """The same for what happens between the modules."""
    calls = Counter(id(step.module) for step in steps if step.module is not None)
    readers = shared_inputs(steps)
    for step in steps:
        if step.module is None and step.name not in rules.functions:
            return (
                f"{method} has no rule for the function {step.name!r} that the network calls "
                f"between its modules: {rules.why}. Make it a module that has a rule"
            )
        if step.module is None or is_affine(step.module):
            if method == "lrp" and step.module is not None and calls[id(step.module)] > 1:
                return _called_twice(method, step)
            continue
        if calls[id(step.module)] > 1:
            return _called_twice(method, step)
        if any(readers[tensor] > 1 for tensor in step.inputs):
            return (
                f"{method} replaces the gradient of the tensor that {_class(step.module)} "
                f"({step.name}) reads, but other steps read that tensor too"
            )
    return None


def _called_twice(method: str, step: Step) -> str:
    return (
        f"{method} keeps one activation a module, but {_class(step.module)} ({step.name}) is "
        "called more than once; give each call its own module"
    )


def _class(module: nn.Module | None) -> str:
    return type(module).__name__
