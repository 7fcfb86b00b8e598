"""Pairs of methods over tables.

Wilcoxon's signed-rank test with Holm's correction (Demšar, JMLR 7, 2006), and the Bayesian
signed-rank test with a region of practical equivalence (Benavoli et al., JMLR 18, 2017). Variants
of a table (`statistics.base_table`) are averaged and count once. For one table see `pairs`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from reports.results import Results
from reports.statistics.estimates import DIGITS, LEVEL, base_table, correct
from reports.units import share

EQUIVALENT = 0.01  # differences of accuracy up to this size are practically none, see `equivalent`
FEWEST_TABLES = 6  # with five, Wilcoxon's test cannot reach p < 0.05
MOST_ENTRIES = 10  # methods that are compared each with each
N_SAMPLES = 5000  # of the Bayesian test
SIGNIFICANT = 0.05
POWER = 0.8


@dataclass(frozen=True)
class Comparison:
    """A method against a reference over tables.

    Parameters
    ----------
    method, reference : str
    n_tables : int
        Tables with a seed on which both are ok.
    n_missing : int
        Tables on which only the reference is ok.
    n_alone : int
        Tables on which only the method is ok.
    mean : float or None
        Mean difference, method minus reference.
    smallest : float or None
        The mean difference that a t-test finds with a probability of 80% on as many tables, if
        their differences have the same standard deviation.
    wins, ties, losses : int
        Tables with a difference above, within and below the region of equivalence (`equivalent`).
    p : float or None
        Wilcoxon's signed-rank test, corrected by Holm over the tested pairs of the list. None
        with fewer than six tables.
    better, equal, worse : float or None
        Posterior probabilities of the Bayesian signed-rank test that a better, equivalent or worse
        method is the most probable outcome.
    """

    method: str
    reference: str
    n_tables: int
    n_missing: int
    n_alone: int
    mean: float | None
    smallest: float | None
    wins: int
    ties: int
    losses: int
    p: float | None = None
    better: float | None = None
    equal: float | None = None
    worse: float | None = None


def reference_of(results: Results) -> str | None:
    """Return the method to compare with: `deepmapper`, else the best ranked."""
    return "deepmapper" if "deepmapper" in results.entries else next(iter(results.entries), None)


def main_entries(results: Results) -> list[str]:
    """Return the best ranked methods and the reference, at most ten, the best first."""
    is_ok = results.values().notna().any()
    ranked = [name for name in results.entries if is_ok[name]]
    best, reference = ranked[:MOST_ENTRIES], reference_of(results)
    if reference in ranked and reference not in best:
        best[-1] = reference
    return best


def compare_over_tables(
    results: Results, reference: str, methods: Sequence[str] | None = None
) -> list[Comparison]:
    """Compare methods (by default one entry each) with a reference, the largest mean first.

    The measure is balanced accuracy. A table counts with its mean over the seeds on which both are
    ok.
    """
    pairs = [(name, reference) for name in methods or results.entries if name != reference]
    compared = compare(results.values(), pairs, equivalent(results))
    return sorted(compared, key=lambda c: math.inf if c.mean is None else -c.mean)


def compare(
    values: pd.DataFrame, pairs: Sequence[tuple[str, str]], region: float = EQUIVALENT
) -> list[Comparison]:
    """Compare each pair (method, reference) by values of `Results.values`, larger is better.

    Differences of a table up to `region` are ties.
    """
    listed = [table_differences(values, *pair).to_numpy() for pair in pairs]
    p = correct([wilcoxon(differences) for differences in listed])
    return [
        _compare(values, *pair, differences, value, region)
        for pair, differences, value in zip(pairs, listed, p, strict=True)
    ]


def _compare(
    frame: pd.DataFrame,
    method: str,
    reference: str,
    values: np.ndarray,
    p: float | None,
    region: float,
) -> Comparison:
    tables, n = [_tables_of(frame, name) for name in (method, reference)], len(values)
    wins, losses = int((values > region).sum()), int((values < -region).sum())
    quantiles = special.stdtrit(n - 1, [(1 + LEVEL) / 2, POWER]).sum() if n > 1 else 0.0
    return Comparison(
        method,
        reference,
        n,
        len(tables[1] - tables[0]),
        len(tables[0] - tables[1]),
        float(values.mean()) if n else None,
        float(quantiles * values.std(ddof=1) / math.sqrt(n)) if n > 1 else None,
        wins,
        n - wins - losses,
        losses,
        p,
        *(bayesian_signed_rank(values, region) if p is not None else ()),
    )


def table_differences(values: pd.DataFrame, method: str, reference: str) -> pd.Series:
    """The mean difference on each table, over common seeds and over the variants of the table."""
    differences = (values[method] - values[reference]).dropna()
    of_labels = differences.groupby(level="dataset_label").mean()
    return of_labels.groupby(base_table).mean().round(DIGITS)


def _tables_of(values: pd.DataFrame, method: str) -> set[str]:
    """The tables on which a method is ok."""
    return set(values[method].dropna().index.get_level_values(0).map(base_table))


def equivalent(results: Results) -> float:
    """The region of equivalence: 0.01, or the noise of a method against itself if that is larger.

    The noise is the root mean square of the differences between methods and their second entries.
    """
    differences = list(_own_differences(results).values())
    return max(EQUIVALENT, _root_mean_square(differences)) if differences else EQUIVALENT


def _own_differences(results: Results) -> dict[str, float]:
    """The absolute differences of methods and their second entries, for each table."""
    values = results.values()
    return {
        f"{name} on {table}": abs(value)
        for name, original in results.replicates.items()
        for table, value in table_differences(values, name, original).items()
    }


def _root_mean_square(values: Sequence[float]) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def limits(results: Results, compared: Sequence[Comparison]) -> str:
    """Say what the grid can see: the noise of a method against itself, the smallest difference."""
    differences = _own_differences(results)
    noise = "No method has a second entry (`replicate`), so its noise against itself is not known."
    if differences:
        names = ", ".join(sorted(results.replicates.values()))
        largest = max(differences, key=lambda name: differences[name])
        spread = _root_mean_square(list(differences.values()))
        noise = (
            f"A/A: a method and its second entry ({names}) differ by {share(spread)} (root mean "
            f"square over {len(differences)} tables), at most by {share(differences[largest])} "
            f"({largest}). Differences up to {share(max(EQUIVALENT, spread))} are ties."
        )
    known = [(c.smallest, c.n_tables) for c in compared if c.smallest is not None]
    if not known:
        return noise
    smallest = float(np.median([value for value, _ in known]))
    return (
        f"{noise} Over {max(n for _, n in known)} tables, the smallest mean difference that is "
        f"found with a probability of 80% is {share(smallest)} (median over the pairs)."
    )


def wilcoxon(values: np.ndarray) -> float | None:
    """The p-value of Wilcoxon's signed-rank test, or None for fewer than six differences."""
    from scipy import stats  # takes a second to import

    if len(values) < FEWEST_TABLES:
        return None
    if not values.any():
        return 1.0
    return float(stats.wilcoxon(values, zero_method="zsplit").pvalue)


def bayesian_signed_rank(
    values: np.ndarray, region: float = EQUIVALENT
) -> tuple[float, float, float]:
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
        for is_beyond in (means > region, means < -region)
    )
    outcome = np.stack([better, 1 - better - worse, worse], axis=1).argmax(1)
    shares = np.bincount(outcome, minlength=3) / N_SAMPLES
    return float(shares[0]), float(shares[1]), float(shares[2])
