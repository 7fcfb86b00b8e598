"""LRP through modules that hand on what they get."""

from typing import Any

from captum.attr._utils.lrp_rules import PropagationRule
from torch import nn


class PassThrough(PropagationRule):
    """Relevance goes through unchanged, for modules that only drop out (not now) or reshape.

    The epsilon rule would hang two hooks on one tensor where input and output are the same one, and
    Captum 0.9 then gives the ReLU before it the relevance times its output.
    """

    def forward_hook(self, module: nn.Module, inputs: Any, outputs: Any) -> None:
        """No hooks: autograd carries relevance between modules as it is."""

    def _manipulate_weights(self, module: nn.Module, inputs: Any, outputs: Any) -> None:
        """Nothing to change."""
