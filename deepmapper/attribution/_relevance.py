"""Layer-wise relevance propagation (Bach et al. 2015) by the epsilon rule.

A layer shares the relevance of its outputs among its inputs in proportion to what each adds; what
its bias adds is absorbed. Where the only nonlinearities are ReLU and max pooling and epsilon is
tiny, this equals input_x_gradient (Ancona et al. 2018, Proposition 1): that is its test.
"""

import torch

from deepmapper.attribution._question import Question
from deepmapper.attribution._steps import is_affine, is_identity, is_step


def lrp(asked: Question) -> torch.Tensor:
    """Relevance (n, ...) by Captum; the network must have passed `why_not`."""
    from captum.attr import LRP
    from captum.attr._utils.lrp_rules import EpsilonRule

    from deepmapper.attribution._pass_through import PassThrough

    # Captum goes by exact class: it knows neither our modules nor, for instance, Flatten. By
    # autograd the epsilon rule suits every affine map. `evaluated` takes the rules off again.
    for module in asked.network.modules():
        if is_step(module) and is_affine(module):
            module.rule = PassThrough() if is_identity(module) else EpsilonRule()
    return LRP(asked.network).attribute(asked.images_with_gradients(), target=asked.target)
