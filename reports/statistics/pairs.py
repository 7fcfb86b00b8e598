"""Pairs of methods on the same test rows of one table.

On one table, the difference of two methods has a 95% interval for two sources of chance:

- the rows: the difference of each test row is summed over the seeds that tested it. For accuracies
  it is 1 if only the first method is right, and -1 if only the second. The variance is that of
  McNemar's test (Psychometrika 12, 1947; corrected for continuity by Edwards 1948): for one seed
  the interval excludes 0 if and only if that test does. For several each row is a cluster: the
  variance is that of the sums of the clusters, if the methods are equal (as in Obuchowski, Stat.
  Med. 17, 1998). For balanced accuracies a row weighs 1 / (classes x rows of its class). For log
  losses it is the paired t-test. If the table has groups of rows, each group is a cluster, and
  Student's t replaces the normal distribution, because groups may be few;
- the seeds: Student's t of the paired differences. Splits of the same rows are corrected after
  Nadeau and Bengio (`statistics.t_interval`), which covers the rows too, so the wider of both
  intervals is used. Seeds of an official split share their test rows: the two variances add up.
  Tables that are generated anew for each seed share no rows and need no correction.
"""

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from scipy import special

from bench.metrics import MAIN
from reports.results import Group, Results, overlap
from reports.statistics.estimates import DIGITS, LEVEL, Estimate, best_of, correct, estimate

LEAST_P = 1e-12
LOSS = "log_loss"  # of the measures with intervals for rows: lower is better
OF_ROWS = ("accuracy", MAIN, LOSS)
MOST_READ = 4096  # cells whose predictions are kept in memory

Cells = list[tuple[dict[str, Any], dict[str, Any]]]
Half = Callable[[float], float]  # alpha -> half the width of an interval of level 1 - alpha


@dataclass(frozen=True)
class _Hits:
    """The test rows of a cell, ascending, their labels, hits (0 or 1) and log losses.

    `groups` are None if they are not stored or the table has none.
    """

    rows: np.ndarray
    labels: np.ndarray
    is_right: np.ndarray
    losses: np.ndarray
    groups: np.ndarray | None

    def weights(self, measure: str) -> np.ndarray:
        """The weight of each row in the measure. They add up to 1."""
        if measure != MAIN:
            return np.full(len(self.rows), 1 / len(self.rows))
        _, codes, counts = np.unique(self.labels, return_inverse=True, return_counts=True)
        return 1 / (len(counts) * counts[codes])


class Pairs:
    """Differences between methods of a result, on the rows that both predicted."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self._read = lru_cache(MOST_READ)(self._read_hits)

    def difference(self, group: Group, other: Group, measure: str = MAIN) -> Estimate | None:
        """Return the measure of `group` minus that of `other`, or None without a common seed.

        Seeds count on which both are ok with the same test rows. Ends and p are None if there is no
        interval: one seed without stored predictions, or an official split without them.
        """
        cells = self._common(group, other, measure)
        if not cells:
            return None
        is_official = cells[0][0]["split"] == "official"
        values = [round(a[measure] - b[measure], DIGITS) for a, b in cells]
        difference = estimate(values)
        assert difference is not None
        of_rows = self._half_of_rows(cells, measure) if measure in OF_ROWS else None
        halves = [] if of_rows is None else [of_rows]
        if difference.sd is not None and (halves or not is_official):
            error = difference.sd * math.sqrt(1 / len(values) + overlap(cells[0][0]))
            halves.append(_half_width(error, len(values) - 1))
        if not halves:
            return replace(difference, low=None, high=None)
        join = math.hypot if is_official else max

        def half(alpha: float) -> float:
            return join(0.0, *(part(alpha) for part in halves))

        ends = difference.mean - half(1 - LEVEL), difference.mean + half(1 - LEVEL)
        p = _p_value(half, difference.mean)
        difference = replace(difference, low=ends[0], high=ends[1], p=p)
        return difference if measure == LOSS else difference.within(-1.0, 1.0)

    def from_best(
        self, dataset: str, methods: Collection[str]
    ) -> tuple[set[str], dict[str, Estimate | None]]:
        """Return the methods with the best mean, and the best minus each other method.

        The p-values are corrected by Holm for the number of the others.
        """
        groups = {g.method: g for g in self.results.groups(dataset) if g.method in methods}
        means = {name: group.main.mean for name, group in groups.items() if group.main}
        best = best_of(means)
        first = next((name for name in means if name in best), "")
        others = [name for name in means if name not in best]
        listed = [self.difference(groups[first], groups[name]) for name in others]
        p = correct([difference.p if difference else None for difference in listed])
        corrected = [d and replace(d, p=value) for d, value in zip(listed, p, strict=True)]
        return best, dict(zip(others, corrected, strict=True))

    def _common(self, group: Group, other: Group, measure: str) -> Cells:
        cells = {cell["seed"]: cell for cell in other.ok if cell[measure] is not None}
        return [
            (cell, cells[cell["seed"]])
            for cell in group.ok
            if cell["seed"] in cells
            and cell[measure] is not None
            and self._same_rows(cell["key"], cells[cell["seed"]]["key"])
        ]

    def _same_rows(self, key: str, other: str) -> bool:
        """Whether two cells have the same table and, as far as stored, the same test rows."""
        if self._facts(key).get("checksum") != self._facts(other).get("checksum"):
            return False
        hits, others = self._read(key), self._read(other)
        if hits is None or others is None:
            return True
        return np.array_equal(hits.rows, others.rows) and np.array_equal(hits.labels, others.labels)

    def _half_of_rows(self, cells: Cells, measure: str) -> Half | None:
        """Half the interval for the test rows, or None without predictions or known groups."""
        has_groups = bool(self._facts(cells[0][0]["key"]).get("n_groups"))
        listed: list[tuple[np.ndarray, ...]] = []
        for a, b in cells:
            hits, others = self._read(a["key"]), self._read(b["key"])
            if hits is None or others is None or (has_groups and hits.groups is None):
                return None
            values = (
                hits.losses - others.losses if measure == LOSS else hits.is_right - others.is_right
            )
            cluster = hits.groups if has_groups else hits.rows
            assert cluster is not None
            listed.append((cluster, hits.rows, hits.weights(measure) / len(cells), values))
        clusters, rows, weights, values = (
            np.concatenate(parts) for parts in zip(*listed, strict=True)
        )
        _, number = np.unique(clusters, return_inverse=True)
        n = int(number.max()) + 1
        if n < 2 and (has_groups or measure == LOSS):
            return None
        if measure == LOSS:
            values = (values - weights @ values) * math.sqrt(n / (n - 1))
        error = math.sqrt(float(np.square(np.bincount(number, weights * values)).sum()))
        if measure == LOSS:
            return _half_width(error, n - 1)
        _, number = np.unique(rows, return_inverse=True)
        of_rows = np.bincount(number, weights)
        differs = np.bincount(number, np.abs(values)) > 0
        step = of_rows[differs].mean() if differs.any() else of_rows.mean()
        return _half_width(error, n - 1 if has_groups else math.inf, float(step))

    def _facts(self, key: str) -> dict[str, Any]:
        return self.results.records[key]["dataset"]

    def _read_hits(self, key: str) -> _Hits | None:
        read = self.results.source.array
        names = ("test_rows", "y_test", "probabilities")
        rows, labels, probabilities = (read(key, name) for name in names)
        if rows is None or labels is None or probabilities is None:
            return None
        order = np.argsort(rows, kind="stable")
        labels, probabilities = labels[order], probabilities[order]
        true = probabilities[np.arange(len(labels)), labels].astype(float)
        losses = -np.log(np.clip(true, 1e-7, 1.0))  # as `bench.metrics.log_loss`
        is_right = (probabilities.argmax(1) == labels).astype(float)
        groups = read(key, "test_groups")
        groups = None if groups is None else groups[order]
        return _Hits(rows[order], labels, is_right, losses, groups)


def _half_width(error: float, freedom: float, step: float = 0.0) -> Half:
    """The half width of an interval with this standard error and correction for continuity."""
    return lambda alpha: float(-special.stdtrit(freedom, alpha / 2)) * error + step


def _p_value(half: Half, mean: float) -> float:
    """The alpha of the interval that ends at 0."""
    from scipy.optimize import brentq  # scipy.optimize takes a second to import

    size = abs(mean)
    if half(1.0) >= size:
        return 1.0
    if half(LEAST_P) <= size:
        return LEAST_P
    return float(10 ** brentq(lambda log: half(10**log) - size, math.log10(LEAST_P), 0.0))
