"""Linear models of the features that differ most, with predictions of rows held out.

- `fit_discriminant`: linear discriminant analysis with a ridge on the covariance within classes.
- `fit_ranks`: ridge regression on normal scores (van der Waerden 1952) of the ranks within each
  row. They do not change with the units of a row: with another laboratory, scanner or sequencing
  depth.

With n rows and p features both are solved between rows and cost n^2 p, not p^3 (Saunders, Gammerman
& Vovk 1998). The features with the largest F-statistics are chosen within each fold, so that rows
held out choose none. How many, and the penalty, have the lowest loss on rows held out.
"""

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.stats import norm
from sklearn.model_selection import StratifiedKFold

from deepmapper.estimators._calibration import calibrate

__all__ = ["Linear", "Ranks", "fit_discriminant", "fit_ranks", "solve_discriminant", "solve_ridge"]

# Duals (n, n_classes) and intercept (n_classes,): see `solve_ridge`.
Solution = tuple[torch.Tensor, torch.Tensor]
Solve = Callable[
    [torch.Tensor, torch.Tensor, int, torch.Tensor, Sequence[float]], Iterator[Solution]
]
N_STRONGEST = (30, 100, 300, 1000, 3000)  # numbers of features to choose from, besides all
PENALTIES = (0.03, 0.3, 3.0, 30.0, 1000.0)  # in mean squares of the rows
N_FOLDS = 5
MOST_TO_CHOOSE = 1000  # rows to choose number and penalty on
LARGEST_SCORE = 5.0  # standard deviations, as of the images
BLOCK_VALUES = 1 << 22  # ranked at a time
BLOCK_ROWS = 1024  # multiplied at a time
SMALLEST = 1e-6  # share of the variance, standard deviation


@dataclass(frozen=True)
class Linear:
    """Logits of rows of values.

    Parameters
    ----------
    coef : float32 array of shape (n_values, n_classes)
    intercept : float32 array of shape (n_classes,)
    """

    coef: np.ndarray
    intercept: np.ndarray

    def logits(self, values: torch.Tensor) -> torch.Tensor:
        """Logits of rows (n, n_values): (n, n_classes), on their device."""
        coef, intercept = (torch.from_numpy(a).to(values) for a in (self.coef, self.intercept))
        return values @ coef + intercept


@dataclass(frozen=True)
class Ranks:
    """A linear model of the normal scores of the ranks within each row.

    Parameters
    ----------
    mean, factor : float32 array of shape (n_features,)
        A score s becomes (s - mean) * factor.
    linear : Linear
    """

    mean: np.ndarray
    factor: np.ndarray
    linear: Linear

    def logits(self, values: torch.Tensor) -> torch.Tensor:
        """Logits of rows of a table (n, n_features): (n, n_classes)."""
        return self.linear.logits(self.scale(row_scores(values)))

    def scale(self, scores: torch.Tensor) -> torch.Tensor:
        mean, factor = (torch.from_numpy(a).to(scores) for a in (self.mean, self.factor))
        return scores.sub_(mean).mul_(factor).clamp_(-LARGEST_SCORE, LARGEST_SCORE)


def fit_discriminant(
    values: torch.Tensor,
    codes: torch.Tensor,
    n_classes: int,
    weights: torch.Tensor,
    seed: int = 0,
) -> tuple[Linear, torch.Tensor]:
    """Fit a discriminant analysis of the features that differ most between the classes.

    Parameters
    ----------
    values : float32 tensor of shape (n, n_values)
        Features of about the same spread.
    codes : int tensor of shape (n,)
    n_classes : int
    weights : float64 tensor of shape (n,)
        Of the rows in the loss, above 0.
    seed : int, default=0
        Draws the folds, and rows to choose number and penalty on.

    Returns
    -------
    tuple of Linear and float64 tensor of shape (n, n_classes)
        The model, and the logits of each row from a model of other rows.
    """
    problem = _Problem(values, codes, n_classes, weights / weights.mean(), solve_discriminant)
    return _fit_strongest(problem, seed)


def fit_ranks(
    values: torch.Tensor,
    codes: torch.Tensor,
    n_classes: int,
    weights: torch.Tensor,
    seed: int = 0,
) -> tuple[Ranks, torch.Tensor]:
    """Fit a ridge regression on the ranks within each row. As `fit_discriminant`."""
    scores = row_scores(values)
    mean, sd = scores.mean(0), scores.std(0, correction=0)
    factor = torch.where(sd > SMALLEST, 1 / sd, 0.0)
    unfitted = Ranks(mean.cpu().numpy(), factor.cpu().numpy(), Linear(np.empty(0), np.empty(0)))
    scaled = unfitted.scale(scores)
    problem = _Problem(scaled, codes, n_classes, weights / weights.mean(), solve_ridge)
    linear, held_out = _fit_strongest(problem, seed)
    return Ranks(unfitted.mean, unfitted.factor, linear), held_out


def solve_ridge(
    products: torch.Tensor,
    codes: torch.Tensor,
    n_classes: int,
    weights: torch.Tensor,
    penalties: Sequence[float],
) -> Iterator[Solution]:
    """Solve a ridge regression on indicators of the classes, between rows.

    Parameters
    ----------
    products : float64 tensor of shape (n, n)
        Of the rows.
    codes, n_classes, weights
        As in `fit_discriminant`.
    penalties : sequence of float
        In mean squares of the rows.

    Yields
    ------
    tuple of float64 tensors of shape (n, n_classes) and (n_classes,)
        For each penalty, duals and intercept. The logits of a row are its products with these
        rows times the duals, plus the intercept.
    """
    targets = torch.nn.functional.one_hot(codes, n_classes).double()
    share = weights / weights.sum()
    means = products @ share
    centred = products - means[:, None] - means + share @ means
    root = weights.sqrt()[:, None]
    for decomposed, _ in _decompositions(root * centred * root.T, penalties):
        duals = root * torch.cholesky_solve(root * (targets - share @ targets), decomposed)
        duals = duals - share[:, None] * duals.sum(0)
        yield duals, share @ targets - means @ duals


def solve_discriminant(
    products: torch.Tensor,
    codes: torch.Tensor,
    n_classes: int,
    weights: torch.Tensor,
    penalties: Sequence[float],
) -> Iterator[Solution]:
    """Solve a linear discriminant analysis with a ridge on the covariance, as `solve_ridge`.

    Classes are equally likely. With more than two classes in a row, ridge regression hides those
    in the middle, and discriminant analysis does not (Hastie, Tibshirani & Buja 1994).
    """
    one_hot = torch.nn.functional.one_hot(codes, n_classes).double()
    averages = weights[:, None] * one_hot
    averages = averages / averages.sum(0).clamp(min=1e-12)  # X' averages: the class means
    with_means = products @ averages
    of_means = averages.T @ with_means
    within = products - with_means[:, codes] - with_means[:, codes].T + of_means[codes][:, codes]
    root = weights.sqrt()[:, None]
    right = root * (with_means - of_means[codes])
    for decomposed, size in _decompositions(root * within * root.T, penalties):
        inner = root * torch.cholesky_solve(right, decomposed)
        duals = (averages - inner + averages @ (one_hot.T @ inner)) / size
        yield duals, -(with_means * duals).sum(0) / 2


def _decompositions(
    matrix: torch.Tensor, penalties: Sequence[float]
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Cholesky factors of the matrix with each penalty on its diagonal, and the penalties."""
    diagonal = matrix.diagonal().clone()
    scale = diagonal.mean().clamp(min=1e-12)
    for penalty in penalties:
        matrix.diagonal().copy_(diagonal + penalty * scale)
        yield torch.linalg.cholesky(matrix), penalty * scale


def row_scores(values: torch.Tensor) -> torch.Tensor:
    """Normal scores of the ranks within each row, (n, p). Equal values share their mean rank.

    Examples
    --------
    >>> row_scores(torch.tensor([[10.0, 30.0, 20.0], [0.0, 0.0, 5.0]])).numpy().round(2)
    array([[-0.67,  0.67,  0.  ],
           [-0.32, -0.32,  0.67]], dtype=float32)
    """
    n, p = values.shape
    # Ranks from 1, doubled because mean ranks may be halves.
    table = torch.from_numpy(norm.ppf(np.arange(2 * p + 1) / (2 * p + 2))).float()
    table = table.to(values.device)
    position = torch.arange(p, device=values.device)
    scores = torch.empty((n, p), device=values.device)
    step = max(1, BLOCK_VALUES // max(p, 1))
    for start in range(0, n, step):
        ordered, order = values[start : start + step].sort(1)
        differs = ordered[:, 1:] != ordered[:, :-1]
        edge = torch.ones((len(ordered), 1), dtype=torch.bool, device=values.device)
        # The first and the last position of each group of equal values.
        first = torch.where(torch.cat([edge, differs], 1), position, 0).cummax(1).values
        last = torch.where(torch.cat([differs, edge], 1), position, p).flip(1).cummin(1).values
        doubled = first + last.flip(1) + 2
        scores[start : start + step].scatter_(1, order, table[doubled])
    return scores


def _fit_strongest(problem: "_Problem", seed: int) -> tuple[Linear, torch.Tensor]:
    """Fit with the number of features and the penalty of the lowest loss on rows held out."""
    n, p = problem.values.shape
    numbers = [number for number in (*N_STRONGEST, p) if number <= p]
    few = problem
    if n > MOST_TO_CHOOSE:
        rows = np.sort(np.random.default_rng(seed).permutation(n)[:MOST_TO_CHOOSE])
        few = problem.of_rows(torch.from_numpy(rows).to(problem.codes.device))
    best = math.inf, p, PENALTIES[0]
    for number, of_penalties in few.held_out(numbers, PENALTIES, seed).items():
        for penalty, logits in zip(PENALTIES, of_penalties, strict=True):
            _, loss = calibrate(logits, few.codes, few.weights)
            best = min(best, (loss, number, penalty))
    _, number, penalty = best
    held_out = problem.held_out([number], [penalty], seed)[number][0]
    return problem.fit(number, penalty), held_out


@dataclass(frozen=True)
class _Problem:
    """Rows (n, n_values), their classes and weights, and how to solve them."""

    values: torch.Tensor
    codes: torch.Tensor
    n_classes: int
    weights: torch.Tensor
    solve: Solve

    def of_rows(self, rows: torch.Tensor) -> "_Problem":
        return replace(
            self, values=self.values[rows], codes=self.codes[rows], weights=self.weights[rows]
        )

    def strongest(self, number: int) -> torch.Tensor:
        """The columns with the largest F-statistics, the largest first, (number,)."""
        if number == self.values.shape[1]:
            return torch.arange(number, device=self.values.device)
        one_hot = torch.nn.functional.one_hot(self.codes, self.n_classes).float()
        counts = one_hot.sum(0).clamp(min=1)[:, None]
        overall = self.values.mean(0)
        between = (counts * (one_hot.T @ self.values / counts - overall).square()).sum(0)
        total = self.values.square().sum(0) - len(self.codes) * overall.square()
        # The share of the variance between classes has the order of F, and no division by 0.
        share = torch.where(total > SMALLEST * len(self.codes), between / total, 0.0)
        return share.topk(number).indices

    def held_out(
        self, numbers: Sequence[int], penalties: Sequence[float], seed: int
    ) -> dict[int, torch.Tensor]:
        """Logits of rows from models of other rows: number -> (n_penalties, n, n_classes)."""
        n, p = self.values.shape
        device = self.values.device
        shape = len(penalties), n, self.n_classes
        logits = {
            number: torch.zeros(shape, dtype=torch.float64, device=device) for number in numbers
        }
        of_all = products_of(self.values) if p in logits else None
        most = max((number for number in numbers if number < p), default=0)
        for training, others in _folds(self.codes, seed):
            part = self.of_rows(training)
            chosen = self.values[:, part.strongest(most)]
            for number in numbers:
                rows = chosen[:, :number]
                products = of_all if number == p else products_of(rows)
                assert products is not None
                of_part = products[training][:, training]
                solutions = self.solve(of_part, part.codes, self.n_classes, part.weights, penalties)
                for i, (duals, intercept) in enumerate(solutions):
                    logits[number][i, others] = products[others][:, training] @ duals + intercept
        return logits

    def fit(self, number: int, penalty: float) -> Linear:
        columns = self.strongest(number)
        rows = self.values[:, columns]
        products = products_of(rows)
        (solution,) = self.solve(products, self.codes, self.n_classes, self.weights, [penalty])
        coef = torch.zeros((self.values.shape[1], self.n_classes), device=rows.device)
        coef[columns] = rows.T @ solution[0].float()
        return Linear(coef.cpu().numpy(), solution[1].float().cpu().numpy())


def products_of(rows: torch.Tensor) -> torch.Tensor:
    """The products of rows (n, p) with each other, float64 (n, n). Each pair is computed once."""
    n = len(rows)
    products = torch.empty((n, n), dtype=torch.float64, device=rows.device)
    for start in range(0, n, BLOCK_ROWS):
        block = slice(start, start + BLOCK_ROWS)
        below = (rows[start:] @ rows[block].T).double()
        products[start:, block] = below
        products[block, start:] = below.T
    return products


def _folds(codes: torch.Tensor, seed: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Training rows and others of each fold."""
    n_folds = min(N_FOLDS, int(torch.bincount(codes).max()))
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():  # of classes with fewer rows than folds
        warnings.filterwarnings("ignore", message="The least populated class")
        parts = list(folds.split(np.zeros((len(codes), 1)), codes.cpu()))
    move = lambda rows: torch.from_numpy(rows).to(codes.device)  # noqa: E731
    return [(move(training), move(others)) for training, others in parts]
