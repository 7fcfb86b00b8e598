"""How sure it is that a feature differs between the classes, and by which kind of evidence.

- "marginal": the coefficient of a ridge regression of the class on all features. Strong shrinkage
  makes it a t-test that leaves out what correlated features share. It is divided by its standard
  deviation for a feature that is independent of all others.
- "variance": the class differs from the rest in the squared deviations from the class means.
- "pair": the covariance with another feature differs, corrected for the number of all pairs.
- "triple": the mean product with two other features differs, corrected for the number of all
  triples.

p-values of the first two come from labels in random orders, pooled over features (Efron &
Tibshirani 2002). Beyond the largest value by chance they go on as the tail of a normal distribution
does. The p-value of a feature is the smallest of p / weight, with weights that add up to 1 (a
weighted Bonferroni correction, Genovese, Roeder & Wasserman 2006). q-values (Benjamini & Hochberg
1995) are of the features of one class, and at least twice the p-value of the table: of its
strongest feature, or of the number of strong ones. So nothing is named where nothing is, also if
features are correlated. A pair or triple is evidence for a class only if it also differs between
this class and the rest.

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
from deepmapper.networks.screen import SURE, Screen, marginal_z, screen

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
        The p-value of the table: by chance, no feature is as strong and not as many are strong.
    sign : array of shape (n_contrasts, n_features)
        1 where the class has the larger mean, -1 where it has the smaller one.
    partner : int array of shape (n_contrasts, n_features, 3)
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
        """The false discovery rate of each class, (n_contrasts, n_features)."""
        return self._false_discovery_rate(np.exp(-self.strength))

    @property
    def q_value_of_any(self) -> np.ndarray:
        """That of features that differ for any class, (n_features,)."""
        p = len(self.strength) * np.exp(-self.strength.max(axis=0))
        return self._false_discovery_rate(np.minimum(p, 1.0))

    def _false_discovery_rate(self, p: np.ndarray) -> np.ndarray:
        q = stats.false_discovery_control(p, axis=-1)
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
            partner=feature_of_pixel[self.partner[:, pixel_of_feature]],
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
    of_kinds, log_global_p = parts
    n_contrasts, triples = len(screened.sign), None
    if interactions is not False and (screened.opening()[screened.varies] > SURE).mean() < MANY:
        triples = _search_triples(X, codes, n_classes, p, seed)
    none = np.empty((0, 3), dtype=np.int64), np.empty(0), np.empty((n_contrasts, 0))
    n_varying = int(screened.varies.sum())
    of_pairs = screened.pairs, screened.pair_strength, screened.pair_by_class
    pair = _GroupEvidence.of(of_pairs, n_varying, p)
    triple = _GroupEvidence.of(triples or none, n_varying, p)
    log_p = np.stack([*of_kinds, pair.log_p, triple.log_p])
    log_p[:, :, ~screened.varies] = 0.0
    strongest = np.array([*log_global_p, pair.log_global_p, triple.log_global_p])
    likely_pairs = screened.pairs if pair.log_global_p < np.log(LIKELY) else screened.pairs[:0]
    return Evidence(
        log_p,
        float(np.exp(min(0.0, _weighted(strongest).min()))),
        screened.sign,
        np.concatenate([pair.partner, triple.partner], axis=-1),
        screened.pairs_searched,
        triples is not None,
        likely_pairs,
        np.concatenate([triple.sure, pair.sure])[:MOST_SURE],
    )


_Judged = tuple[np.ndarray, np.ndarray, np.ndarray]  # see `judge_groups`


def _search_triples(
    X: Any, codes: torch.Tensor, n_classes: int, p: int, seed: int
) -> _Judged | None:
    if p**3 / 6 * min(len(codes), FEWEST_ROWS) > TRIPLE_BUDGET:
        return None  # without the moments of a wide table
    flat = Flat(X)
    _, _, centre, spread, _ = marginal_z(flat, codes, n_classes)
    return find_triples(flat, codes, n_classes, centre, spread, seed)


# log p (n_contrasts, n_features) and log global p, of means and of variances
_Parts = tuple[list[np.ndarray], list[float]]


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
    return log_p, [each.log_global_p() for each in statistics]


def _analytic(screened: Screen) -> _Parts:
    """The tests of the screen, for a table that is too wide to permute."""
    log_p = [np.log(2) + stats.norm.logsf(z) for z in (screened.mean, screened.variance)]
    log_global_p = [float(np.log(each.size) + each.min()) for each in log_p]
    return log_p, log_global_p


@dataclass(frozen=True)
class _Statistics:
    """Statistics of the features, (n_contrasts, n_features), and the same by chance.

    `chance` are the absolute values of all features, contrasts and permutations, ascending,
    `largest` those of the strongest feature of each permutation, and `n_strong` the number of
    statistics of each permutation that only 1% of `chance` exceed.
    """

    observed: np.ndarray
    chance: np.ndarray
    largest: np.ndarray
    n_strong: np.ndarray

    @classmethod
    def of(cls, values: torch.Tensor, weights: torch.Tensor, n_contrasts: int) -> "_Statistics":
        """Statistics values' weights. The first n_contrasts weights have the true labels."""
        observed = (values.T @ weights[:, :n_contrasts]).T
        parts = [values.T @ part for part in weights[:, n_contrasts:].split(64, dim=1)]
        by_chance = torch.cat(parts, dim=1).abs_().T
        largest = by_chance.amax(1).view(-1, n_contrasts).amax(1)
        varies = (values != 0).any(0)  # constant features have no chance
        chance = np.sort(by_chance[:, varies].cpu().numpy().ravel())
        n_strong = (by_chance > _strong(chance)).sum(1).view(-1, n_contrasts).sum(1)
        return cls(observed.cpu().numpy(), chance, largest.cpu().numpy(), n_strong.cpu().numpy())

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
        """log p of the strongest feature or of the number of strong ones, the smaller one doubled.

        By permutations. For the strongest feature, beyond all permutations, by Bonferroni.
        """
        size = np.abs(self.observed)
        log_p = _log_share(self.largest >= size.max())
        if not (self.largest >= size.max()).any():
            log_p = min(log_p, np.log(size.size) + self.log_p().min())
        n_strong = (size > _strong(self.chance)).sum()
        return float(np.log(2) + min(log_p, _log_share(self.n_strong >= n_strong)))


def _strong(chance: np.ndarray) -> float:
    """The value that 1% of the ascending statistics by chance exceed."""
    return float(chance[int(0.99 * len(chance))]) if len(chance) else math.inf


def _log_share(of_permutations: np.ndarray) -> float:
    """log of the share of permutations that are as extreme. The true labels count as one."""
    return float(np.log((1 + of_permutations.sum()) / (1 + len(of_permutations))))


def _weighted(log_p: np.ndarray) -> np.ndarray:
    weights = np.log(WEIGHTS)
    return log_p - weights.reshape(-1, *(1,) * (log_p.ndim - 1))


def _ridge_weights(values: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Weights of the rows, (n, m): coefficients of the features are values' weights.

    Their length is 1, so that the coefficient of an independent feature has a variance of 1 both
    with the true labels and by chance. Without this, the regression on the true labels has far
    smaller coefficients than that on permuted ones if many features differ between the classes.
    """
    products = products_of(values)
    diagonal = products.diagonal()
    diagonal.add_(SHRINKAGE * diagonal.mean().clamp(min=1e-12))
    weights = torch.cholesky_solve(targets, torch.linalg.cholesky(products))
    return torch.nn.functional.normalize(weights, dim=0).float()


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
    log_p : array of shape (n_contrasts, n_features)
        Of the strongest group with the feature, corrected for all groups.
    partner : int array of shape (n_contrasts, n_features, order - 1)
        The others of that group, -1 without one.
    log_global_p : float
        Of the strongest group.
    sure : int array of shape (m, 3)
        See `Evidence`.
    """

    log_p: np.ndarray
    partner: np.ndarray
    log_global_p: float
    sure: np.ndarray

    @classmethod
    def of(cls, judged: _Judged, n_varying: int, n_features: int) -> "_GroupEvidence":
        """From groups (m, order) with z-scores (m,) and (n_contrasts, m), strongest first.

        The p-value of a class is at least that of the group, so that it needs no correction for
        all groups, only for all classes.
        """
        groups, strength, by_class = judged
        n_contrasts, order = len(by_class), groups.shape[1]
        n_groups = max(1.0, math.comb(n_varying, order))
        values = np.log(2 * n_groups) + stats.norm.logsf(strength)
        of_classes = np.maximum(values, np.log(2 * n_contrasts) + stats.norm.logsf(by_class))
        log_p = np.zeros((n_contrasts, n_features))
        partner = np.full((n_contrasts, n_features, order - 1), -1)
        for contrast, of_class in enumerate(of_classes):
            likely = np.flatnonzero(of_class < 0)
            for i in likely[np.argsort(-of_class[likely], kind="stable")]:
                log_p[contrast, groups[i]] = of_class[i]  # the strongest comes last and stays
                for place, feature in enumerate(groups[i]):
                    partner[contrast, feature] = np.delete(groups[i], place)
        sure = np.pad(
            groups[values < np.log(HARDLY_CHANCE)], ((0, 0), (0, 3 - order)), constant_values=-1
        )
        return cls(log_p, partner, float(values.min(initial=0.0)), sure)
