"""Ringnorm: the moments of both classes, its Bayes error, and its noise features."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import norm

from generators import ringnorm

A = 2 / np.sqrt(20)


def likelihood_ratio_rule(X: np.ndarray) -> np.ndarray:
    """1 where N(a, I) is denser than N(0, 4 I), from the densities of each feature."""
    logs = norm.logpdf(X, A, 1) - norm.logpdf(X, 0, 2)
    return (logs.sum(axis=1) > 0).astype(int)


def test_the_default_is_the_published_problem() -> None:
    table = ringnorm.load()
    assert (table.X.shape, table.X.dtype, table.n_classes) == ((7_400, 20), np.float32, 2)
    assert_array_equal(table.relevant, np.arange(20))
    assert np.bincount(table.y).tolist() == [3_700, 3_700]
    assert 3_400 < np.count_nonzero(np.diff(table.y)) < 4_000


def test_a_seed_is_the_same_table_everywhere() -> None:
    table = ringnorm.load(n_samples=40, n_noise=10, seed=5)
    assert table.relevant[:4].tolist() == [0, 2, 5, 6]
    assert_allclose(table.X[0, :3], [1.0725424, -0.8893135, 1.34996], rtol=1e-5)


def test_moments_of_both_classes() -> None:
    table = ringnorm.load(n_samples=40_000, seed=100)
    for code, mean, variance in ((0, 0, 4), (1, A, 1)):
        X = table.X[table.y == code].astype(np.float64)
        assert_allclose(X.mean(axis=0), mean, atol=4.5 * np.sqrt(variance / 20_000))
        assert_allclose(np.cov(X.T), variance * np.eye(20), atol=5 * variance * np.sqrt(2 / 20_000))


def test_the_bayes_error_is_that_of_breiman() -> None:
    """1.2 to 1.3%, from the likelihood ratio of the table and of other samples."""
    table = ringnorm.load(n_samples=200_000, seed=101)
    measured = np.mean(likelihood_ratio_rule(table.X) != table.y)
    rng = np.random.default_rng(0)
    wide, narrow = 2 * rng.normal(size=(100_000, 20)), A + rng.normal(size=(100_000, 20))
    errors = np.mean(likelihood_ratio_rule(wide)), np.mean(likelihood_ratio_rule(narrow) == 0)
    assert measured == pytest.approx(np.mean(errors), abs=0.0015)  # four standard errors
    assert measured == pytest.approx(0.0125, abs=0.001)


def test_noise_features_have_the_moments_of_the_others_but_no_signal() -> None:
    table = ringnorm.load(n_samples=40_000, n_features=20, n_noise=30, seed=102)
    assert (table.n_features, len(table.relevant)) == (50, 20)
    noise = np.delete(table.X, table.relevant, axis=1).astype(np.float64)
    signal = table.X[:, table.relevant].astype(np.float64)
    assert np.mean(likelihood_ratio_rule(signal) != table.y) < 0.02
    for power in (1, 2, 4):  # the same moments over both classes together
        expected = (signal**power).mean()
        assert_allclose((noise**power).mean(axis=0), expected, rtol=0.1, atol=0.04)
    spread = np.array([noise[table.y == c].std(axis=0) for c in (0, 1)])
    assert_allclose(spread[0], spread[1], rtol=0.05)
    together = np.corrcoef(np.abs(noise).T) - np.eye(30)
    assert np.abs(together).max() < 5 / np.sqrt(40_000)
    assert np.corrcoef(np.abs(signal).T).min() > 0.1  # both depend on the label


def test_places_of_the_relevant_are_drawn() -> None:
    sizes = {"n_samples": 4, "n_features": 3, "n_noise": 9}
    positions = [ringnorm.load(**sizes, seed=s).relevant for s in range(99)]
    assert np.bincount(np.concatenate(positions), minlength=12).min() > 8  # 25 expected


def test_the_distance_of_the_centres_does_not_depend_on_n_features() -> None:
    table = ringnorm.load(n_samples=20_000, n_features=5, seed=103)
    means = [table.X[table.y == c].mean(axis=0) for c in (0, 1)]
    assert np.linalg.norm(means[1] - means[0]) == pytest.approx(2, abs=0.1)
