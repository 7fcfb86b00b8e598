"""A linear model of the products of features that interact.

A three-way parity, or an XOR, is linear in the product of its features. Networks learn a pair, and
rarely a triple.
"""

from dataclasses import dataclass

import numpy as np
import torch

from deepmapper.estimators._linear import Linear, fit_discriminant

__all__ = ["Products", "fit_products"]


@dataclass(frozen=True)
class Products:
    """A linear model of products.

    Parameters
    ----------
    groups : int array of shape (m, 3)
        The columns that are multiplied. The last of a pair is -1.
    mean, factor : float32 array of shape (m,)
        A product x becomes (x - mean) * factor.
    linear : Linear
    """

    groups: np.ndarray
    mean: np.ndarray
    factor: np.ndarray
    linear: Linear

    def logits(self, values: torch.Tensor) -> torch.Tensor:
        """Logits of rows (n, n_values): (n, n_classes), on their device."""
        return self.linear.logits(self.scale(multiply(values, self.groups)))

    def scale(self, products: torch.Tensor) -> torch.Tensor:
        mean, factor = (torch.from_numpy(a).to(products) for a in (self.mean, self.factor))
        return (products - mean) * factor


def fit_products(
    values: torch.Tensor,
    codes: torch.Tensor,
    n_classes: int,
    weights: torch.Tensor,
    groups: np.ndarray,
    seed: int = 0,
) -> tuple[Products, torch.Tensor]:
    """Fit a discriminant analysis of products. As `_linear.fit_discriminant`.

    Parameters
    ----------
    groups : int array of shape (m, 3)
        See `Products`. They were found in all rows, also those held out, so only groups that are
        hardly chance may be given.
    """
    products = multiply(values, groups)
    mean, sd = products.mean(0), products.std(0, correction=0)
    factor = torch.where(sd > 0, 1 / sd, 0.0)
    empty = Linear(np.empty(0), np.empty(0))
    unfitted = Products(groups, mean.cpu().numpy(), factor.cpu().numpy(), empty)
    linear, held_out = fit_discriminant(unfitted.scale(products), codes, n_classes, weights, seed)
    return Products(groups, unfitted.mean, unfitted.factor, linear), held_out


def multiply(values: torch.Tensor, groups: np.ndarray) -> torch.Tensor:
    """The products of the columns of each group, (n, m)."""
    with_ones = torch.cat([values, torch.ones_like(values[:, :1])], 1)  # column -1
    return with_ones[:, torch.from_numpy(groups).to(values.device)].prod(2)
