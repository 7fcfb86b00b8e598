"""Plain classifiers behind DeepMapper's screen."""

import typing

import numpy as np
import pytest
from sklearn.pipeline import Pipeline

from baselines import screened
from bench.run.split import split_rows
from datasets.table import Table
from generators import hypercube, needles, ringnorm

CLASSIFIERS = typing.get_args(typing.get_type_hints(screened.Params)["classifier"])
PLANTED = (7, 61)


@pytest.fixture(scope="module")
def easy() -> tuple[np.ndarray, np.ndarray]:
    """150 rows of 90 features. Two features separate three classes."""
    rng = np.random.default_rng(0)
    y = rng.permutation(np.arange(150) % 3)
    X = rng.normal(size=(150, 90)).astype(np.float32)
    X[:, PLANTED[0]] += 4 * (y - 1)
    X[:, PLANTED[1]] += 4 * (y == 1)
    return X, y


def fitted(X: np.ndarray, y: np.ndarray, classifier: str, **params: object) -> Pipeline:
    if classifier == "boosted_trees":
        pytest.importorskip("lightgbm")
    settings = screened.Params(classifier=classifier, **params)
    return screened.build(settings, device="cpu", seed=1).fit(X, y)


def accuracy(table: Table, classifier: str, **params: object) -> float:
    train, test = split_rows(table, 0, 0.25)
    pipeline = fitted(table.X[train], table.y[train], classifier, **params)
    return float((pipeline.predict(table.X[test]) == table.y[test]).mean())


@pytest.mark.filterwarnings("ignore::UserWarning")  # few rows to hold out
@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_a_classifier_uses_only_the_features_that_are_kept(easy, classifier: str) -> None:
    X, y = easy
    pipeline = fitted(X[:100], y[:100], classifier)
    model, Z = pipeline["model"], pipeline["convert"].transform(X[:100])
    assert set(PLANTED) <= set(model.kept_) <= set(range(90))
    assert len(model.kept_) <= 100 / np.log(100)
    values = model.attribute(Z, y[:100])
    assert values.shape == (3, 90)
    assert not values[:, np.setdiff1d(np.arange(90), model.kept_)].any()
    assert set(np.argsort(-np.abs(values).sum(0))[:2]) == set(PLANTED)
    assert (pipeline.predict(X[100:]) == y[100:]).mean() > 0.8
    changed = X[100:].copy()
    changed[:, np.setdiff1d(np.arange(90), model.kept_)] += 3
    np.testing.assert_array_equal(pipeline.predict_proba(changed), pipeline.predict_proba(X[100:]))


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_a_class_with_one_row_is_kept(easy, classifier: str) -> None:
    X, y = easy
    rows = np.r_[np.flatnonzero(y < 2)[:40], np.flatnonzero(y == 2)[:1]]
    predicted = fitted(X[rows], y[rows], classifier).predict_proba(X)
    assert predicted.shape == (150, 3)
    assert np.isfinite(predicted).all()


def test_all_features_are_kept_if_none_differs() -> None:
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(80, 30)).astype(np.float32), np.arange(80) % 2
    model = fitted(X, y, "naive_bayes")["model"]
    np.testing.assert_array_equal(model.kept_, np.arange(30))


def test_the_number_of_features_is_limited(easy) -> None:
    for n_features in (1, 2):
        model = fitted(*easy, "naive_bayes", n_features=n_features)["model"]
        assert len(model.kept_) == n_features
        assert set(model.kept_) <= set(PLANTED)


def test_trees_need_the_screen_to_find_an_xor() -> None:
    table = needles.load(kind="xor", n_samples=1000, n_features=1024, seed=0)
    assert accuracy(table, "boosted_trees", depth=3) > 0.95
    assert accuracy(table, "naive_bayes") < 0.6


def test_naive_bayes_uses_the_variances_that_the_screen_finds() -> None:
    assert accuracy(ringnorm.load(n_samples=2000, n_noise=460, seed=0), "naive_bayes") > 0.97


def test_the_depth_is_that_of_the_trees() -> None:
    table = hypercube.load(n_samples=400, n_features=60, seed=0)
    model = fitted(table.X, table.y, "boosted_trees", depth=3)["model"]
    assert model.classifier_.depth_ == 3
