"""Statistics of the reports, compared with those of other libraries (group `oracles`)."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from reports.figures import ranks
from reports.statistics.estimates import correct, mean_ranks, wilson_interval
from reports.statistics.over_tables import bayesian_signed_rank, compare
from tests.reports.test_pairs import difference_of, one_seed, results_of

pytestmark = pytest.mark.slow  # `make test-all` installs the libraries: there a missing one fails
N_TABLES = 14
METHODS = ["a", "b", "c", "d", "e"]


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Balanced accuracies of five methods on 14 tables, two of them nearly equal."""
    rng = np.random.default_rng(4)
    levels = np.array([0.80, 0.798, 0.77, 0.75, 0.6])
    values = levels + rng.normal(0, 0.1, (N_TABLES, 1)) + rng.normal(0, 0.02, (N_TABLES, 5))
    return pd.DataFrame(values.clip(0, 1), [f"t{i:02}" for i in range(N_TABLES)], METHODS)


def test_mcnemar_and_wilson_are_those_of_statsmodels() -> None:
    from statsmodels.stats.contingency_tables import mcnemar
    from statsmodels.stats.proportion import proportion_confint

    for n_a, n_b in itertools.product((0, 3, 9, 14), (1, 2, 6)):
        rest = [1] * (60 - n_a - n_b)
        results = one_seed([1] * n_a + [0] * n_b + rest, [0] * n_a + [1] * n_b + rest)
        expected = mcnemar([[0, n_a], [n_b, len(rest)]], exact=False, correction=True).pvalue
        if abs(n_a - n_b) >= 1:
            assert difference_of(results).p == pytest.approx(expected)
        expected = proportion_confint(n_a, 60, method="wilson")
        assert wilson_interval(n_a / 60, 60) == pytest.approx(expected)


def test_holm_is_that_of_statsmodels() -> None:
    from statsmodels.stats.multitest import multipletests

    p = np.random.default_rng(0).uniform(0, 0.1, 12)
    np.testing.assert_allclose(np.array(correct(p)), multipletests(p, method="holm")[1])


def test_the_smallest_difference_has_a_power_of_80_percent(table: pd.DataFrame) -> None:
    from statsmodels.stats.power import TTestPower

    for n in (6, 14):
        frame = table[:n].rename_axis("dataset_label")
        (compared,) = compare(frame, [("a", "e")])
        assert compared.smallest is not None
        size = compared.smallest / (frame["a"] - frame["e"]).std()
        assert TTestPower().power(size, n, 0.05) == pytest.approx(0.8, abs=0.02)


def test_ranks_and_tests_of_all_pairs_are_those_of_scikit_posthocs(table: pd.DataFrame) -> None:
    import scikit_posthocs

    results = results_of(*((t, 0, m, v) for (t, m), v in table.stack().items()))
    values = ranks.common_values(results)
    expected = table.rank(axis=1, ascending=False).mean()
    pd.testing.assert_series_equal(ranks.mean_ranks(values)[METHODS], expected, check_names=False)
    over_cells = mean_ranks(results.frame)["mean_rank"][METHODS]
    np.testing.assert_allclose(over_cells, expected)
    long = table.melt(var_name="method", value_name="value")
    matrix = scikit_posthocs.posthoc_wilcoxon(
        long, "value", "method", method="exact", zero_method="zsplit", p_adjust="holm"
    )
    pairs = list(itertools.combinations(METHODS, 2))
    for (a, b), compared in zip(pairs, compare(values, pairs), strict=True):
        assert compared.p == pytest.approx(matrix.at[a, b])
        assert compared.mean == pytest.approx((table[a] - table[b]).mean())


def test_the_bars_are_those_of_scikit_posthocs(table: pd.DataFrame) -> None:
    import scikit_posthocs

    values = table.rename_axis("dataset_label")
    names = list(ranks.mean_ranks(values).index)
    joined = ranks._is_joined(values, names)
    assert joined is not None
    matrix = pd.DataFrame(np.where(joined, 1.0, 0.001), names, names)
    artists = scikit_posthocs.critical_difference_diagram(ranks.mean_ranks(values), matrix)
    assert len(ranks.cliques(joined)) == len(artists["crossbars"])


def test_ranks_are_those_of_autorank(table: pd.DataFrame) -> None:
    from autorank import autorank

    result = autorank(table, force_mode="nonparametric")
    ours = ranks.mean_ranks(table.rename_axis("dataset_label"))
    np.testing.assert_allclose(result.rankdf["meanrank"][METHODS], ours[METHODS])
    assert result.pvalue == pytest.approx(stats.friedmanchisquare(*table.T.to_numpy()).pvalue)


@pytest.mark.parametrize("seed", range(4))
def test_the_bayesian_test_is_that_of_baycomp(seed: int) -> None:
    from baycomp import SignedRankTest

    values = np.random.default_rng(seed).normal(0.005 * seed, 0.02, 9)
    worse, equal, better = SignedRankTest.probs(np.zeros(9), values, rope=0.01)
    ours = bayesian_signed_rank(values)
    np.testing.assert_allclose(ours, (better, equal, worse), atol=0.025)
