"""Methods that rank features: the choice of their number, planted features, false discoveries."""

import importlib
from importlib.util import find_spec

import numpy as np
import pytest
from scipy import sparse
from scipy.stats import kstest
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import mutual_info_score
from sklearn.pipeline import make_pipeline

from baselines import deseq2, ipss, knockoffs, limma, mrmr, univariate
from baselines._ranking import RankedClassifier, Ranking, RankingParams
from bench.catalog import entry
from datasets.table import Source, Table

CHEAP: dict[str, dict[str, object]] = {  # settings that are quick enough for a test
    "boruta": {"n_trees": 40, "max_iterations": 20},
    "deseq2": {},
    "gfs_network": {"epochs": 100},
    "ipss": {"n_halvings": 12},
    "knockoffs": {},
    "limma": {},
    "mrmr": {},
    "relief": {},
    "univariate": {},
}
# Compiling (numba) or importing (dask, torch's compiler) takes seconds.
SLOW = ("deseq2", "gfs_network", "relief")
WITH_FDR = ("boruta", "deseq2", "ipss", "knockoffs", "limma", "univariate")
N_PLANTED = 15  # knockoffs select ten features or none


def marked(names: tuple[str, ...]) -> list[object]:
    return [pytest.param(n, marks=[pytest.mark.slow] if n in SLOW else []) for n in names]


def planted(seed: int, shift: float, n_classes: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """150 rows of 60 normal features. The mean of the first 15 rises by `shift` a class."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(150) % n_classes)
    X = rng.normal(size=(150, 60)).astype(np.float32)
    X[:, :N_PLANTED] += shift * y[:, None]
    return X, y


def ranker(name: str, X: np.ndarray) -> tuple[RankedClassifier, np.ndarray]:
    """The model of a method, and X as it gets it: standardised values, or counts.

    DESeq2 takes the typical ratio of genes for that of the library sizes, so as many genes rise as
    fall. If all planted genes rose, all others would seem to fall.
    """
    method = entry("methods", name)
    if method.unavailable:
        pytest.skip(method.unavailable)
    module = method.load()
    model = module.build(module.Params(**CHEAP[name]), device="cpu", seed=2)["model"]
    if name != "deseq2":
        return model, X
    signs = np.where(np.arange(X.shape[1]) % 2, -1, 1)
    return model, np.rint(np.exp(4 + 0.7 * X * signs)).astype(np.float32)


class Spy(RankedClassifier):
    """Ranks by the first column, which is the number of the row, and keeps the rows it saw."""

    def rank(self, X: np.ndarray, codes: np.ndarray) -> Ranking:
        self.ranked = [*getattr(self, "ranked", []), set(X[:, 0].astype(int).tolist())]
        return Ranking(np.arange(X.shape[1], 0, -1))

    def classifier(self) -> object:
        self.scored = getattr(self, "scored", set())
        return SpyClassifier(self.scored)


class SpyClassifier(LogisticRegression):
    """Logistic regression that keeps the rows that it predicts."""

    def __init__(self, scored: set[int]) -> None:
        super().__init__()
        self.scored = scored

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        self.scored |= set(X[:, 0].astype(int).tolist())
        return super().predict_proba(X)


def test_the_ranking_never_sees_the_rows_that_choose_the_number_of_features() -> None:
    X, y = planted(0, shift=1)
    X[:, 0] = np.arange(150)
    spy = Spy(RankingParams()).fit(X, y)
    first, last = spy.ranked
    assert len(spy.scored) == 30
    assert not first & spy.scored
    assert first | spy.scored == last == set(range(150))


def test_features_without_a_score_are_not_used() -> None:
    class Only(RankedClassifier):
        def rank(self, X: np.ndarray, codes: np.ndarray) -> Ranking:
            return Ranking(np.where(np.arange(60) == 7, 1.0, np.nan), None, None)

    X, y = planted(0, shift=1)
    model = Only(RankingParams(n_best=(20,))).fit(X, y)
    assert model.columns_.tolist() == [7]
    assert model.feature_importances_[8] == 0


def test_the_largest_score_of_a_class_counts() -> None:
    class OfClasses(RankedClassifier):
        def rank(self, X: np.ndarray, codes: np.ndarray) -> Ranking:
            scores = np.full((3, 60), np.nan)
            scores[0, 3], scores[2, 40], scores[2, 3] = 1, 3, 2
            return Ranking(scores)

    model = OfClasses(RankingParams(n_best=(1,))).fit(*planted(0, 1, n_classes=3))
    assert model.columns_.tolist() == [40]
    assert model.attribute(None, np.zeros(0)).shape == (3, 60)
    np.testing.assert_array_equal(model.feature_importances_[[3, 40, 41]], [2, 3, 0])


def test_univariate_is_selectkbest_and_logistic_regression() -> None:
    X, y = planted(1, shift=0.5)
    model = univariate.build(univariate.Params(), device="cpu", seed=1)["model"].fit(X, y)
    best = SelectKBest(f_classif, k=model.n_best_)
    chain = make_pipeline(best, LogisticRegression(max_iter=200)).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), chain.predict_proba(X))


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("name", marked(tuple(CHEAP)))
def test_planted_features_are_ranked_first(name: str, n_classes: int) -> None:
    X, y = planted(3, 1.5, n_classes)
    model, X = ranker(name, X)
    scores = np.atleast_2d(model.rank(X, y).scores)
    strongest = np.argsort(-np.nan_to_num(scores).max(0))[:N_PLANTED]
    assert np.isin(strongest, np.arange(N_PLANTED)).sum() >= N_PLANTED - 2


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", marked(WITH_FDR))
def test_planted_features_are_selected_and_few_others(name: str, seed: int) -> None:
    X, y = planted(seed, shift=1.5)
    model, X = ranker(name, X)
    selected = model.rank(X, y).selected
    assert selected is not None
    assert selected.dtype == bool
    assert selected.shape == (60,)
    assert selected[:N_PLANTED].sum() >= 12
    assert selected[N_PLANTED:].sum() <= 4


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", marked(WITH_FDR))
def test_of_pure_noise_next_to_nothing_is_selected(name: str, seed: int) -> None:
    model, X = ranker(name, planted(seed, shift=0)[0])
    ranking = model.rank(X, planted(seed, shift=0)[1])
    assert ranking.selected is not None
    assert ranking.selected.sum() <= 1
    if ranking.q_values is not None:
        np.testing.assert_array_equal(ranking.selected, ranking.q_values <= 0.1)


def varying(seed: int, n: int, p: int, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Normal features of different variances, one of them constant."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    X = rng.normal(size=(n, p)) * np.sqrt(4 / rng.chisquare(4, p))
    X[:, 0] += y
    X[:, 1] = 1
    return X, y


def test_limma_moderates_the_ordinary_f() -> None:
    X, y = varying(0, 12, 300, 3)
    within = np.sum([X[y == c].var(0) * 4 for c in range(3)], axis=0) / 9
    variance, df_prior = limma.moderate(within, 9)
    statistic, _ = limma.moderated_f(X, y)
    ordinary = f_classif(X[:, 2:], y)[0]
    np.testing.assert_allclose(statistic[2:], ordinary * within[2:] / variance[2:], rtol=1e-9)
    assert statistic[1] == 0
    assert df_prior == pytest.approx(4, rel=0.3)


def test_p_values_of_limma_are_uniform_if_nothing_differs() -> None:
    X, y = varying(2, 9, 3000, 3)
    _, p_values = limma.moderated_f(X, y)
    assert kstest(p_values[2:], "uniform").pvalue > 0.01


def test_limma_recovers_the_prior_of_the_variances() -> None:
    rng = np.random.default_rng(0)
    prior = 3 * 6 / rng.chisquare(6, 50_000)
    variance = prior * rng.chisquare(8, 50_000) / 8
    posterior, df_prior = limma.moderate(variance, 8)
    assert df_prior == pytest.approx(6, rel=0.05)
    np.testing.assert_allclose(posterior, (6 * 3 + 8 * variance) / 14, rtol=0.05)
    variance, df_prior = limma.moderate(np.linspace(0.9, 1.1, 100), 8)
    assert df_prior == np.inf
    np.testing.assert_allclose(variance, 1)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "n_classes"), [(12, 2), (40, 3)])
def test_limma_equals_its_port_in_inmoose(n: int, n_classes: int) -> None:
    """Its F and prior, not its p-values, which are those of infinite degrees of freedom."""
    port = pytest.importorskip("inmoose.limma", reason="the oracle: pip install inmoose")
    import pandas as pd
    import patsy

    X, y = varying(1, n, 400, n_classes)
    names = [f"c{c}" for c in range(n_classes)]
    design = patsy.DesignMatrix(np.eye(n_classes)[y], patsy.DesignInfo(names))
    contrasts = np.vstack([-np.ones(n_classes - 1), np.eye(n_classes - 1)])
    fit = port.contrasts_fit(
        port.lmFit(pd.DataFrame(X.T), design), pd.DataFrame(contrasts, names, names[1:])
    )
    fit = port.eBayes(fit)
    np.testing.assert_allclose(limma.moderated_f(X, y)[0], np.ravel(fit.F), rtol=1e-8, atol=1e-12)
    _, df_prior = limma.moderate(np.asarray(fit.sigma) ** 2, n - n_classes)
    assert df_prior == pytest.approx(fit.df_prior)


def test_information_of_states_is_mutual_information() -> None:
    rng = np.random.default_rng(0)
    states, y = rng.integers(0, 3, (200, 5)), rng.integers(0, 4, 200)
    states[:, 1] = np.minimum(y, 2)
    below, above = (states == 0).astype(np.float32), (states == 2).astype(np.float32)
    bits = mrmr._information(np.eye(4, dtype=np.float32)[y], below, above)
    expected = [mutual_info_score(y, column) / np.log(2) for column in states.T]
    np.testing.assert_allclose(bits, expected, atol=1e-6)


@pytest.mark.parametrize("criterion", ["MID", "MIQ"])
def test_mrmr_ranks_a_copy_of_the_best_feature_behind_weaker_ones(criterion: str) -> None:
    X, y = planted(0, shift=0)
    X[:, 3] += 3 * y
    X[:, 4] = X[:, 3]
    X[:, 9] += y
    order = mrmr.Mrmr(mrmr.Params(criterion=criterion))._order(X, y)
    assert set(order[:1]) <= {3, 4}
    assert order[1] not in (3, 4)


@pytest.mark.slow
@pytest.mark.parametrize("criterion", ["MID", "MIQ"])
def test_mrmr_equals_that_of_fast_select(criterion: str) -> None:
    package = pytest.importorskip("fast_select", reason="the oracle: pip install fast-select")
    X, y = planted(5, 0.7, n_classes=3)
    z = (X - X.mean(0)) / X.std(0)
    oracle = package.mRMR(30, method=criterion, backend="cpu").fit((z > 0.5) * 1 - (z < -0.5), y)
    order = mrmr.Mrmr(mrmr.Params(criterion=criterion))._order(X, y)
    np.testing.assert_array_equal(order[:15], oracle.top_features_[:15])
    assert set(order[:30]) == set(oracle.top_features_)  # noise features may be near ties


def test_knockoffs_have_the_covariance_of_the_features() -> None:
    pytest.importorskip("hidimstat", reason="optional: pip install hidimstat")
    rng = np.random.default_rng(0)
    covariance = 0.6 ** np.abs(np.subtract.outer(np.arange(4), np.arange(4)))
    X = rng.normal(size=(4000, 4)) @ np.linalg.cholesky(covariance).T
    copies = knockoffs.Knockoffs(knockoffs.Params())._knockoffs(X)
    np.testing.assert_allclose(np.cov(copies.T), covariance, atol=0.1)
    between = np.corrcoef(X.T, copies.T)[:4, 4:]
    np.testing.assert_allclose(between[0, 1:], covariance[0, 1:], atol=0.1)


@pytest.mark.skipif(not find_spec("ipss"), reason="optional: pip install ipss")
def test_ipss_restores_the_random_numbers_of_numpy() -> None:
    X, y = planted(0, shift=1)
    np.random.seed(4)  # noqa: NPY002
    ipss.Ipss(ipss.Params(n_halvings=2)).rank(X, y)
    after = np.random.random()  # noqa: NPY002
    np.random.seed(4)  # noqa: NPY002
    assert after == np.random.random()  # noqa: NPY002


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("ipss"), reason="optional: pip install ipss")
def test_ipss_preselects_as_the_package_does() -> None:
    package = importlib.import_module("ipss.main")
    rng = np.random.default_rng(0)
    y = np.arange(100) % 2
    X = rng.normal(size=(100, 230)) + np.where(np.arange(230) < 3, 1.5, 0) * (y[:, None] == 0)
    ranking = ipss.Ipss(ipss.Params(n_halvings=10), 4).rank(X, y)
    np.random.seed(4)  # noqa: NPY002
    whole = package.ipss(X, (y == 0).astype(float), B=10, selector_args=ipss.STUMPS)
    expected = [whole["q_values"][j] for j in range(230)]
    np.testing.assert_allclose(ranking.q_values, expected)
    scores = np.log(230 / np.array([whole["efp_scores"][j] for j in range(230)]))
    np.testing.assert_allclose(np.nan_to_num(ranking.scores[0]), scores, atol=1e-9)


def test_deseq2_refuses_what_are_no_counts() -> None:
    def table(X: np.ndarray | sparse.csr_matrix) -> Table:
        names = [f"g{j}" for j in range(5)]
        source = Source("made for a test", "generated", "none")
        return Table("t", X, np.arange(4) % 2, ["a", "b"], names, source)

    counts = np.arange(20, dtype=np.float32).reshape(4, 5)
    assert deseq2.supports(table(counts)) is None
    assert deseq2.supports(table(sparse.csr_matrix(counts))) is None
    for wrong in (counts + 0.5, -counts):
        reason = deseq2.supports(table(wrong))
        assert reason is not None
        assert "counts" in reason
        assert "5 features" in reason
