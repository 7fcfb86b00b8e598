"""Plain methods, compared with slow and obvious computations."""

import importlib
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import Pipeline
from sklearn.svm import LinearSVC

from baselines import linear_svm, logistic, pairwise
from baselines._elastic_net import path, strengths_of
from baselines._folds import folds
from baselines._pair_screen import strongest_pairs
from baselines._row_space import RowSpace
from bench.catalog import entry
from generators import needles


def fitted(module, X: np.ndarray, y: np.ndarray, **params: object) -> Pipeline:
    return module.build(module.Params(**params), device="cpu", seed=1).fit(X, y)


@pytest.fixture(scope="module")
def wide() -> tuple[np.ndarray, np.ndarray]:
    """60 rows of 300 features, of which four separate three classes."""
    rng = np.random.default_rng(4)
    y = np.arange(60) % 3
    X = rng.normal(size=(60, 300)).astype(np.float32)
    X[:, :4] += 1.5 * (y[:, None] == np.array([0, 1, 2, 2]))
    return X, y


def test_a_linear_svm_is_the_same_in_the_row_space(wide) -> None:
    """A table with more rows than features keeps its features."""
    X, y = wide
    np.testing.assert_array_equal(RowSpace().fit(X[:, :20]).coordinates(X[:, :20]), X[:, :20])
    space = RowSpace().fit(X)
    settings = {"C": 1e-3, "tol": 1e-8, "max_iter": 100_000, "random_state": 0}
    inside = LinearSVC(**settings).fit(space.coordinates(X), y)
    outside = LinearSVC(**settings).fit(X, y)
    np.testing.assert_allclose(space.weights(inside.coef_), outside.coef_, atol=1e-5)


def test_svm_probabilities_agree_with_its_decisions(wide) -> None:
    pipeline = fitted(linear_svm, *wide)
    model = pipeline["model"]
    Z = pipeline["convert"].transform(wide[0])
    probabilities = model.predict_proba(Z)
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-6)
    decisions = Z @ model.coef_.T + model.intercept_
    np.testing.assert_array_equal(probabilities.argmax(1), decisions.argmax(1))
    assert set(np.argsort(-np.abs(model.coef_).sum(0))[:4]) == {0, 1, 2, 3}


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
def test_the_path_starts_without_features_and_ends_where_scikit_learn_does(
    wide, l1_ratio: float
) -> None:
    X, y = wide
    hot = np.eye(3, dtype=np.float32)[y]
    strengths = strengths_of(X, hot, l1_ratio, 8, 0.1)
    (first, _), (second, _), *_, (weights, intercepts) = path(X, hot, strengths, l1_ratio)
    assert not first.any()
    assert second.any()
    C = 1 / (len(y) * strengths[-1])
    oracle = LogisticRegression(C=C, l1_ratio=l1_ratio, solver="saga", tol=1e-6, max_iter=5000)
    oracle.fit(X, y)

    def objective(w: np.ndarray, b: np.ndarray) -> float:
        scores = X.astype(np.float64) @ w + b
        entropy = np.log(np.exp(scores).sum(1)) - scores[np.arange(len(y)), y]
        penalty = l1_ratio * np.abs(w).sum() + (1 - l1_ratio) / 2 * np.square(w).sum()
        return float(entropy.mean() + strengths[-1] * penalty)

    ours, theirs = objective(weights, intercepts), objective(oracle.coef_.T, oracle.intercept_)
    assert ours == pytest.approx(theirs, rel=1e-3)
    assert 4 <= weights.any(1).sum() < 100


@pytest.mark.parametrize("penalty", ["l1", "elasticnet"])
def test_the_penalty_has_the_least_mean_loss_over_the_folds(wide, penalty: str) -> None:
    """The largest weights are those of the features that separate the classes."""
    X, y = wide
    hot = np.eye(3, dtype=np.float32)[y]
    l1_ratio = logistic.L1_RATIOS[penalty]
    model = logistic.SparseLogistic(logistic.Params(penalty, n_strengths=12), 7).fit(X, y)  # type: ignore[arg-type]
    strengths = strengths_of(X, hot, l1_ratio, 12, 0.01)
    losses = np.zeros((3, 12))
    for fold, (rows, held) in enumerate(folds(y, 3, 7)):
        for step, (weights, intercepts) in enumerate(path(X[rows], hot[rows], strengths, l1_ratio)):
            guess = softmax(X[held] @ weights + intercepts, axis=1)
            losses[fold, step] = log_loss(y[held], guess)
    best = int(losses.mean(0).argmin()) + 1
    assert 1 < best < 12
    assert model.n_steps_ == best
    weights, intercepts = list(path(X, hot, strengths[:best], l1_ratio))[-1]
    np.testing.assert_array_equal(model.coef_, weights.T)
    np.testing.assert_array_equal(model.intercept_, intercepts)
    assert model.coef_.shape == (3, 300)
    assert set(np.argsort(-np.abs(model.coef_).sum(0))[:4]) == {0, 1, 2, 3}


@pytest.mark.parametrize("module", [logistic, linear_svm])
def test_a_first_rise_of_the_loss_does_not_end_the_search(
    wide, module, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second dip is lower. The search ends after three losses above the minimum."""
    strengths = (1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0, 1000.0)
    losses = dict(zip(strengths, (3.0, 2.0, 2.5, 1.0, 1.5, 1.5, 1.5, 0.0), strict=True))
    monkeypatch.setattr(logistic.RidgeLogistic, "_loss", lambda self, *rest: losses[rest[-1]])
    held_out = lambda self, *rest: (losses[rest[-1]], 7 * losses[rest[-1]])  # noqa: E731
    monkeypatch.setattr(linear_svm.LinearSvm, "_held_out", held_out)
    model = fitted(module, *wide, strengths=strengths)["model"]
    assert model.C_ == 0.1
    if module is linear_svm:
        assert model.temperature_ == 7.0


def test_the_screen_finds_the_same_pairs_as_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("baselines._pair_screen.BLOCK", 7)
    rng = np.random.default_rng(0)
    codes = np.arange(90) % 3
    X = rng.normal(size=(90, 23)).astype(np.float32)
    centred = X - np.stack([X[codes == c].mean(0) for c in range(3)])[codes]
    centred = np.clip(centred / np.sqrt(np.square(centred).mean(0)), -5, 5)
    scores = {}
    for i in range(23):
        for j in range(i, 23):
            product = centred[:, i] * centred[:, j]
            gaps = [abs(product[codes == c].mean() - product[codes != c].mean()) for c in range(3)]
            scores[i, j] = max(gaps) / np.sqrt(1 / 30 + 1 / 60) / (2**0.5 if i == j else 1)
    expected = sorted(scores, key=lambda pair: -scores[pair])[:12]
    assert [tuple(pair) for pair in strongest_pairs(X, codes, 12).tolist()] == expected


@pytest.mark.parametrize("seed", [100, 101, 102, 103, 104])
def test_the_pair_of_an_xor_is_found(seed: int) -> None:
    table = needles.load(n_samples=1000, n_features=1024, kind="xor", seed=seed)
    pipeline = fitted(pairwise, table.X[:700], table.y[:700])
    model = pipeline["model"]
    assert table.relevant is not None
    assert sorted(model.pairs_[0]) == table.relevant.tolist()
    assert model.feature_importances_.shape == (1024,)
    assert (model.feature_importances_ >= 0).all()
    assert set(np.argsort(-model.feature_importances_)[:2]) == set(table.relevant)
    assert pipeline.score(table.X[700:], table.y[700:]) > 0.95


@pytest.mark.parametrize(
    "name", ["deepinsight_kpca", "igtd", "lassonet", "pairwise", "refined", "tinto"]
)
def test_too_many_features_are_refused_with_both_numbers(name: str) -> None:
    module = importlib.import_module(f"baselines.{name}")
    reason = module.supports(SimpleNamespace(n_features=module.MAX_FEATURES + 1))
    assert f"{module.MAX_FEATURES:,}" in reason
    assert f"{module.MAX_FEATURES + 1:,}" in reason


def test_boosted_trees_stop_early_and_name_the_features(wide) -> None:
    pytest.importorskip("lightgbm", reason="optional: pip install lightgbm")
    module = entry("methods", "boosted_trees").load()
    X, y = np.tile(wide[0], (4, 1)), np.tile(wide[1], 4)
    model = fitted(module, X, y, max_rounds=50).named_steps["model"]
    assert 0 < model.n_rounds_ <= 50
    assert model.booster_.current_iteration() == model.n_rounds_
    assert model.feature_importances_.shape == (300,)
    assert (model.feature_importances_ >= 0).all()
    assert len({0, 1, 2, 3} & set(np.argsort(-model.feature_importances_)[:4])) >= 3


def test_lassonet_keeps_the_features_that_matter_longest() -> None:
    pytest.importorskip("lassonet", reason="optional: pip install lassonet")
    module = entry("methods", "lassonet").load()
    rng = np.random.default_rng(2)
    y = np.arange(240) % 2
    X = rng.normal(size=(240, 12)).astype(np.float32)
    X[:, [3, 8]] += 2 * y[:, None]
    pipeline = fitted(module, X, y, path_multiplier=1.5)
    model = pipeline["model"]
    assert np.isfinite(model.feature_importances_).all()
    assert set(np.argsort(-model.feature_importances_)[:2]) == {3, 8}
    assert 2 <= model.n_selected_ <= 12
    assert pipeline.score(X, y) > 0.85
