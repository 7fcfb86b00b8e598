"""Pairs of methods on the same test rows, and over tables.

On one table, the difference of two methods has a 95% interval for two sources of chance:

- the rows: the difference of each test row (1 if only the first method is right, -1 if only the
  second) is summed over the seeds that tested it. For one seed the interval excludes 0 if and only
  if McNemar's test does (Psychometrika 12, 1947; corrected for continuity by Edwards 1948). For
  several each row is a cluster: the variance is that of the sums of the clusters, if the methods
  are equal (as in Obuchowski, Stat. Med. 17, 1998). If the table has groups of rows, each group is
  a cluster, and Student's t replaces the normal distribution, because groups may be few;
- the seeds: Student's t of the paired differences. Splits of the same rows are corrected after
  Nadeau and Bengio (`statistics.t_interval`), which covers the rows too, so the wider of both
  intervals is used. Seeds of an official split share their test rows: the two variances add up.
  For tables that are generated anew for each seed, both are wider than they must be.

Over tables: Wilcoxon's signed-rank test with Holm's correction (Demšar, JMLR 7, 2006), and the
Bayesian signed-rank test with a region of practical equivalence (Benavoli et al., JMLR 18, 2017).
Variants of a table (`statistics.base_table`) are averaged and count once.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from reports.results import Group, Results
from reports.statistics import LEVEL, Estimate, base_table, best_of, estimate

EQUIVALENT = 0.01  # differences of accuracy up to this size are practically none
FEWEST_TABLES = 6  # with five, Wilcoxon's test cannot reach p < 0.05
N_SAMPLES = 5000  # of the Bayesian test
DIGITS = 12  # differences are rounded, so that equal means are equal

Cells = list[tuple[dict[str, Any], dict[str, Any]]]


@dataclass(frozen=True)
class _Hits:
    """The test rows of a cell, ascending, their labels, and 1.0 if the prediction is right.

    `groups` are None if they are not stored or the table has none.
    """

    rows: np.ndarray
    labels: np.ndarray
    is_right: np.ndarray
    groups: np.ndarray | None


class Pairs:
    """Differences between methods of a result, on the rows that both predicted."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self._hits: dict[str, _Hits | None] = {}

    def difference(self, group: Group, other: Group) -> Estimate | None:
        """Return accuracy of `group` minus that of `other`, or None without a common seed.

        Seeds count on which both are ok with the same test rows. Ends are None if there is no
        interval: one seed without stored predictions, or an official split without them.
        """
        cells = self._common(group, other)
        if not cells:
            return None
        first = cells[0][0]
        is_official = first["split"] == "official"
        overlap = 0.0 if is_official else first["n_test"] / first["n_train"]
        values = [round(a["accuracy"] - b["accuracy"], DIGITS) for a, b in cells]
        of_seeds = estimate(values, overlap)
        assert of_seeds is not None
        half_of_rows, half = self._half_of_rows(cells), of_seeds.half
        if half_of_rows is None:
            half = None if is_official else half
        elif half is None:
            half = half_of_rows
        else:
            half = math.hypot(half, half_of_rows) if is_official else max(half, half_of_rows)
        if half is None:
            return Estimate(of_seeds.mean, of_seeds.n, of_seeds.sd)
        ends = of_seeds.mean - half, of_seeds.mean + half
        return Estimate(of_seeds.mean, of_seeds.n, of_seeds.sd, *ends).within(-1.0, 1.0)

    def best_and_level(self, dataset: str) -> tuple[set[str], set[str]]:
        """Return the methods with the best mean, and those that are not shown to be worse.

        A method without an interval of its difference is in neither.
        """
        groups = {group.method: group for group in self.results.groups(dataset) if group.accuracy}
        best = best_of({name: g.accuracy.mean for name, g in groups.items() if g.accuracy})
        level = set()
        for name in set(groups) - best:
            differences = [self.difference(groups[b], groups[name]) for b in best]
            lows = [d.low for d in differences if d is not None and d.low is not None]
            if any(low <= 0 for low in lows):
                level.add(name)
        return best, level

    def _common(self, group: Group, other: Group) -> Cells:
        cells = {cell["seed"]: cell for cell in other.ok if cell["accuracy"] is not None}
        return [
            (cell, cells[cell["seed"]])
            for cell in group.ok
            if cell["seed"] in cells
            and cell["accuracy"] is not None
            and self._same_rows(cell["key"], cells[cell["seed"]]["key"])
        ]

    def _same_rows(self, key: str, other: str) -> bool:
        """Whether two cells have the same table and, as far as stored, the same test rows."""
        if self._checksum(key) != self._checksum(other):
            return False
        hits, others = self._read(key), self._read(other)
        if hits is None or others is None:
            return True
        return np.array_equal(hits.rows, others.rows) and np.array_equal(hits.labels, others.labels)

    def _half_of_rows(self, cells: Cells) -> float | None:
        """Half the interval for the test rows, or None without predictions or known groups."""
        has_groups = bool(self._facts(cells[0][0]["key"]).get("n_groups"))
        clusters: list[np.ndarray] = []
        values, rows = [], []
        for a, b in cells:
            hits, others = self._read(a["key"]), self._read(b["key"])
            if hits is None or others is None:
                return None
            cluster = hits.groups if has_groups else hits.rows
            if cluster is None:
                return None
            clusters.append(cluster)
            values.append(hits.is_right - others.is_right)
            rows.append(hits.rows)
        _, number = np.unique(np.concatenate(clusters), return_inverse=True)
        sums = np.bincount(number, np.concatenate(values))
        if has_groups and len(sums) < 2:
            return None
        freedom = len(sums) - 1 if has_groups else math.inf
        quantile = float(special.stdtrit(freedom, (1 + LEVEL) / 2))
        n_rows = len(np.unique(np.concatenate(rows)))
        return quantile * math.sqrt(float(np.square(sums).sum())) / len(number) + 1 / n_rows

    def _facts(self, key: str) -> dict[str, Any]:
        return self.results.records[key]["dataset"]

    def _checksum(self, key: str) -> str:
        return str(self._facts(key).get("checksum"))

    def _read(self, key: str) -> _Hits | None:
        if key not in self._hits:
            read = self.results.source.array
            names = ("test_rows", "y_test", "probabilities")
            rows, labels, probabilities = (read(key, name) for name in names)
            hits = None
            if rows is not None and labels is not None and probabilities is not None:
                order = np.argsort(rows, kind="stable")
                is_right = (probabilities.argmax(1) == labels).astype(float)
                rows, groups = rows[order], read(key, "test_groups")
                groups = None if groups is None else groups[order]
                hits = _Hits(rows, labels[order], is_right[order], groups)
            self._hits[key] = hits
        return self._hits[key]


@dataclass(frozen=True)
class Comparison:
    """A method against a reference over tables.

    Parameters
    ----------
    method : str
    n_tables : int
        Tables with a seed on which both are ok.
    n_missing : int
        Tables on which only the reference is ok.
    n_alone : int
        Tables on which only the method is ok.
    mean : float or None
        Mean difference, method minus reference.
    wins, ties, losses : int
        Tables with a difference above, within and below the region of equivalence.
    p : float or None
        Wilcoxon's signed-rank test, corrected by Holm over the tested methods of the list. None
        with fewer than six tables.
    better, equal, worse : float or None
        Posterior probabilities of the Bayesian signed-rank test that a better, equivalent or worse
        method is the most probable outcome.
    """

    method: str
    n_tables: int
    n_missing: int
    n_alone: int
    mean: float | None
    wins: int
    ties: int
    losses: int
    p: float | None = None
    better: float | None = None
    equal: float | None = None
    worse: float | None = None


def compare_over_tables(
    results: Results, reference: str, measure: str = "balanced_accuracy"
) -> list[Comparison]:
    """Compare each method with a reference, the largest mean difference first.

    A table counts with its mean over the seeds on which both are ok.

    Parameters
    ----------
    results : Results
    reference : str
        A method label.
    measure : str, default="balanced_accuracy"
        A column of which larger values are better.

    Returns
    -------
    list of Comparison
    """
    names = [name for name in results.methods if name != reference]
    values = {name: table_differences(results, name, reference, measure) for name in names}
    p = correct([wilcoxon(np.array(list(of_tables.values()))) for of_tables in values.values()])
    compared = [
        _compare(results, name, reference, np.array(list(values[name].values())), value)
        for name, value in zip(names, p, strict=True)
    ]
    return sorted(compared, key=lambda c: math.inf if c.mean is None else -c.mean)


def _compare(
    results: Results, name: str, reference: str, values: np.ndarray, p: float | None
) -> Comparison:
    of_method, of_reference = _tables_of(results, name), _tables_of(results, reference)
    wins, losses = int((values > EQUIVALENT).sum()), int((values < -EQUIVALENT).sum())
    return Comparison(
        name,
        len(values),
        len(of_reference - of_method),
        len(of_method - of_reference),
        float(values.mean()) if len(values) else None,
        wins,
        len(values) - wins - losses,
        losses,
        p,
        *(bayesian_signed_rank(values) if p is not None else ()),
    )


def table_differences(
    results: Results, method: str, reference: str, measure: str
) -> dict[str, float]:
    """The mean difference on each table, over common seeds and over the variants of the table."""
    differences: dict[str, list[float]] = defaultdict(list)
    for dataset in results.datasets:
        group, base = results.group(dataset, method), results.group(dataset, reference)
        if group is None or base is None:
            continue
        own, others = _by_seed(group, measure), _by_seed(base, measure)
        if common := own.keys() & others.keys():
            mean = np.mean([own[seed] - others[seed] for seed in sorted(common)])
            differences[base_table(dataset)].append(float(mean))
    return {name: round(float(np.mean(listed)), DIGITS) for name, listed in differences.items()}


def _by_seed(group: Group, measure: str) -> dict[int, float]:
    return {cell["seed"]: cell[measure] for cell in group.ok if cell[measure] is not None}


def _tables_of(results: Results, method: str) -> set[str]:
    """The tables on which a method is ok."""
    groups = ((name, results.group(name, method)) for name in results.datasets)
    return {base_table(name) for name, group in groups if group is not None and group.ok}


def wilcoxon(values: np.ndarray) -> float | None:
    """The p-value of Wilcoxon's signed-rank test, or None for fewer than six differences."""
    from scipy import stats  # takes a second to import

    if len(values) < FEWEST_TABLES:
        return None
    if not values.any():
        return 1.0
    return float(stats.wilcoxon(values, zero_method="zsplit").pvalue)


def bayesian_signed_rank(values: np.ndarray) -> tuple[float, float, float]:
    """The probabilities of better, equal and worse of differences (n,), see `Comparison`.

    Each draw weighs the differences, and a prior one of 0 with weight 0.5, by a Dirichlet
    distribution. The outcome of a draw is that of most weight among the means of two differences.
    """
    known = np.concatenate([[0.0], values])
    concentration = np.ones(len(known))
    concentration[0] = 0.5
    weights = np.random.default_rng(0).dirichlet(concentration, N_SAMPLES)
    means = (known[:, None] + known) / 2
    better, worse = (
        np.einsum("si,ij,sj->s", weights, is_beyond.astype(float), weights, optimize=True)
        for is_beyond in (means > EQUIVALENT, means < -EQUIVALENT)
    )
    outcome = np.stack([better, 1 - better - worse, worse], axis=1).argmax(1)
    shares = np.bincount(outcome, minlength=3) / N_SAMPLES
    return float(shares[0]), float(shares[1]), float(shares[2])


def correct(p: Sequence[float | None]) -> list[float | None]:
    """Correct p-values for their number (Holm, Scand. J. Stat. 6, 1979). None is no test.

    Examples
    --------
    >>> correct([0.01, None, 0.04, 0.03])
    [0.03, None, 0.06, 0.06]
    """
    tested = [i for i, value in enumerate(p) if value is not None]
    ascending = sorted(tested, key=lambda i: p[i] or 0.0)
    corrected: list[float | None] = [None] * len(p)
    largest = 0.0
    for place, i in enumerate(ascending):
        largest = max(largest, (len(tested) - place) * (p[i] or 0.0))
        corrected[i] = round(min(1.0, largest), DIGITS)
    return corrected
