"""Screen for features, and pairs of features, that differ between the classes.

The screen compares means (first order), variances (diagonal second order) and the covariances of
all pairs (full second order, the class-weighted X'X). The two features of an XOR have the same
distribution in both classes: only their product depends on the class. The screen opens gates
(`opening`) before training. Training closes those that do not help.

Screening before a model: Fan & Lv 2008 ("sure independence screening"). False discovery rates:
Benjamini & Hochberg 1995 with the share of null features by Storey 2002.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from scipy import optimize

from deepmapper.networks._contrasts import Flat, contrast_z, one_hot, p_of_z, z_of_p
from deepmapper.networks._interactions import (
    find_pairs,
    judge_groups,
    rows_for_pairs,
    tellable_classes,
)
from deepmapper.training.devices import sum_over

__all__ = ["Screen", "marginal_z", "screen"]

# A feature is sure if 1 - its false discovery rate exceeds this. A table is dense if the share of
# sure features exceeds it.
SURE = 0.95
SHARPEST = 64.0  # the largest power of z that lowers openings


@dataclass(frozen=True)
class Screen:
    """Absolute z-scores, half-normal for features without a difference.

    Parameters
    ----------
    mean, variance : array of shape (n_contrasts, n_features)
        Each class against the rest. A single row for two classes.
    pairs : int64 array of shape (m, 2)
        Pairs of features whose covariance differs between classes, the strongest first. Empty if
        there was no search.
    pair_strength : array of shape (m,)
        The z-score of each pair.
    pair_by_class : array of shape (n_contrasts, m)
        The z-score of each pair for each class.
    varies : bool array of shape (n_features,)
        Whether a feature has more than one value. Others, such as the empty pixels of an image,
        are no hypotheses: they do not change the openings of features.
    sign : array of shape (n_contrasts, n_features)
        1 where the class has the larger mean, -1 where it has the smaller one. A single row is that
        of the second class.
    pairs_searched : bool
        Whether pairs were compared. False if all rows or 200 would exceed `PAIR_BUDGET`, and if
        the rows are too few to tell a pair from chance. True if there are no pairs.
    """

    mean: np.ndarray
    variance: np.ndarray
    pairs: np.ndarray
    pair_strength: np.ndarray
    pair_by_class: np.ndarray
    varies: np.ndarray
    sign: np.ndarray
    pairs_searched: bool = False

    @cached_property
    def by_class(self) -> np.ndarray:
        """The z-score of the larger marginal difference, (n_contrasts, n_features)."""
        return z_of_p(2 * np.minimum(p_of_z(self.mean), p_of_z(self.variance)))

    @cached_property
    def strength(self) -> np.ndarray:
        """The largest z-score over classes, corrected for their number, (n_features,)."""
        return z_of_p(len(self.mean) * p_of_z(self.by_class.max(axis=0)))

    def pair_sureness(self) -> np.ndarray:
        """1 - the p-value of each pair, corrected for all pairs (Bonferroni).

        Returns
        -------
        array of shape (m,)
            Near 1 for a pair that interacts and 0 for a pair that chance explains.
        """
        n_varying = int(self.varies.sum())
        n_pairs = n_varying * (n_varying - 1) / 2
        return 1 - np.minimum(1.0, n_pairs * p_of_z(self.pair_strength))

    @property
    def is_dense(self) -> bool:
        """Whether nearly every feature that varies surely differs between the classes."""
        is_sure = self.opening()[self.varies] > SURE
        return bool(len(is_sure)) and float(is_sure.mean()) > SURE

    def opening(self, most: float = math.inf) -> np.ndarray:
        """The opening of each gate, from 0 for noise to 1 for signal.

        It is 1 - the false discovery rate at the feature's strength. Both features of a pair that
        stands out among all pairs are open too.

        Parameters
        ----------
        most : float, default=inf
            Maximum sum of all openings.

        Returns
        -------
        array of shape (n_features,)
        """
        opening = np.zeros(len(self.varies))
        opening[self.varies] = 1 - false_discovery_rate(p_of_z(self.strength[self.varies]))
        opening = self._include_pairs(opening, self.pair_sureness())
        return opening if opening.sum() <= most else self._limit(opening, most)

    def _limit(self, opening: np.ndarray, most: float) -> np.ndarray:
        """Openings that add up to `most`: weaker features are opened less.

        Each opening is multiplied by a power of (z / largest z of the class), for the class with
        the largest ratio. So a class of few samples keeps its features.
        """
        ratio = self._include_pairs(
            _relative_to_largest(self.by_class).max(axis=0),
            _relative_to_largest(self.pair_strength),
        )

        def excess(power: float) -> float:
            return float((opening * ratio**power).sum()) - most

        power = SHARPEST  # not enough if too many features are equally strong
        if excess(SHARPEST) <= 0:
            power = optimize.brentq(excess, 0.0, SHARPEST)
        return opening * ratio**power

    def _include_pairs(self, values: np.ndarray, pair_values: np.ndarray) -> np.ndarray:
        """The larger of each feature's value and those of its pairs, (n_features,)."""
        values = values.copy()
        for column in (0, 1):
            np.maximum.at(values, self.pairs[:, column], pair_values)
        return values


def most_open(n_samples: int) -> float:
    """The maximum sum of openings: n / log n, as in Fan & Lv 2008.

    With fewer samples per feature, chance decides among similar features. On `expression` at full
    size (development seed 101) single passes had a balanced accuracy of 0.969 with this limit and
    0.965 without.
    """
    return n_samples / math.log(max(n_samples, 3))


def screen(
    X: Any,
    codes: torch.Tensor,
    n_classes: int,
    *,
    interactions: bool | str = "auto",
    candidates: np.ndarray | None = None,
    seed: int = 0,
) -> Screen:
    """Compare the classes, feature by feature and pair by pair.

    Parameters
    ----------
    X : tensor of shape (n_samples, ...)
        n_features values per sample. Also an object whose `X[rows]` is such a tensor.
    codes : tensor of shape (n_samples,)
        Class codes, on the device of the rows.
    n_classes : int
    interactions : bool or "auto", default="auto"
        True searches all pairs over all rows, False searches none. "auto" searches over as many
        rows as `PAIR_BUDGET` allows, and compares the strongest over all rows. If it allows neither
        all rows nor 200, there is no search, or over 200 rows of a table of at least 1,000 within
        `LARGEST_BUDGET`. "auto" leaves out classes that are too small to tell a pair from chance.
        Constant features (the empty pixels of an image) cost nothing.
    candidates : int array of shape (m, 2), default=None
        Compare only these pairs, over all rows, still corrected for the number of all pairs.
    seed : int, default=0
        Draws the rows of "auto".

    Returns
    -------
    Screen
    """
    flat = Flat(X)
    tests = 1 if n_classes == 2 else n_classes  # two classes: class against rest is one test
    mean_z, variance_z, centre, spread, varies = marginal_z(flat, codes, n_classes)
    varying = (spread > 0).nonzero()[:, 0]
    pairs, searched = np.empty((0, 2), dtype=np.int64), len(varying) < 2
    if candidates is not None:
        pairs, searched = candidates[varies[candidates].all(1)], True
    elif interactions is not False and not searched:
        classes = list(range(n_classes)) if n_classes > 2 else [1]
        if interactions == "auto":
            n_pairs = len(varying) * (len(varying) - 1) / 2
            classes = tellable_classes(codes, classes, n_pairs)
        rows = rows_for_pairs(len(codes), len(varying), interactions, len(classes), seed)
        searched = len(rows) > 0
        if searched:
            chosen = torch.from_numpy(rows).to(codes.device)
            pairs = find_pairs(flat, codes, chosen, centre, spread, varying, classes)
    judged = judge_groups(flat, codes, pairs, centre, spread, tests)
    return Screen(mean_z, variance_z, *judged, varies, _sign(centre, codes) * varies, searched)


def _sign(centre: torch.Tensor, codes: torch.Tensor) -> np.ndarray:
    """The sign of each class mean minus the mean of all rows. Of two classes, the second's."""
    share = torch.bincount(codes, minlength=len(centre)).to(centre.dtype) / len(codes)
    sign = (centre - share @ centre).sign().cpu().numpy()
    return sign[1:] if len(sign) == 2 else sign


def false_discovery_rate(p: np.ndarray) -> np.ndarray:
    """q-values of p-values, (n,): the share of nulls among all p-values up to each.

    Examples
    --------
    >>> false_discovery_rate(np.array([0.001, 0.9, 0.8, 0.7])).round(3).tolist()
    [0.004, 0.9, 0.9, 0.9]
    """
    if not (n := len(p)):
        return np.empty(0)
    null_share = min(1.0, (np.sum(p > 0.5) + 1) / (0.5 * n))
    order = np.argsort(p)
    q = null_share * n * p[order] / np.arange(1, n + 1)
    result = np.empty(n)
    result[order] = np.minimum(1.0, np.minimum.accumulate(q[::-1])[::-1])
    return result


def _relative_to_largest(z: np.ndarray) -> np.ndarray:
    """z divided by the largest of its row, (..., n)."""
    return z / np.maximum(z.max(axis=-1, keepdims=True, initial=0.0), 1e-30)


def marginal_z(
    X: Flat, codes: torch.Tensor, n_classes: int
) -> tuple[np.ndarray, np.ndarray, torch.Tensor, torch.Tensor, np.ndarray]:
    """Compare means and variances of features, each class with the rest.

    The variance within classes is pooled. Means: Student's t. Variances: the same test on squared
    deviations from the class mean (Levene's test).

    Parameters
    ----------
    X : Flat
    codes : tensor of shape (n_samples,)
        Class codes.
    n_classes : int

    Returns
    -------
    tuple
        z of means (n_contrasts, p), z of variances (n_contrasts, p), class means (n_classes, p),
        the standard deviation within classes (p,), and whether features vary (p,).
    """
    n_per_class = torch.bincount(codes, minlength=n_classes).double()
    n_samples = len(codes)
    first = X[slice(0, 1)][0]

    def first_moments(rows: slice) -> tuple[torch.Tensor, torch.Tensor]:
        values = X[rows]
        sums = one_hot(codes[rows], n_classes).double().T @ values.double()
        return sums, (values != first).any(0)

    def higher_moments(rows: slice) -> tuple[torch.Tensor, torch.Tensor]:
        square = (X[rows] - centre[codes[rows]]).square_()
        squares = one_hot(codes[rows], n_classes).double().T @ square
        return squares, square.square_().sum(0)

    blocks = X.blocks(n_samples, 4 * n_classes)  # the sums of a block are smaller than its rows
    sums, varies = sum_over(blocks, first_moments, codes.device)
    centre = sums / n_per_class.clamp(min=1)[:, None].to(sums.device)
    squares, fourth = (each.cpu() for each in sum_over(blocks, higher_moments, codes.device))
    means, n_per_class = centre.cpu(), n_per_class.cpu()
    variance = squares.sum(0) / n_samples
    spread = variance.sqrt()
    variances = squares / n_per_class.clamp(min=1)[:, None]
    of_squares = (fourth - (n_per_class[:, None] * variances.square()).sum(0)) / n_samples
    known = varies.cpu().numpy()  # by rounding, class means of a constant may differ
    mean_z = contrast_z(means, variance, n_per_class) * known
    variance_z = contrast_z(variances, of_squares.clamp(min=0), n_per_class) * known
    return mean_z, variance_z, centre.float(), spread.float().to(codes.device), known
