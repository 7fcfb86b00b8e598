"""Pairs of methods on the same test rows, and over tables.

On one table, the difference of two methods has a 95% interval that covers two sources of chance:

- the rows: the difference of each test row (1 if only the first method is right, -1 if only the
  second) is summed over the seeds that tested it. The interval is normal, with a continuity
  correction. For one seed it excludes 0 if McNemar's test (Psychometrika 12, 1947; corrected by
  Edwards 1948) does, up to rounding;
- the seeds: Student's t of the paired differences, with the correction of Nadeau and Bengio for
  splits that share rows (`statistics.t_interval`).

Over tables: Wilcoxon's signed-rank test with Holm's correction (Demšar, JMLR 7, 2006), and the
Bayesian signed-rank test with a region of practical equivalence (Benavoli et al., JMLR 18, 2017).
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from reports.results import Group, Results
from reports.statistics import LEVEL, Estimate, best_of, estimate

EQUIVALENT = 0.01  # differences of accuracy up to this size are practically none
FEWEST_TABLES = 6  # with five, Wilcoxon's test cannot reach p < 0.05
N_SAMPLES = 5000  # of the Bayesian test


class Pairs:
    """Differences between methods of a result, on the rows that both predicted."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self._hits: dict[str, tuple[np.ndarray, np.ndarray] | None] = {}

    def difference(self, group: Group, other: Group) -> Estimate | None:
        """Return accuracy of `group` minus that of `other`, or None without a common seed.

        Only seeds on which both are ok count. Without stored predictions the interval is that of
        the seeds.
        """
        cells = {cell["seed"]: cell for cell in other.ok if cell["accuracy"] is not None}
        pairs = [
            (cell, cells[cell["seed"]])
            for cell in group.ok
            if cell["seed"] in cells and cell["accuracy"] is not None
        ]
        if not pairs:
            return None
        first = pairs[0][0]
        overlap = 0.0 if first["split"] == "official" else first["n_test"] / first["n_train"]
        of_seeds = estimate([a["accuracy"] - b["accuracy"] for a, b in pairs], overlap)
        assert of_seeds is not None
        half = self._half_of_rows([(a["key"], b["key"]) for a, b in pairs])
        if half is None:
            return of_seeds
        mean = of_seeds.mean
        ends = (mean - half, mean + half, *of_seeds.ends)
        return Estimate(mean, of_seeds.n, of_seeds.sd, min(ends), max(ends))

    def level(self, dataset: str) -> tuple[set[str], set[str]]:
        """Return the methods with the best mean, and those that are not shown to be worse."""
        groups = {group.method: group for group in self.results.groups(dataset) if group.accuracy}
        means = {name: group.accuracy.mean for name, group in groups.items() if group.accuracy}
        best = best_of(means)
        level = set()
        for name in set(groups) - best:
            differences = (self.difference(groups[b], groups[name]) for b in best)
            if any(d is None or d.low is None or d.low <= 0 for d in differences):
                level.add(name)
        return best, level

    def _half_of_rows(self, keys: Sequence[tuple[str, str]]) -> float | None:
        """Half the interval for the test rows, or None without predictions."""
        sums: dict[tuple[str, int], float] = defaultdict(float)
        n = 0
        for key, other in keys:
            hits, other_hits = self._right(key), self._right(other)
            if hits is None or other_hits is None or not np.array_equal(hits[0], other_hits[0]):
                return None
            table = str(self.results.records[key]["dataset"].get("checksum"))
            for row, value in zip(hits[0].tolist(), hits[1] - other_hits[1], strict=True):
                sums[table, row] += value
            n += len(hits[0])
        of_rows = np.array(list(sums.values()))
        squares = float(np.square(of_rows - of_rows.mean()).sum())
        z = float(special.ndtri((1 + LEVEL) / 2))
        return z * squares**0.5 / n + 1 / len(of_rows)

    def _right(self, key: str) -> tuple[np.ndarray, np.ndarray] | None:
        """The test rows of a cell, and 1.0 where its prediction is right."""
        if key not in self._hits:
            read = self.results.source.array
            arrays = [read(key, name) for name in ("test_rows", "y_test", "probabilities")]
            rows, y, probabilities = arrays
            hits = None
            if rows is not None and y is not None and probabilities is not None:
                hits = rows, (probabilities.argmax(1) == y).astype(float)
            self._hits[key] = hits
        return self._hits[key]


@dataclass(frozen=True)
class Comparison:
    """A method against another over tables.

    Parameters
    ----------
    method : str
    n_tables : int
        Tables on which both are ok.
    n_failed : int
        Tables on which only the other is.
    mean : float
        Mean difference, method minus other.
    wins, ties, losses : int
        Tables with a difference above, within and below the region of equivalence.
    p : float or None
        Wilcoxon's signed-rank test, corrected by Holm over the methods of the list. None with fewer
        than six tables.
    better, equal, worse : float or None
        Probabilities of the Bayesian signed-rank test for a next table.
    """

    method: str
    n_tables: int
    n_failed: int
    mean: float
    wins: int
    ties: int
    losses: int
    p: float | None
    better: float | None
    equal: float | None
    worse: float | None


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
    differences, n_failed = _differences(results, reference, measure)
    names = [name for name, values in differences.items() if len(values)]
    p = {name: wilcoxon(differences[name]) for name in names}
    corrected = dict(zip(p, holm([1.0 if v is None else v for v in p.values()]), strict=True))
    compared = []
    for name in names:
        values = differences[name]
        counts = (values > EQUIVALENT).sum(), (values < -EQUIVALENT).sum()
        better, equal, worse = _bayesian(values) if p[name] is not None else (None,) * 3
        compared.append(
            Comparison(
                name,
                len(values),
                n_failed[name],
                float(values.mean()),
                int(counts[0]),
                int(len(values) - counts[0] - counts[1]),
                int(counts[1]),
                None if p[name] is None else corrected[name],
                better,
                equal,
                worse,
            )
        )
    return sorted(compared, key=lambda comparison: -comparison.mean)


def _differences(
    results: Results, reference: str, measure: str
) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    differences: dict[str, list[float]] = defaultdict(list)
    n_failed: dict[str, int] = defaultdict(int)
    for dataset in results.datasets:
        base = results.group(dataset, reference)
        values = {} if base is None else _by_seed(base, measure)
        for group in results.groups(dataset):
            if group.method == reference or not values:
                continue
            own = _by_seed(group, measure)
            common = own.keys() & values.keys()
            if common:
                mean = np.mean([own[seed] - values[seed] for seed in common])
                differences[group.method].append(float(mean))
            else:
                n_failed[group.method] += 1
    return {name: np.array(listed) for name, listed in differences.items()}, n_failed


def _by_seed(group: Group, measure: str) -> dict[int, float]:
    return {cell["seed"]: cell[measure] for cell in group.ok if cell[measure] is not None}


def table_means(results: Results, measure: str) -> pd.DataFrame:
    """Means over the seeds that are ok, a row a method and a column a table."""
    ok = results.frame[results.frame["status"] == "ok"]
    means = ok.pivot_table(measure, "method_label", "dataset_label", aggfunc="mean")
    return means.reindex(results.methods)


def wilcoxon(values: np.ndarray) -> float | None:
    """The p-value of Wilcoxon's signed-rank test, or None for fewer than six differences."""
    from scipy import stats  # takes a second to import

    if len(values) < FEWEST_TABLES:
        return None
    if not values.any():
        return 1.0
    return float(stats.wilcoxon(values, zero_method="zsplit").pvalue)


def _bayesian(values: np.ndarray) -> tuple[float, float, float]:
    """Probabilities that the method is better, equivalent and worse on a next table."""
    from baycomp import SignedRankTest

    better, equal, worse = SignedRankTest.probs(
        values, np.zeros_like(values), rope=EQUIVALENT, nsamples=N_SAMPLES, random_state=0
    )
    return float(better), float(equal), float(worse)


def holm(p: Sequence[float]) -> list[float]:
    """p-values corrected for their number (Holm, Scand. J. Stat. 6, 1979).

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p, kind="stable")
    factors = np.arange(len(p), 0, -1)
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(factors * np.asarray(p)[order]))
    return [float(value) for value in corrected.round(12)]
