"""Corrections of three faults of Captum 0.9: two in DeepLift, one in LRP.

With either fault of DeepLift's rescale rule, contributions do not add up to f(x) - f(baseline). The
tests of both check that sum.
"""

from typing import Any

import torch
from captum.attr import DeepLift
from captum.attr._utils.lrp_rules import PropagationRule
from torch import nn

from deepmapper.attribution._steps import MAX_POOLS


class PassThrough(PropagationRule):
    """LRP through modules that reshape, or that drop values in training only.

    If input and output are the same tensor, the epsilon rule puts two hooks on it. Captum then
    gives the ReLU before it the relevance times its output.
    """

    def forward_hook(self, module: nn.Module, inputs: Any, outputs: Any) -> None:
        """Set no hooks: autograd carries relevance between modules unchanged."""

    def _manipulate_weights(self, module: nn.Module, inputs: Any, outputs: Any) -> None:
        """Change nothing."""


class RescaleDeepLift(DeepLift):
    """DeepLift with its own rule for max pooling and a copy behind each nonlinearity.

    Max pooling: Captum passes contributions back by `max_unpool`. If two windows choose the same
    pixel, as the overlapping windows of a ResNet do, `max_unpool` overwrites the first
    contribution. This class uses the pooling's own gradient, which adds contributions.

    Neighbours: if one nonlinearity reads another's output (ReLU, then pooling), Captum gives the
    first one the plain gradient, without the multipliers of the second. A copy between them
    separates the hooks.
    """

    def _register_hooks(self, module: nn.Module, attribute_to_layer_input: bool = True) -> None:
        n_before = len(self.forward_handles)
        super()._register_hooks(module, attribute_to_layer_input)
        if len(self.forward_handles) > n_before:
            self.forward_handles.append(module.register_forward_hook(_copy_of_output))

    def _backward_hook(
        self, module: nn.Module, grad_input: torch.Tensor, grad_output: torch.Tensor
    ) -> torch.Tensor:
        if not isinstance(module, MAX_POOLS) or not self.satisfies_attribute_criteria(module):
            return super()._backward_hook(module, grad_input, grad_output)
        multipliers = _pooling_multipliers(module, grad_input, grad_output, self.eps)
        del module.input, module.output
        return multipliers


def _copy_of_output(module: nn.Module, inputs: object, output: torch.Tensor) -> torch.Tensor:
    return output.clone()


def _pooling_multipliers(
    module: nn.Module, grad_input: torch.Tensor, grad_output: torch.Tensor, eps: float
) -> torch.Tensor:
    """Multipliers (2n, ...) of the pooling's input: n images, then their n baselines.

    A window's maximum moves from y0 to y. Let top = max(y, y0). As in Captum, the pixel that wins
    in the image gets the credit for top - y0, and the pixel that wins in the baseline gets the
    credit for y - top. A pixel equal to its baseline gets no credit and keeps its gradient.
    """
    x, x0 = module.input.chunk(2)  # type: ignore[operator]
    y, y0 = module.output.chunk(2)  # type: ignore[operator]
    top = torch.maximum(y, y0)
    shares = grad_output * torch.cat([top - y0, y - top])
    with torch.enable_grad():
        pixels = torch.cat([x, x0]).requires_grad_()
        # `forward` itself: calling the module would run the hooks again.
        credit = torch.autograd.grad(module.forward(pixels), pixels, shares)[0]
    difference = torch.cat(2 * [x - x0])
    up, down = credit.chunk(2)
    total = torch.cat(2 * [up + down])
    return torch.where(difference.abs() < eps, grad_input, total / difference)
