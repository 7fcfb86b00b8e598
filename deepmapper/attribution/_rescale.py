"""DeepLift's rescale rule by Captum, with two faults of version 0.9 mended.

Max pooling: Captum hands contributions back by `max_unpool`, which overwrites where two windows
chose the same pixel, as the overlapping ones of a ResNet do. Here they are scattered by the
pooling's own gradient, which adds.

Neighbours: where one nonlinearity reads another's output (ReLU, then pooling), the first is given
the plain gradient, taken before the second put its multipliers there. A copy between the two parts
the hooks.

With either fault contributions do not add up to f(x) - f(baseline): that is the test of both.
"""

import torch
from captum.attr import DeepLift
from torch import nn

POOLS = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)


class RescaleDeepLift(DeepLift):
    """Captum's DeepLift with its own rule for max pooling and a copy behind each nonlinearity."""

    def _register_hooks(self, module: nn.Module, attribute_to_layer_input: bool = True) -> None:
        n_before = len(self.forward_handles)
        super()._register_hooks(module, attribute_to_layer_input)
        if len(self.forward_handles) > n_before:
            self.forward_handles.append(module.register_forward_hook(_copy_of_output))

    def _backward_hook(
        self, module: nn.Module, grad_input: torch.Tensor, grad_output: torch.Tensor
    ) -> torch.Tensor:
        if not isinstance(module, POOLS) or not self.satisfies_attribute_criteria(module):
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

    A window's maximum moves from y0 to y. With top = max(y, y0), the way up (top - y0) is the merit
    of the pixel that wins in the image, the way down (y - top) that of the one that wins in the
    baseline (as in Captum). A pixel equal to its baseline has no merit, and keeps its gradient.
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
