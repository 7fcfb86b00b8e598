"""Networks and plain models together, weighted by how well they predict rows held out.

No one kind of model is best on every table (see the published `wide_pilot`). Each part is
calibrated (`_calibration`). The weights have the lowest log loss on rows that no part was fitted
on: those that a pass or a fold of the linear models held out, and out of the bags of the forest.
They are found by expectation maximisation, and shrunk to equal weights (a stacking of
probabilities, Breiman 1996). Some choices come from all rows, also those that judge the parts: the
scale of the features, the pairs that the passes compare, and the number of features and the penalty
of the linear models.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from deepmapper.estimators._calibration import Calibration, calibrate
from deepmapper.estimators._forest import Forest, fit_forest
from deepmapper.estimators._linear import Linear, Ranks, fit_discriminant, fit_ranks
from deepmapper.estimators._products import Products, fit_products
from deepmapper.images._rows import dense
from deepmapper.training.trainer import PLAIN

__all__ = ["Mixture", "fit_mixture"]

NETWORK = "network"
MOST_ROWS = 3000  # of the plain models. More rows are drawn from.
MOST_VALUES = 1 << 26  # of those rows, 256 MiB
FEWEST_ROWS = 20  # with fewer, there are no plain models
PRIOR_ROWS = 2.0  # equal weights count as much as this number of rows
SMALLEST_WEIGHT = 0.01  # a part with less is left out
N_STEPS, CONVERGED = 200, 1e-5  # of the expectation maximisation
FAR = 2.0  # standard deviations of a row in other units, root mean square
N_FOLDS = 5  # of the rows that judge the mixture
BLOCK_VALUES = 1 << 24  # predicted at a time
SMALLEST = 1e-6


@dataclass(frozen=True)
class Mixture:
    """Weights of the parts. The first is the mean of the networks.

    Parameters
    ----------
    names : tuple of str
    weights : array of shape (n_parts,)
        They add up to 1.
    calibrations : list of Calibration
    models : list
        A plain model for each part, None for the networks and for parts that are not used.
    held_out : DataFrame
        Columns part, weight, loss (log loss), accuracy, excess (of the loss over that of the
        mixture) and its standard error, on rows that no part was fitted on. The rows are weighted
        as in the loss of the networks: with balanced classes, accuracy is balanced accuracy. The
        parts come first, then "mixture", "without" each part (a mixture of the others), and
        "majority". Calibrations and weights of mixtures are from other rows than those they are
        judged on. Empty without such rows.
    n_held_out : int
        The number of these rows.
    largest_distance : float
        The root mean square of the training row furthest from the mean, in standard deviations of
        features.
    n_varying : int
        The number of features that vary.
    """

    names: tuple[str, ...]
    weights: np.ndarray
    calibrations: list[Calibration]
    models: list[Any]
    held_out: pd.DataFrame
    n_held_out: int
    largest_distance: float = 0.0
    n_varying: int = 1

    def predict_proba(self, networks: np.ndarray, images: Any, X: Any) -> np.ndarray:
        """Mix the probabilities of the parts.

        A row that lies further from the training rows than all of them, as rows in other units do,
        is predicted by its ranks alone.

        Parameters
        ----------
        networks : array of shape (n, n_classes)
            Probabilities of the networks.
        images : array, tensor or `FoldedRows` of shape (n, 1, h, w)
        X : array, CSR or memory-mapped file of shape (n, n_features)
            The same rows of the table.

        Returns
        -------
        array of shape (n, n_classes)
        """
        if self.names == (NETWORK,):
            return networks
        result = np.empty_like(networks)
        step = max(1, BLOCK_VALUES // X.shape[1])
        for start in range(0, len(networks), step):
            rows = slice(start, start + step)
            values = _flat(images, rows)
            parts = self._parts(torch.from_numpy(networks[rows]), values, dense(X, rows))
            mixed = sum(
                weight * parts[name]
                for name, weight in zip(self.names, self.weights, strict=True)
                if weight
            )
            assert isinstance(mixed, torch.Tensor)
            if "ranks" in parts:
                distance = _distance(values, self.n_varying).cpu()
                is_far = distance > max(FAR, self.largest_distance)
                mixed[is_far] = parts["ranks"][is_far]
            result[rows] = mixed.numpy()
        return result

    def _parts(
        self, networks: torch.Tensor, values: torch.Tensor, table: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        parts = {}
        for name, calibration, model in zip(
            self.names, self.calibrations, self.models, strict=True
        ):
            if name == NETWORK:
                logits = networks.clamp(min=SMALLEST).log()
            elif model is None:
                continue
            else:
                logits = model.logits(table if name == "ranks" else values).cpu()
            parts[name] = calibration.probabilities(logits)
        return parts


def fit_mixture(
    networks: tuple[torch.Tensor, torch.Tensor],
    images: Any,
    X: Any,
    codes: torch.Tensor,
    weights: torch.Tensor,
    *,
    n_classes: int,
    plain: Sequence[str] = PLAIN,
    with_networks: bool = True,
    groups: np.ndarray | None = None,
    seed: int = 0,
) -> Mixture:
    """Fit the plain models, and weigh all parts.

    Parameters
    ----------
    networks : tuple of two tensors
        Rows that passes held out, (m,), and their probabilities, (m, n_classes).
    images : array, tensor or `FoldedRows` of shape (n, 1, h, w)
    X : array, CSR or memory-mapped file of shape (n, n_features)
        The same rows of the table.
    codes : int tensor of shape (n,)
    weights : float64 tensor of shape (n,)
        Of the rows in the loss.
    n_classes : int
    plain : sequence of str, default=PLAIN
        Names in `training.trainer.PLAIN`.
    with_networks : bool, default=True
        False leaves the networks out, if there are plain models.
    groups : int array of shape (m, 3), default=None
        Pairs and triples of pixels that interact, see `Evidence.sure`. Without any there is no part
        "products".
    seed : int, default=0
        Draws rows, and the trees of the forest.

    Returns
    -------
    Mixture
    """
    codes, weights = codes.cpu(), weights.double().cpu().clamp(min=SMALLEST)
    n = len(codes)
    n_rows = min(n, MOST_ROWS, MOST_VALUES // X.shape[1])
    chosen = np.sort(np.random.default_rng(seed).permutation(n)[:n_rows])
    rows = torch.from_numpy(chosen)
    logits: dict[str, torch.Tensor] = {}
    models: dict[str, Any] = {NETWORK: None}
    extent = {"largest_distance": 0.0, "n_varying": 1}
    if n_rows >= FEWEST_ROWS and plain and int(codes[rows].bincount().max()) > 1:
        values = _flat(images, rows)
        n_varying = max(1, int((values != values[0]).any(0).sum()))
        largest_distance = float(_distance(values, n_varying).max())
        extent = {"largest_distance": largest_distance, "n_varying": n_varying}
        of_rows = (codes[rows].to(values.device), n_classes, weights[rows].to(values.device))
        for name in plain:
            if name == "products" and (groups is None or not len(groups)):
                continue
            models[name], held_out = _fit(name, values, X, chosen, of_rows, groups, seed)
            logits[name] = torch.full((n, n_classes), torch.nan, dtype=torch.float64)
            logits[name][rows] = held_out.double().cpu()
    held_out_rows, probabilities = networks[0].cpu(), networks[1].double().cpu()
    used = torch.isin(held_out_rows, rows) if logits else torch.ones_like(held_out_rows) > 0
    judged = held_out_rows[used]
    logits = {name: values[judged] for name, values in logits.items()}
    if with_networks or not logits:
        logits = {NETWORK: probabilities[used].clamp(min=SMALLEST).log(), **logits}
    return _weigh(logits, models, codes[judged], weights[judged], extent)


def _fit(
    name: str,
    values: torch.Tensor,
    X: Any,
    rows: np.ndarray,
    of_rows: tuple[torch.Tensor, int, torch.Tensor],
    groups: np.ndarray | None,
    seed: int,
) -> tuple[Linear | Ranks | Products | Forest, torch.Tensor]:
    if name == "discriminant":
        return fit_discriminant(values, *of_rows, seed)
    if name == "ranks":
        return fit_ranks(dense(X, rows).to(values.device), *of_rows, seed)
    if name == "products":
        assert groups is not None
        return fit_products(values, *of_rows, groups, seed)
    return fit_forest(values, *of_rows, seed)


def _weigh(
    logits: dict[str, torch.Tensor],
    models: dict[str, Any],
    codes: torch.Tensor,
    weights: torch.Tensor,
    extent: dict[str, Any],
) -> Mixture:
    """Calibrate the parts and find their weights, from logits of rows held out."""
    names = tuple(logits)
    if not len(codes):
        (values,) = logits.values()  # the networks
        calibrations, kept = [Calibration.none(values.shape[1])], [models[NETWORK]]
        return Mixture(names, np.ones(1), calibrations, kept, pd.DataFrame(), 0, **extent)
    calibrations = [calibrate(values, codes, weights)[0] for values in logits.values()]
    probabilities = torch.stack(
        [c.probabilities(values) for c, values in zip(calibrations, logits.values(), strict=True)]
    )
    mix = _mixing_weights(_of_true_class(probabilities, codes), weights)
    mix = np.where(mix < SMALLEST_WEIGHT, 0.0, mix)
    mix /= mix.sum()
    kept = [
        models[name] if weight or name == "ranks" else None
        for name, weight in zip(names, mix, strict=True)
    ]
    table = _judge(names, mix, list(logits.values()), codes, weights)
    return Mixture(names, mix, calibrations, kept, table, len(codes), **extent)


def _judge(
    names: Sequence[str],
    mix: np.ndarray,
    logits: list[torch.Tensor],
    codes: torch.Tensor,
    weights: torch.Tensor,
) -> pd.DataFrame:
    """Loss and accuracy of the parts, of mixtures of them, and of the most frequent class."""
    n_classes = logits[0].shape[1]
    share = torch.zeros(n_classes, dtype=torch.float64)
    share.index_add_(0, codes, weights).div_(weights.sum())
    folds = list(_crosswise(logits, codes, weights))
    every = [*range(len(names))]
    mixed = _mixed_crosswise(folds, every, codes, weights)
    parts = [_mixed_crosswise(folds, [i], codes, weights) for i in every]
    entries = [*zip(names, mix, parts, strict=True), ("mixture", 1.0, mixed)]
    for i, name in enumerate(names if len(names) > 1 else ()):
        others = [j for j in every if j != i]
        without = _mixed_crosswise(folds, others, codes, weights)
        entries.append((f"without {name}", 0.0, without))
    entries.append(("majority", 0.0, share.expand(len(codes), -1)))
    weights = weights / weights.sum()
    losses_of_mixture = _losses(mixed, codes)
    rows = []
    for name, weight, values in entries:
        losses = _losses(values, codes)
        excess = losses - losses_of_mixture
        mean = (weights * excess).sum()
        row = {
            "part": name,
            "weight": weight,
            "loss": (weights * losses).sum(),
            "accuracy": (weights * (values.argmax(1) == codes)).sum(),
            "excess": mean,
            "standard_error": (weights * (excess - mean)).square().sum().sqrt(),
        }
        rows.append({key: value if key == "part" else float(value) for key, value in row.items()})
    return pd.DataFrame(rows)


def _losses(probabilities: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
    """-log of the probability of the true class, (n,)."""
    true = probabilities[torch.arange(len(codes)), codes]
    return -true.clamp(min=SMALLEST).log()


# The rows of a fold, and probabilities of all rows (n_parts, n, n_classes) calibrated on the others
_Fold = tuple[torch.Tensor, torch.Tensor]


def _crosswise(
    logits: list[torch.Tensor], codes: torch.Tensor, weights: torch.Tensor
) -> Iterator[_Fold]:
    fold = torch.arange(len(codes)) % N_FOLDS
    for number in range(N_FOLDS):
        others = fold != number
        parts = [
            calibrate(values[others], codes[others], weights[others])[0].probabilities(values)
            for values in logits
        ]
        yield ~others, torch.stack(parts)


def _mixed_crosswise(
    folds: list[_Fold], parts: list[int], codes: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """The mixture of parts for each fold, with weights from the other rows, (n, n_classes)."""
    mixed = torch.empty_like(folds[0][1][0])
    for rows, of_all in folds:
        of_parts = of_all[parts]
        of_true = _of_true_class(of_parts, codes)
        mix = _mixing_weights(of_true[:, ~rows], weights[~rows])
        mixed[rows] = torch.einsum("j,jnc->nc", torch.from_numpy(mix), of_parts[:, rows])
    return mixed


def _of_true_class(probabilities: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
    """The probability of the true class, (n_parts, n), at least 1e-6."""
    return probabilities[:, torch.arange(len(codes)), codes].clamp(min=SMALLEST)


def _mixing_weights(of_true: torch.Tensor, weights: torch.Tensor) -> np.ndarray:
    """Weights of the parts with the lowest log loss, (n_parts,), shrunk to equal ones."""
    n_parts, n = of_true.shape
    equal = torch.full((n_parts,), 1 / n_parts, dtype=torch.float64)
    rows = weights / weights.mean() if n else weights
    mix = equal
    for _ in range(N_STEPS):
        responsible = mix[:, None] * of_true
        responsible = rows * responsible / responsible.sum(0)
        before, mix = mix, (responsible.sum(1) + PRIOR_ROWS * equal) / (n + PRIOR_ROWS)
        if float((mix - before).abs().max()) < CONVERGED:
            break
    return mix.numpy()


def _distance(values: torch.Tensor, n_varying: int) -> torch.Tensor:
    """The root mean square of each row of flattened images, (n,), over pixels that vary."""
    return (values.square().sum(1) / n_varying).sqrt()


def _flat(images: Any, rows: slice | torch.Tensor) -> torch.Tensor:
    if isinstance(images, np.ndarray):
        index = rows if isinstance(rows, slice) else rows.numpy()
        return torch.from_numpy(np.ascontiguousarray(images[index])).flatten(1)
    if isinstance(rows, torch.Tensor) and hasattr(images, "device"):
        rows = rows.to(images.device)
    return images[rows].flatten(1)
