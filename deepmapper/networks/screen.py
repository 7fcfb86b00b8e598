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
from scipy import optimize, stats

from deepmapper.training.devices import has_bfloat16, in_threads

__all__ = ["Screen", "screen"]

N_PAIRS = 4096  # candidates whose strength is computed exactly
PAIR_BUDGET = 1.5e11  # multiply-adds of the search for pairs: a few seconds on two cores
LARGEST_BUDGET = 2e12  # of a table with many rows, which can confirm a pair
MANY_ROWS = 1000
FEWEST_ROWS = 200  # in a sample of fewer rows, chance covariances of many pairs exceed true ones
DETECTED = 0.05  # p-value of a pair, corrected for all, that rows must be able to reach
CANDIDATE_Z = 4.0  # weaker pairs are not candidates
# A feature is sure if 1 - its false discovery rate exceeds this. A table is dense if the share of
# sure features exceeds it.
SURE = 0.95
SHARPEST = 64.0  # the largest power of z that lowers openings
ROUNDING = 1e-6  # relative
LARGEST_Z = 37.0  # beyond it the normal tail is 0 in double precision
BLOCK = 1024  # maximum rows of a block, and features of a block of the search for pairs
SMALLEST_BLOCK = 128  # features of a block of the search for pairs with many threads
BLOCK_VALUES = 1 << 24  # maximum values of a block of rows: 64 MiB


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
    varies : bool array of shape (n_features,)
        Whether a feature has more than one value. Others, such as the empty pixels of an image,
        are no hypotheses: they do not change the openings of features.
    pairs_searched : bool
        Whether pairs were compared. False if all rows or 200 would exceed `PAIR_BUDGET`, and if
        the rows are too few to tell a pair from chance. True if there are no pairs.
    """

    mean: np.ndarray
    variance: np.ndarray
    pairs: np.ndarray
    pair_strength: np.ndarray
    varies: np.ndarray
    pairs_searched: bool = False

    @cached_property
    def by_class(self) -> np.ndarray:
        """The z-score of the larger marginal difference, (n_contrasts, n_features)."""
        return _z_of_p(2 * np.minimum(_p_of_z(self.mean), _p_of_z(self.variance)))

    @cached_property
    def strength(self) -> np.ndarray:
        """The largest z-score over classes, corrected for their number, (n_features,)."""
        return _z_of_p(len(self.mean) * _p_of_z(self.by_class.max(axis=0)))

    def pair_sureness(self) -> np.ndarray:
        """1 - the p-value of each pair, corrected for all pairs (Bonferroni).

        Returns
        -------
        array of shape (m,)
            Near 1 for a pair that interacts and 0 for a pair that chance explains.
        """
        n_varying = int(self.varies.sum())
        n_pairs = n_varying * (n_varying - 1) / 2
        return 1 - np.minimum(1.0, n_pairs * _p_of_z(self.pair_strength))

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
        opening[self.varies] = 1 - false_discovery_rate(_p_of_z(self.strength[self.varies]))
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
    flat = _Flat(X)
    tests = 1 if n_classes == 2 else n_classes  # two classes: class against rest is one test
    mean_z, variance_z, centre, spread, varies = _marginal_z(flat, codes, n_classes)
    pairs, pair_z = np.empty((0, 2), dtype=np.int64), np.empty(0)
    varying = (spread > 0).nonzero()[:, 0]
    if candidates is not None:
        usable = candidates[varies[candidates].all(1)]
        pairs, pair_z = _judge_pairs(flat, codes, usable, centre, spread, tests)
        return Screen(mean_z, variance_z, pairs, pair_z, varies, True)
    if interactions is False or len(varying) < 2:
        return Screen(mean_z, variance_z, pairs, pair_z, varies, len(varying) < 2)
    classes = list(range(n_classes)) if n_classes > 2 else [1]
    if interactions == "auto":
        classes = _tellable_classes(codes, classes, len(varying))
    rows = _rows_for_pairs(len(codes), len(varying), interactions, len(classes), seed)
    if len(rows):
        chosen = torch.from_numpy(rows).to(codes.device)
        pairs = _find_pairs(flat, codes, chosen, centre, spread, varying, classes)
        pairs, pair_z = _judge_pairs(flat, codes, pairs, centre, spread, tests)
    return Screen(mean_z, variance_z, pairs, pair_z, varies, len(rows) > 0)


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


class _Flat:
    """Rows of X as (n_rows, n_features)."""

    def __init__(self, X: Any) -> None:
        self.X = X

    def __getitem__(self, rows: slice | torch.Tensor) -> torch.Tensor:
        return self.X[rows].flatten(1)

    def blocks(self, n_rows: int) -> list[slice]:
        step = max(1, min(BLOCK, BLOCK_VALUES // math.prod(self.X.shape[1:])))
        return [slice(start, min(start + step, n_rows)) for start in range(0, n_rows, step)]


def _marginal_z(
    X: _Flat, codes: torch.Tensor, n_classes: int
) -> tuple[np.ndarray, np.ndarray, torch.Tensor, torch.Tensor, np.ndarray]:
    """z of means, z of variances, class means, the sd within classes, and whether features vary.

    Shapes: (n_contrasts, p), (n_contrasts, p), (n_classes, p), (p,), (p,). Each class is compared
    with the rest, with the variance within classes pooled. Means: Student's t. Variances: the same
    test on squared deviations from the class mean (Levene's test).
    """
    n_per_class = torch.bincount(codes, minlength=n_classes).double()
    n_samples = len(codes)
    sums: Any = 0.0
    first = X[slice(0, 1)][0]
    varies = torch.zeros_like(first, dtype=torch.bool)
    for rows in X.blocks(n_samples):
        values = X[rows]
        sums = sums + _one_hot(codes[rows], n_classes).T @ values
        varies |= (values != first).any(0)
    centre = sums.double() / n_per_class.clamp(min=1)[:, None].to(sums.device)
    squares: Any = 0.0
    fourth: Any = 0.0
    for rows in X.blocks(n_samples):
        square = (X[rows] - centre.float()[codes[rows]]).square_()
        squares = squares + _one_hot(codes[rows], n_classes).T @ square
        fourth = fourth + square.square_().sum(0)
    squares, fourth = squares.double().cpu(), fourth.double().cpu()
    means, n_per_class = centre.cpu(), n_per_class.cpu()
    variance = squares.sum(0) / n_samples
    spread = variance.sqrt()
    variances = squares / n_per_class.clamp(min=1)[:, None]
    of_squares = (fourth - (n_per_class[:, None] * variances.square()).sum(0)) / n_samples
    known = varies.cpu().numpy()  # by rounding, class means of a constant may differ
    mean_z = _contrast_z(means, variance, n_per_class) * known
    variance_z = _contrast_z(variances, of_squares.clamp(min=0), n_per_class) * known
    return mean_z, variance_z, centre.float(), spread.float().to(codes.device), known


def _contrast_z(
    means: torch.Tensor, variance: torch.Tensor, n_per_class: torch.Tensor
) -> np.ndarray:
    """|z| of class mean minus mean of the rest, (n_classes, n_columns).

    Two classes have one row. `means` are (n_classes, n_columns). `variance`, (n_columns,), is the
    variance within classes before the correction for the degrees of freedom.
    """
    n = n_per_class.sum()
    freedom = max(float(n - (n_per_class > 0).sum()), 1.0)
    rest = (n - n_per_class).clamp(min=1)[:, None]
    total = (n_per_class[:, None] * means).sum(0)
    difference = means - (total - n_per_class[:, None] * means) / rest
    standard_error = (
        variance * (n / freedom) * (1 / n_per_class.clamp(min=1)[:, None] + 1 / rest)
    ).sqrt()
    # Without variance within classes a difference beyond rounding is certain.
    differs = difference.abs() > ROUNDING * means.abs().amax(0)
    certain = torch.where(differs, math.inf, 0.0)
    t = torch.where(standard_error > 0, difference / standard_error, certain).abs()
    if len(means) == 2:  # both rows are the same test
        t = t[:1]
    return _z_of_p(2 * stats.t.sf(t.numpy(), freedom))


def _tellable_classes(codes: torch.Tensor, classes: list[int], p: int) -> list[int]:
    """The classes with enough rows to tell one pair from chance among all pairs of p features.

    If a pair of normal features decides the class by the sign of its product, the expected z of
    class against rest is about the square root of 4 / (1 / n_c + 1 / (n - n_c)).
    """
    n_pairs = p * (p - 1) / 2 * len(classes)
    needed = float(_z_of_p(np.array(DETECTED / n_pairs)))
    counts = [int((codes == c).sum()) for c in classes]
    n = len(codes)
    return [
        c
        for c, count in zip(classes, counts, strict=True)
        if 0 < count < n and 4 / (1 / count + 1 / (n - count)) >= needed**2
    ]


def _rows_for_pairs(
    n: int, p: int, interactions: bool | str, n_contrasts: int, seed: int
) -> np.ndarray:
    """The rows of the search for pairs, ascending. Empty if there is no search."""
    if not n_contrasts:
        return np.empty(0, dtype=np.int64)
    cost = p**2 * max(1, n_contrasts / 2)  # of a row
    n_rows = n if interactions is True else min(n, int(PAIR_BUDGET / cost))
    if n_rows < min(n, FEWEST_ROWS):
        if n < MANY_ROWS or FEWEST_ROWS * cost > LARGEST_BUDGET:
            return np.empty(0, dtype=np.int64)
        n_rows = FEWEST_ROWS
    return np.sort(np.random.default_rng(seed).permutation(n)[:n_rows])


def _find_pairs(
    X: _Flat,
    codes: torch.Tensor,
    rows: torch.Tensor,
    centre: torch.Tensor,
    spread: torch.Tensor,
    varying: torch.Tensor,
    classes: list[int],
) -> np.ndarray:
    """The pairs that stand out in these rows, int64 (m, 2), m <= N_PAIRS.

    Each of `classes` is compared with the rest, in reduced precision.
    """
    labels = codes[rows]
    columns = slice(None) if len(varying) == len(spread) else varying
    centre, factor = centre[:, columns], 1 / spread[columns]
    deviations = torch.cat(
        [
            (X[rows[part]][:, columns] - centre[codes[rows[part]]]).mul_(factor).clamp_(-5, 5)
            for part in X.blocks(len(rows))
        ]
    )
    candidates = _find_candidates(deviations, labels, classes)
    return varying.cpu().numpy()[candidates]


def _judge_pairs(
    X: _Flat,
    codes: torch.Tensor,
    pairs: np.ndarray,
    centre: torch.Tensor,
    spread: torch.Tensor,
    tests: int,
) -> tuple[np.ndarray, np.ndarray]:
    """The given pairs, int64 (m, 2), and their z-scores over all rows (m,), strongest first.

    Deviations from the class means are multiplied, so that two marginal differences do not count as
    an interaction. The largest z over classes is corrected for their number.
    """
    if not len(pairs):
        return np.empty((0, 2), dtype=np.int64), np.empty(0)
    features, positions = np.unique(pairs, return_inverse=True)
    columns = torch.from_numpy(features).to(codes.device)
    first, second = torch.from_numpy(positions.reshape(pairs.shape).T).to(codes.device)
    centre, factor = centre[:, columns], 1 / spread[columns]
    n, n_classes = len(codes), len(centre)
    sums = torch.zeros((n_classes, len(pairs)), dtype=torch.float64, device=codes.device)
    squares = torch.zeros(len(pairs), dtype=torch.float64, device=codes.device)
    for rows in X.blocks(n):
        deviations = (X[rows][:, columns] - centre[codes[rows]]).mul_(factor).clamp_(-5, 5)
        one_hot = _one_hot(codes[rows], n_classes).double()
        for part in torch.arange(len(pairs)).split(256):
            products = (deviations[:, first[part]] * deviations[:, second[part]]).double()
            sums[:, part] += one_hot.T @ products
            squares[part] += products.square().sum(0)
    n_per_class = torch.bincount(codes, minlength=n_classes).double()
    means = sums / n_per_class.clamp(min=1)[:, None]
    variance = (squares - (n_per_class[:, None] * means.square()).sum(0)).clamp(min=0) / n
    z = _contrast_z(means.cpu(), variance.cpu(), n_per_class.cpu()).max(axis=0)
    z = _z_of_p(tests * _p_of_z(z))
    order = np.argsort(-z, kind="stable")
    return pairs[order], z[order]


def _find_candidates(
    deviations: torch.Tensor, labels: torch.Tensor, classes: list[int]
) -> np.ndarray:
    """Pairs (m, 2) with the largest differences of covariance, m <= N_PAIRS.

    Rows of X'X are computed in blocks, so that memory does not hold all pairs.
    """
    p, device = deviations.shape[1], deviations.device
    low_precision = device.type == "cuda" or has_bfloat16()
    values = deviations.to(torch.bfloat16) if low_precision else deviations
    n_threads = torch.get_num_threads() if device.type == "cpu" else 1
    n_rows = max(SMALLEST_BLOCK, BLOCK // n_threads)
    strongest = [_StrongestPairs(device) for _ in range(n_threads)]
    for weight in _contrasts(labels, classes):
        weighted = values * weight.to(values.dtype)[:, None]

        def search(thread: int, weighted: torch.Tensor = weighted) -> None:
            for start in range(n_rows * thread, p, n_rows * n_threads):
                # Features before `start` belong to earlier blocks.
                z = (weighted[:, start : start + n_rows].T @ values[:, start:]).abs_()
                z[:, : z.shape[0]].triu_(1)
                strongest[thread].add(z, start)

        in_threads(search, n_threads)
    for other in strongest[1:]:
        strongest[0].join(other.pairs, other.z)
    return np.unique(strongest[0].pairs.cpu().numpy(), axis=0)


class _StrongestPairs:
    """The pairs of largest z so far, int64 (m, 2), and their z (m,), m <= N_PAIRS."""

    def __init__(self, device: torch.device) -> None:
        self.pairs = torch.empty((0, 2), dtype=torch.int64, device=device)
        self.z = torch.empty(0, device=device)
        self.bar = CANDIDATE_Z

    def add(self, z: torch.Tensor, start: int) -> None:
        """Add a block of z whose first row and column are the feature `start`."""
        first, second = (z > self.bar).nonzero(as_tuple=True)
        self.join(torch.stack([first, second], 1) + start, z[first, second].float())

    def join(self, pairs: torch.Tensor, z: torch.Tensor) -> None:
        self.pairs, self.z = torch.cat([self.pairs, pairs]), torch.cat([self.z, z])
        if len(self.pairs) > N_PAIRS:
            self.z, best = self.z.topk(N_PAIRS)
            self.pairs, self.bar = self.pairs[best], max(self.bar, float(self.z[-1]))


def _contrasts(labels: torch.Tensor, classes: list[int]) -> list[torch.Tensor]:
    """Weights of samples (n,), so that X' diag(weight) X is the z of covariance."""
    n, contrasts = len(labels), []
    for c in classes:
        n_c = int((labels == c).sum())
        if 0 < n_c < n:
            scale = 1 / math.sqrt(1 / n_c + 1 / (n - n_c))
            contrasts.append(torch.where(labels == c, scale / n_c, -scale / (n - n_c)))
    return contrasts


def _one_hot(codes: torch.Tensor, n_classes: int) -> torch.Tensor:
    return torch.nn.functional.one_hot(codes, n_classes).float()


def _p_of_z(z: np.ndarray) -> np.ndarray:
    """Two-sided p-values of absolute z-scores."""
    return 2 * stats.norm.sf(np.minimum(z, LARGEST_Z))


def _z_of_p(p: np.ndarray) -> np.ndarray:
    """Absolute z-scores of two-sided p-values. Values above 1 count as 1."""
    return np.minimum(stats.norm.isf(np.clip(p, 0.0, 1.0) / 2), LARGEST_Z)
