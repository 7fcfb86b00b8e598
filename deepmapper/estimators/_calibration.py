"""Probabilities from logits, fitted on rows that the logits were not fitted on."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.special import log_softmax

__all__ = ["Calibration", "calibrate"]

LARGEST_FACTOR = 1e3  # for logits of standard deviation 1
OFFSET_PENALTY = 3.0  # of the squared offsets, in rows


@dataclass(frozen=True)
class Calibration:
    """Makes probabilities from logits: softmax(factor * logits + offsets).

    Parameters
    ----------
    factor : float
    offsets : float64 array of shape (n_classes,)
    """

    factor: float
    offsets: np.ndarray

    @classmethod
    def none(cls, n_classes: int) -> "Calibration":
        """Return the calibration that changes nothing."""
        return cls(1.0, np.zeros(n_classes))

    def probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        """Probabilities of logits (n, n_classes), the same shape."""
        offsets = torch.from_numpy(self.offsets).to(logits.device)
        return (self.factor * logits.double() + offsets).softmax(1)


def calibrate(
    logits: torch.Tensor, codes: torch.Tensor, weights: torch.Tensor
) -> tuple[Calibration, float]:
    """Find the factor and the offsets of logits (n, n_classes) with the lowest log loss.

    Returns the calibration and that loss.

    Offsets are shrunk. A true class counts as 1 - 1 / (n + 2), so that the factor of logits that
    are always right is finite (Platt 1999).
    """
    values = logits.double().cpu().numpy()
    n, n_classes = values.shape
    scale = max(float(values.std()), 1e-12)
    values = values / scale
    shares = (weights / weights.sum()).cpu().numpy()
    targets = np.full(values.shape, 1 / (n + 2) / n_classes)
    targets[np.arange(n), codes.cpu().numpy()] += 1 - 1 / (n + 2)
    targets *= shares[:, None]

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        factor, offsets = parameters[0], parameters[1:]
        log_p = log_softmax(factor * values + offsets, axis=1)
        excess = np.exp(log_p) * shares[:, None] - targets
        slope = np.append((excess * values).sum(), excess.sum(0) + 2 * OFFSET_PENALTY * offsets / n)
        penalty = OFFSET_PENALTY * (offsets**2).sum() / n
        return float(penalty - (targets * log_p).sum()), slope

    start = np.append(1.0, np.zeros(n_classes))
    bounds = [(0.0, LARGEST_FACTOR), *[(None, None)] * n_classes]
    best = minimize(
        loss, start, jac=True, bounds=bounds, method="L-BFGS-B", options={"ftol": 1e-5}
    ).x
    log_p = log_softmax(best[0] * values + best[1:], axis=1)
    loss_of_best = -float((shares * log_p[np.arange(n), codes.cpu().numpy()]).sum())
    return Calibration(float(best[0] / scale), best[1:]), loss_of_best
