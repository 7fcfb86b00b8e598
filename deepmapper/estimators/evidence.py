"""How sure it is that a feature differs between the classes, and by which kind of evidence.

- "marginal": the coefficient of a ridge regression of the class on all features. Strong shrinkage
  makes it a t-test that leaves out what correlated features share.
- "variance": the class differs from the rest in the squared deviations from the class means.
- "pair": the covariance with another feature differs, corrected for the number of all pairs.
- "triple": the mean product with two other features differs, corrected for the number of all
  triples.

p-values of the first two come from labels in random orders, pooled over features (Efron &
Tibshirani 2002). Beyond the largest value by chance they go on as the tail of a normal distribution
does. The p-value of a feature is the smallest of p / weight, with weights that add up to 1 (a
weighted Bonferroni correction, Genovese, Roeder & Wasserman 2006). q-values are Storey's (2002),
and at least twice the p-value of the strongest feature of all. So nothing is named where nothing
is, also if features are correlated.

With n rows and p features the regression is solved between rows and costs n^2 p, not p^3 (Saunders,
Gammerman & Vovk 1998).
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from scipy import stats

from deepmapper.estimators._linear import products_of
from deepmapper.networks._contrasts import Flat
from deepmapper.networks._interactions import TRIPLE_BUDGET, find_triples
from deepmapper.networks.screen import SURE, Screen, false_discovery_rate, marginal_z, screen

__all__ = ["KINDS", "Evidence", "find_evidence"]

KINDS = ("marginal", "variance", "pair", "triple")
WEIGHTS = (0.93, 0.05, 0.01, 0.01)
# lambda of the ridge, in units of the mean eigenvalue. On `expression` (development seeds 100 to
# 102; 900 x 5,000, 273 x 20,000 and 75 x 20,000) the AUPRC of the markers was within 0.006 of its
# best from 3 to 5.
SHRINKAGE = 4.0
MOST_ROWS = 4000  # of the regression. More rows are drawn from.
MOST_VALUES = 1 << 26  # of those rows, 256 MiB
FEWEST_ROWS = 200  # with fewer, and not all rows, the tests of the screen are used
MOST_PERMUTATIONS, FEWEST_PERMUTATIONS = 99, 19
CHANCE_VALUES = 1e7  # statistics by chance, in all permutations
LIKELY, HARDLY_CHANCE = 0.1, 0.001  # p-values
MOST_SURE = 100  # pairs and triples
MANY = 0.05  # share of features that surely differ alone: with more, triples are not searched
LARGEST = 1e4  # -log p of a feature that is certain


@dataclass(frozen=True)
class Evidence:
    """The evidence for each feature of each class. One row for two classes.

    Parameters
    ----------
    log_p : array of shape (n_kinds, n_contrasts, n_features)
        Natural logarithms of the p-values of the kinds, in the order of `KINDS`.
    global_p : float
        The p-value of the strongest feature of all.
    sign : array of shape (n_contrasts, n_features)
        1 where the class has larger values, -1 where it has smaller ones.
    partner : int array of shape (n_features, 3)
        The feature that forms the strongest pair with it, and the two of the strongest triple. -1
        without one.
    pairs_searched, triples_searched : bool
        Whether they were compared at all.
    pairs : int array of shape (m, 2)
        The strongest pairs, if the best of them is likely (p < 0.1, corrected for all pairs).
    sure : int array of shape (m, 3)
        Pairs (the last is -1) and triples that are hardly chance (p < 0.001, corrected for all),
        at most 100, the strongest first.
    """

    log_p: np.ndarray
    global_p: float
    sign: np.ndarray
    partner: np.ndarray
    pairs_searched: bool
    triples_searched: bool
    pairs: np.ndarray
    sure: np.ndarray

    @property
    def kind(self) -> np.ndarray:
        """The index in `KINDS` of the strongest evidence, (n_contrasts, n_features)."""
        return _weighted(self.log_p).argmin(axis=0)

    @property
    def strength(self) -> np.ndarray:
        """-log of the p-value over all kinds, (n_contrasts, n_features)."""
        return np.clip(-_weighted(self.log_p).min(axis=0), 0, LARGEST)

    @property
    def q_value(self) -> np.ndarray:
        """The false discovery rate at each feature's strength, (n_contrasts, n_features)."""
        p = np.exp(-self.strength)
        q = false_discovery_rate(p.ravel()).reshape(p.shape)
        return np.minimum(1.0, np.maximum(q, 2 * self.global_p))

    def of_features(self, pixel_of_feature: np.ndarray) -> "Evidence":
        """The same of features, from that of the pixels of flattened images.

        Parameters
        ----------
        pixel_of_feature : int array of shape (n_features,)
            Flat index of each feature's pixel.

        Returns
        -------
        Evidence
        """
        feature_of_pixel = np.full(self.log_p.shape[2] + 1, -1)  # the last stands for no partner
        feature_of_pixel[pixel_of_feature] = np.arange(len(pixel_of_feature))
        return replace(
            self,
            log_p=self.log_p[:, :, pixel_of_feature],
            sign=self.sign[:, pixel_of_feature],
            partner=feature_of_pixel[self.partner[pixel_of_feature]],
            pairs=feature_of_pixel[self.pairs],
            sure=feature_of_pixel[self.sure],
        )


def find_evidence(
    X: Any,
    codes: torch.Tensor,
    n_classes: int,
    *,
    interactions: bool | str = "auto",
    seed: int = 0,
) -> Evidence:
    """Compare the classes feature by feature, all together, and pair by pair.

    Parameters
    ----------
    X : tensor of shape (n_samples, ...)
        n_features values per sample. Also an object whose `X[rows]` is such a tensor.
    codes : tensor of shape (n_samples,)
        Class codes, on the device of the rows.
    n_classes : int
    interactions : bool or "auto", default="auto"
        Whether to search pairs, see `networks.screen.screen`. Unless it is False, triples are
        searched too (`networks._interactions.find_triples`) if few features differ alone.
    seed : int, default=0
        Draws rows, and orders of the labels.

    Returns
    -------
    Evidence
    """
    screened = screen(X, codes, n_classes, interactions=interactions, seed=seed)
    n, p = len(codes), len(screened.varies)
    n_rows = min(n, MOST_ROWS, MOST_VALUES // p)
    if n_rows < min(n, FEWEST_ROWS):
        parts = _analytic(screened)
    else:
        rng = np.random.default_rng(seed)
        rows = torch.from_numpy(np.sort(rng.permutation(n)[:n_rows])).to(codes.device)
        parts = _by_permutation(X[rows].flatten(1), codes[rows], n_classes, rng)
    of_kinds, log_global_p, sign = parts
    triples = None
    if interactions is not False and (screened.opening()[screened.varies] > SURE).mean() < MANY:
        triples = _search_triples(X, codes, n_classes, p, seed)
    none = np.empty((0, 3), dtype=np.int64), np.empty(0)
    strongest_triples, triple_strength = triples or none
    n_varying = int(screened.varies.sum())
    pair = _GroupEvidence.of(screened.pairs, screened.pair_strength, n_varying, p)
    triple = _GroupEvidence.of(strongest_triples, triple_strength, n_varying, p)
    groups = [np.tile(each.log_p, (len(sign), 1)) for each in (pair, triple)]
    log_p = np.stack([*of_kinds, *groups])
    log_p[:, :, ~screened.varies] = 0.0
    best_pair, best_triple = (each.log_p.min(initial=0.0) for each in (pair, triple))
    strongest = np.array([*log_global_p, best_pair, best_triple])
    likely_pairs = screened.pairs if best_pair < np.log(LIKELY) else screened.pairs[:0]
    return Evidence(
        log_p,
        float(np.exp(min(0.0, _weighted(strongest).min()))),
        sign,
        np.hstack([pair.partner, triple.partner]),
        screened.pairs_searched,
        triples is not None,
        likely_pairs,
        np.concatenate([triple.sure, pair.sure])[:MOST_SURE],
    )


def _search_triples(
    X: Any, codes: torch.Tensor, n_classes: int, p: int, seed: int
) -> tuple[np.ndarray, np.ndarray] | None:
    if p**3 / 6 * min(len(codes), FEWEST_ROWS) > TRIPLE_BUDGET:
        return None  # without the moments of a wide table
    flat = Flat(X)
    _, _, centre, spread, _ = marginal_z(flat, codes, n_classes)
    return find_triples(flat, codes, n_classes, centre, spread, seed)


# log p (n_contrasts, n_features) and log global p of means and of variances, sign of the means
_Parts = tuple[list[np.ndarray], list[float], np.ndarray]


def _by_permutation(
    values: torch.Tensor, labels: torch.Tensor, n_classes: int, rng: np.random.Generator
) -> _Parts:
    contrasts = _indicators(labels, n_classes)
    n_contrasts = contrasts.shape[1]
    n_permutations = CHANCE_VALUES / (n_contrasts * values.shape[1])
    n_permutations = int(np.clip(n_permutations, FEWEST_PERMUTATIONS, MOST_PERMUTATIONS))
    orders = [rng.permutation(len(labels)) for _ in range(n_permutations)]
    targets = torch.cat(
        [contrasts, *(contrasts[torch.from_numpy(order).to(labels.device)] for order in orders)], 1
    )
    values = _standardise(values)
    squares = _standardise(_deviations(values, labels, n_classes).square_())
    statistics = (
        _Statistics.of(values, _ridge_weights(values, targets), n_contrasts),
        _Statistics.of(squares, targets.float(), n_contrasts),
    )
    log_p = [each.log_p() for each in statistics]
    return log_p, [each.log_global_p() for each in statistics], np.sign(statistics[0].observed)


def _analytic(screened: Screen) -> _Parts:
    """The tests of the screen, for a table that is too wide to permute."""
    log_p = [np.log(2) + stats.norm.logsf(z) for z in (screened.mean, screened.variance)]
    log_global_p = [float(np.log(each.size) + each.min()) for each in log_p]
    return log_p, log_global_p, np.zeros(screened.mean.shape)


@dataclass(frozen=True)
class _Statistics:
    """Statistics of the features, (n_contrasts, n_features), and the same by chance.

    `chance` are the absolute values of all features, contrasts and permutations, ascending, and
    `largest` those of the strongest feature of each permutation.
    """

    observed: np.ndarray
    chance: np.ndarray
    largest: np.ndarray

    @classmethod
    def of(cls, values: torch.Tensor, weights: torch.Tensor, n_contrasts: int) -> "_Statistics":
        """Statistics values' weights. The first n_contrasts weights have the true labels."""
        observed = (values.T @ weights[:, :n_contrasts]).T
        parts = [values.T @ part for part in weights[:, n_contrasts:].split(64, dim=1)]
        chance = torch.cat(parts, dim=1).abs_().T
        largest = chance.amax(1).view(-1, n_contrasts).amax(1)
        chance = chance[:, (values != 0).any(0)]  # constant features have no chance
        return cls(
            observed.cpu().numpy(), np.sort(chance.cpu().numpy().ravel()), largest.cpu().numpy()
        )

    def log_p(self) -> np.ndarray:
        size, chance = np.abs(self.observed), self.chance
        if not len(chance):
            return np.zeros(size.shape)
        n_larger = len(chance) - np.searchsorted(chance, size)
        log_p = np.log((1 + n_larger) / (1 + len(chance)))
        sd = np.sqrt(np.mean(np.square(chance, dtype=np.float64)))
        tail = stats.norm.logsf(np.maximum(size, chance[-1]) / sd) - stats.norm.logsf(
            chance[-1] / sd
        )
        return log_p + tail

    def log_global_p(self) -> float:
        """log p of the strongest feature, by permutations, beyond them by Bonferroni."""
        n_as_large = int((self.largest >= np.abs(self.observed).max()).sum())
        log_p = np.log((1 + n_as_large) / (1 + len(self.largest)))
        if n_as_large:
            return float(log_p)
        return float(min(log_p, np.log(self.observed.size) + self.log_p().min()))


def _weighted(log_p: np.ndarray) -> np.ndarray:
    weights = np.log(WEIGHTS)
    return log_p - weights.reshape(-1, *(1,) * (log_p.ndim - 1))


def _ridge_weights(values: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Weights of the rows, (n, m): coefficients of the features are values' weights."""
    products = products_of(values)
    diagonal = products.diagonal()
    diagonal.add_(SHRINKAGE * diagonal.mean().clamp(min=1e-12))
    return torch.cholesky_solve(targets, torch.linalg.cholesky(products)).float()


def _standardise(values: torch.Tensor) -> torch.Tensor:
    """Features of mean 0 and variance 1, (n, p). Constant features are 0."""
    values = values - values.mean(0)
    spread = values.square().mean(0).sqrt_()
    return values.mul_(torch.where(spread > 1e-6, 1 / spread, 0.0))


def _deviations(values: torch.Tensor, labels: torch.Tensor, n_classes: int) -> torch.Tensor:
    """Deviations from the class means, (n, p)."""
    one_hot = torch.nn.functional.one_hot(labels, n_classes).to(values.dtype)
    means = one_hot.T @ values / one_hot.sum(0).clamp(min=1)[:, None]
    return values - means[labels]


def _indicators(codes: torch.Tensor, n_classes: int) -> torch.Tensor:
    """Standardised indicators of the classes, (n_samples, n_contrasts), float64."""
    one_hot = torch.nn.functional.one_hot(codes, n_classes).double()
    one_hot = one_hot[:, 1:] if n_classes == 2 else one_hot
    centred = one_hot - one_hot.mean(0)
    return centred / centred.square().mean(0).sqrt().clamp(min=1e-12)


@dataclass(frozen=True)
class _GroupEvidence:
    """Evidence of pairs or triples for each feature.

    Parameters
    ----------
    log_p : array of shape (n_features,)
        Of the strongest group with the feature, corrected for all groups.
    partner : int array of shape (n_features, order - 1)
        The others of that group, -1 without one.
    sure : int array of shape (m, 3)
        See `Evidence`.
    """

    log_p: np.ndarray
    partner: np.ndarray
    sure: np.ndarray

    @classmethod
    def of(
        cls, groups: np.ndarray, strength: np.ndarray, n_varying: int, n_features: int
    ) -> "_GroupEvidence":
        """From groups (m, order) with z-scores, strongest first."""
        order = groups.shape[1]
        n_groups = max(1.0, math.comb(n_varying, order))
        values = np.log(2 * n_groups) + stats.norm.logsf(strength)
        log_p, partner = np.zeros(n_features), np.full((n_features, order - 1), -1)
        for group, value in zip(groups[::-1], values[::-1], strict=True):
            if value < 0:  # the strongest group of a feature comes last and stays
                log_p[group] = value
                for place, feature in enumerate(group):
                    partner[feature] = np.delete(group, place)
        sure = groups[values < np.log(HARDLY_CHANCE)]
        return cls(log_p, partner, np.pad(sure, ((0, 0), (0, 3 - order)), constant_values=-1))
