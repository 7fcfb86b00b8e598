"""Search for pairs and triples of features whose product differs between the classes.

All groups are compared over a sample of the rows, and the strongest over all rows. Deviations from
the class means are multiplied, so that several marginal differences do not count as an interaction.
"""

import math
from typing import Any

import numpy as np
import torch

from deepmapper.networks._contrasts import BLOCK, Flat, contrast_z, one_hot, p_of_z, z_of_p
from deepmapper.training.devices import has_bfloat16, in_threads, sum_over

__all__ = ["find_pairs", "find_triples", "judge_groups", "rows_for_pairs", "tellable_classes"]

N_GROUPS = 4096  # candidates whose strength is computed over all rows
# Their products in a block of rows, 1 MiB in double precision, stay in the cache.
GROUPS_AT_A_TIME = 128
PAIR_BUDGET = 1.5e11  # multiply-adds of the search for pairs: a few seconds on two cores
LARGEST_BUDGET = 2e12  # of a table with many rows, which can confirm a pair
MANY_ROWS = 1000
FEWEST_ROWS = 200  # in a sample of fewer rows, chance covariances of many pairs exceed true ones
DETECTED = 0.05  # p-value of a pair, corrected for all, that rows must be able to reach
PAIR_Z, TRIPLE_Z = 4.0, 5.0  # weaker pairs and triples are not candidates
TRIPLE_BUDGET = 3e11  # a quarter of it for fewer than MANY_ROWS
TRIPLE_BLOCK = 256  # features
LARGEST_DEVIATION = 5.0  # standard deviations
SMALLEST_BLOCK = 128  # features of a block of the search with many threads


def tellable_classes(codes: torch.Tensor, classes: list[int], n_groups: float) -> list[int]:
    """The classes with enough rows to tell one pair or triple from chance among all.

    If normal features decide the class by the sign of their product, the expected z of class
    against rest is about the square root of 4 / (1 / n_c + 1 / (n - n_c)).
    """
    needed = float(z_of_p(np.array(DETECTED / max(1.0, n_groups * len(classes)))))
    counts = [int((codes == c).sum()) for c in classes]
    n = len(codes)
    return [
        c
        for c, count in zip(classes, counts, strict=True)
        if 0 < count < n and 4 / (1 / count + 1 / (n - count)) >= needed**2
    ]


def rows_for_pairs(
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


def find_triples(
    X: Flat,
    codes: torch.Tensor,
    n_classes: int,
    centre: torch.Tensor,
    spread: torch.Tensor,
    seed: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """The triples that stand out, int64 (m, 3), with their z-scores as in `judge_groups`.

    `centre` (n_classes, p) are class means and `spread` (p,) standard deviations within classes. A
    three-way parity has no weaker trace: no mean, variance or pair depends on the class. None if
    the search would exceed `TRIPLE_BUDGET`, or if the rows cannot tell a triple from chance.
    """
    varying = (spread > 0).nonzero()[:, 0]
    n, p = len(codes), len(varying)
    classes = list(range(n_classes)) if n_classes > 2 else [1]
    classes = tellable_classes(codes, classes, p * (p - 1) * (p - 2) / 6)
    cost = max(1, len(classes)) * p**3 / 6  # of a row
    n_rows = min(n, FEWEST_ROWS)
    budget = TRIPLE_BUDGET if n >= MANY_ROWS else TRIPLE_BUDGET / 4
    if p < 3 or not classes or n_rows * cost > budget:
        return None
    rows = np.sort(np.random.default_rng(seed).permutation(n)[:n_rows])
    chosen = torch.from_numpy(rows).to(codes.device)
    deviations = _deviations(X, codes, chosen, centre, spread, varying, 2.0)
    triples = varying.cpu().numpy()[_triple_candidates(deviations, codes[chosen], classes)]
    tests = 1 if n_classes == 2 else n_classes
    return judge_groups(X, codes, triples, centre, spread, tests)


def _triple_candidates(
    deviations: torch.Tensor, labels: torch.Tensor, classes: list[int]
) -> np.ndarray:
    """Triples (m, 3) with the largest differences of the mean product, m <= N_GROUPS.

    For each feature, the pairs of later features are compared in blocks.
    """
    p, device = deviations.shape[1], deviations.device
    n_threads = torch.get_num_threads() if device.type == "cpu" else 1
    strongest = [_Strongest(3, TRIPLE_Z, device) for _ in range(n_threads)]
    for weight in _contrasts(labels, classes):

        def search(thread: int, weight: torch.Tensor = weight) -> None:
            for first in range(thread, p - 2, n_threads):
                weighted = deviations * (weight * deviations[:, first])[:, None]
                for start in range(first + 1, p, TRIPLE_BLOCK):
                    block = weighted[:, start : start + TRIPLE_BLOCK]
                    z = block.T @ deviations[:, start:]
                    z[:, : z.shape[0]].triu_(1)
                    strongest[thread].add(z, start, first)

        in_threads(search, n_threads)
    return _join(strongest)


def find_pairs(
    X: Flat,
    codes: torch.Tensor,
    rows: torch.Tensor,
    centre: torch.Tensor,
    spread: torch.Tensor,
    varying: torch.Tensor,
    classes: list[int],
) -> np.ndarray:
    """The pairs that stand out in these rows, int64 (m, 2), m <= N_GROUPS.

    Each of `classes` is compared with the rest, in reduced precision.
    """
    deviations = _deviations(X, codes, rows, centre, spread, varying, LARGEST_DEVIATION)
    return varying.cpu().numpy()[_pair_candidates(deviations, codes[rows], classes)]


def _deviations(
    X: Flat,
    codes: torch.Tensor,
    rows: torch.Tensor,
    centre: torch.Tensor,
    spread: torch.Tensor,
    columns: torch.Tensor,
    largest: float,
) -> torch.Tensor:
    """Deviations of rows from their class means, in standard deviations, (n_rows, n_columns)."""
    every: Any = slice(None) if len(columns) == len(spread) else columns
    centre, factor = centre[:, every], 1 / spread[every]
    return torch.cat(
        [
            (X[rows[part]][:, every] - centre[codes[rows[part]]])
            .mul_(factor)
            .clamp_(-largest, largest)
            for part in X.blocks(len(rows))
        ]
    )


def judge_groups(
    X: Flat,
    codes: torch.Tensor,
    groups: np.ndarray,
    centre: torch.Tensor,
    spread: torch.Tensor,
    tests: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The given pairs or triples, int64 (m, order), and their z-scores, strongest first.

    The z-scores are those of the mean product over all rows, class against rest: (m,) the largest
    over classes, corrected for their number, and (tests, m) those of each class.
    """
    if not len(groups):
        return groups, np.empty(0), np.empty((tests, 0))
    features, positions = np.unique(groups, return_inverse=True)
    columns = torch.from_numpy(features).to(codes.device)
    places = torch.from_numpy(positions.reshape(groups.shape).T).to(codes.device)
    n, n_classes = len(codes), len(centre)

    def moments(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Sums of the products by class, (n_classes, m), and of their squares, (m,)."""
        deviations = _deviations(X, codes, rows, centre, spread, columns, LARGEST_DEVIATION)
        deviations = deviations.T.contiguous()
        indicators = one_hot(codes[rows], n_classes).double()
        sums, squares = [], []
        for part in places.split(GROUPS_AT_A_TIME, dim=1):
            products = deviations[part[0]]  # (groups, rows)
            for others in part[1:]:
                products.mul_(deviations[others])
            exact = products.double()
            sums.append((exact @ indicators).T)
            squares.append(torch.linalg.vecdot(exact, exact))
        return torch.cat(sums, 1), torch.cat(squares)

    blocks = torch.arange(n, device=codes.device).split(BLOCK)
    sums, squares = sum_over(blocks, moments, codes.device)
    n_per_class = torch.bincount(codes, minlength=n_classes).double()
    means = sums / n_per_class.clamp(min=1)[:, None]
    variance = (squares - (n_per_class[:, None] * means.square()).sum(0)).clamp(min=0) / n
    by_class = contrast_z(means.cpu(), variance.cpu(), n_per_class.cpu())
    z = z_of_p(tests * p_of_z(by_class.max(axis=0)))
    order = np.argsort(-z, kind="stable")
    return groups[order], z[order], by_class[:, order]


def _pair_candidates(
    deviations: torch.Tensor, labels: torch.Tensor, classes: list[int]
) -> np.ndarray:
    """Pairs (m, 2) with the largest differences of covariance, m <= N_GROUPS.

    Rows of X'X are computed in blocks, so that memory does not hold all pairs.
    """
    p, device = deviations.shape[1], deviations.device
    low_precision = device.type == "cuda" or has_bfloat16()
    values = deviations.to(torch.bfloat16) if low_precision else deviations
    n_threads = torch.get_num_threads() if device.type == "cpu" else 1
    n_rows = max(SMALLEST_BLOCK, BLOCK // n_threads)
    strongest = [_Strongest(2, PAIR_Z, device) for _ in range(n_threads)]
    for weight in _contrasts(labels, classes):
        weighted = values * weight.to(values.dtype)[:, None]

        def search(thread: int, weighted: torch.Tensor = weighted) -> None:
            for start in range(n_rows * thread, p, n_rows * n_threads):
                # Features before `start` belong to earlier blocks.
                z = weighted[:, start : start + n_rows].T @ values[:, start:]
                z[:, : z.shape[0]].triu_(1)
                strongest[thread].add(z, start)

        in_threads(search, n_threads)
    return _join(strongest)


class _Strongest:
    """The groups of largest z so far, int64 (m, order), and their z (m,), m <= N_GROUPS."""

    def __init__(self, order: int, bar: float, device: torch.device) -> None:
        self.groups = torch.empty((0, order), dtype=torch.int64, device=device)
        self.z = torch.empty(0, device=device)
        self.bar = bar

    def add(self, z: torch.Tensor, start: int, *first: int) -> None:
        """Add a block of z whose first row and column are the feature `start`."""
        low, high = z.aminmax()
        if max(-float(low), float(high)) <= self.bar:
            return
        places = (z.abs_() > self.bar).nonzero()
        values = z[places[:, 0], places[:, 1]].float()
        others = torch.tensor(first, dtype=torch.int64, device=z.device).expand(len(places), -1)
        self.join(torch.cat([others, places + start], 1), values)

    def join(self, groups: torch.Tensor, z: torch.Tensor) -> None:
        self.groups, self.z = torch.cat([self.groups, groups]), torch.cat([self.z, z])
        if len(self.groups) > N_GROUPS:
            self.z, best = self.z.topk(N_GROUPS)
            self.groups, self.bar = self.groups[best], max(self.bar, float(self.z[-1]))


def _join(parts: list[_Strongest]) -> np.ndarray:
    """The strongest groups of all threads, int64 (m, order)."""
    for other in parts[1:]:
        parts[0].join(other.groups, other.z)
    return np.unique(parts[0].groups.cpu().numpy(), axis=0)


def _contrasts(labels: torch.Tensor, classes: list[int]) -> list[torch.Tensor]:
    """Weights of samples (n,), so that X' diag(weight) X is the z of covariance."""
    n, contrasts = len(labels), []
    for c in classes:
        n_c = int((labels == c).sum())
        if 0 < n_c < n:
            scale = 1 / math.sqrt(1 / n_c + 1 / (n - n_c))
            contrasts.append(torch.where(labels == c, scale / n_c, -scale / (n - n_c)))
    return contrasts
