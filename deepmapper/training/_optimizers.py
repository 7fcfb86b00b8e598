"""Steps of the weights, by torch's own functions.

torch's optimizer classes are not used: the first object of one imports torch's compiler, which
takes one to three seconds of the first fit of a process.
"""

from collections.abc import Iterable
from typing import Any, Protocol

import torch
from torch.optim.adamw import adamw
from torch.optim.sgd import sgd


class Optimizer(Protocol):
    """Changes weights by their gradients."""

    def step(self, share: float = 1.0) -> None:
        """Make a step of this share of the full size."""


class AdamW:
    """Loshchilov & Hutter 2019, with the constants of `torch.optim.AdamW`.

    Parameters
    ----------
    weights : iterable of parameter
    lr, weight_decay : float
    """

    def __init__(
        self, weights: Iterable[torch.nn.Parameter], lr: float, weight_decay: float
    ) -> None:
        self.weights, self.lr, self.weight_decay = list(weights), lr, weight_decay
        self.means = [torch.zeros_like(w) for w in self.weights]
        self.squares = [torch.zeros_like(w) for w in self.weights]
        self.n_steps = [torch.zeros((), device=w.device) for w in self.weights]

    @torch.no_grad()
    def step(self, share: float = 1.0) -> None:
        used = [i for i, weight in enumerate(self.weights) if weight.grad is not None]

        def of_used(values: list[Any]) -> list[Any]:
            return [values[i] for i in used]

        adamw(
            of_used(self.weights),
            [weight.grad for weight in of_used(self.weights)],
            of_used(self.means),
            of_used(self.squares),
            [],
            of_used(self.n_steps),
            foreach=False,
            fused=True,  # one pass over the weights per step instead of ten
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=self.lr * share,
            weight_decay=self.weight_decay,
            eps=1e-8,
            maximize=False,
        )


class SGD:
    """Plain gradient steps, with momentum if given.

    Parameters
    ----------
    weights : iterable of parameter
    lr, weight_decay, momentum : float
    """

    def __init__(
        self,
        weights: Iterable[torch.nn.Parameter],
        lr: float,
        weight_decay: float,
        momentum: float = 0.0,
    ) -> None:
        self.weights, self.lr, self.weight_decay = list(weights), lr, weight_decay
        self.momentum = momentum
        self.buffers: list[torch.Tensor | None] | None = None

    @torch.no_grad()
    def step(self, share: float = 1.0) -> None:
        used: list[torch.Tensor] = [w for w in self.weights if w.grad is not None]
        if self.buffers is None:
            self.buffers = [None] * len(used)
        sgd(
            used,
            [weight.grad for weight in used if weight.grad is not None],
            self.buffers,
            foreach=False,
            fused=True,
            weight_decay=self.weight_decay,
            momentum=self.momentum,
            lr=self.lr * share,
            dampening=0.0,
            nesterov=False,
            maximize=False,
        )
