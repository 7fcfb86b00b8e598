"""Hypercube: the moments of its parts, the redundant features and the Bayes error."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import quad
from scipy.stats import multivariate_normal, norm

from bench.cell import resolve_parameters
from datasets.table import Table
from generators import hypercube

CLEAN = {"noise": 0.0, "flip": 0.0, "rescale": False}
SMALL = {"n_samples": 320, "n_features": 40}


def informative(table: Table) -> np.ndarray:
    """The informative columns in the order of their draws, (n, n_informative)."""
    return table.X[:, table.notes["informative"]].astype(np.float64)


def bayes(design: hypercube.Design, class_sep: float, Z: np.ndarray) -> np.ndarray:
    """The more probable class of each row, from the densities of the clusters."""
    densities = [
        multivariate_normal(class_sep * corner, mixing.T @ mixing, allow_singular=True).pdf(Z)
        for corner, mixing in zip(design.corners, design.mixing, strict=True)
    ]
    return (np.sum(densities[1::2], axis=0) > np.sum(densities[::2], axis=0)).astype(int)


def test_the_default_has_the_sizes_of_the_challenge() -> None:
    defaults = resolve_parameters(hypercube.load, {}, "test")
    assert (defaults["n_informative"], defaults["n_redundant"], defaults["flip"]) == (5, 15, 0.01)
    table = hypercube.load()
    assert (table.X.shape, table.X.dtype) == ((2_600, 500), np.float32)
    assert (len(table.relevant), table.classes) == (20, ("-1", "+1"))
    both = table.notes["informative"] + table.notes["redundant"]
    assert_array_equal(np.sort(both), table.relevant)
    y = hypercube.load(**SMALL, flip=0.0).y
    assert np.bincount(y).tolist() == [160, 160]
    assert 120 < np.count_nonzero(np.diff(y)) < 200  # shuffled


def test_a_seed_is_the_same_table_everywhere() -> None:
    table = hypercube.load(**SMALL, seed=5)
    assert table.notes["informative"] == [23, 14, 31, 3, 24]
    assert_allclose(table.X[0, :3], [246.62903, 49.584389, 42.792809], rtol=1e-5)


def test_each_corner_has_a_cluster_and_each_class_half_of_the_corners() -> None:
    design = hypercube.draw_design(40, 5, 15, seed=3)
    assert len(np.unique(design.corners, axis=0)) == 32
    assert set(np.unique(design.corners)) == {-1, 1}
    labels = [hypercube.draw_design(40, 5, 15, seed=s).corners[::2].sum(axis=1) for s in range(30)]
    assert len({tuple(np.sort(sums)) for sums in labels}) > 5  # the seed draws the corners


def test_probes_are_standard_normal() -> None:
    table = hypercube.load(n_samples=4_000, n_features=100, **CLEAN, seed=100)
    probes = np.delete(table.X, table.relevant, axis=1)
    assert probes.shape == (4_000, 80)
    assert_allclose(probes.mean(axis=0), 0, atol=4.5 / np.sqrt(4_000))
    assert_allclose(probes.var(axis=0), 1, atol=4.5 * np.sqrt(2 / 4_000))
    correlations = np.corrcoef(probes.T) - np.eye(80)
    assert np.abs(correlations).max() < 5 / np.sqrt(4_000)
    means = [probes[table.y == c].mean(axis=0) for c in (0, 1)]
    assert np.abs(means[0] - means[1]).max() < 4.5 * np.sqrt(4 / 4_000)


def test_informative_features_have_the_moments_of_their_clusters() -> None:
    """Mean 0. Covariance: sep^2 I from the corners plus the mean of the clusters'."""
    n, sep = 64_000, 2.0
    table = hypercube.load(n_samples=n, n_features=20, class_sep=sep, **CLEAN, seed=101)
    design = hypercube.draw_design(20, 5, 15, seed=101)
    Z = informative(table)
    own = np.einsum("kij,kil->jl", design.mixing, design.mixing) / 32
    assert_allclose(Z.mean(axis=0), 0, atol=0.05)
    assert_allclose(np.cov(Z.T), sep**2 * np.eye(5) + own, atol=0.12)
    spread = [hypercube.draw_design(20, 5, 15, seed=s).mixing for s in range(40)]
    assert np.var(spread) == pytest.approx(1 / 3, rel=0.02)  # uniform in -1..1


def test_clusters_lie_at_their_corners() -> None:
    design = hypercube.draw_design(8, 2, 0, seed=102)
    X, y = hypercube.draw_samples(design, 20_000, 3.0, seed=102)
    X = X[:, :2]
    for k, corner in enumerate(design.corners):
        mine = X[(np.abs(X - 3 * corner) < 2.9).all(axis=1)]
        assert_allclose(mine.mean(axis=0), 3 * corner, atol=0.1)
        labels = y[(np.abs(X - 3 * corner) < 1).all(axis=1)]
        assert np.mean(labels == k % 2) > 0.99


def test_redundant_features_are_combinations_of_the_informative() -> None:
    table = hypercube.load(**SMALL, **CLEAN, seed=4)
    relevant = table.X[:, table.relevant].astype(np.float64)
    assert np.linalg.matrix_rank(relevant, tol=1e-3) == 5
    assert np.linalg.matrix_rank(table.X[:, table.notes["redundant"]], tol=1e-3) == 5
    assert np.linalg.matrix_rank(table.X, tol=1e-3) == 5 + 20
    design = hypercube.draw_design(40, 5, 15, seed=4)
    redundant = table.X[:, table.notes["redundant"]]
    assert_allclose(redundant, informative(table) @ design.combinations, atol=1e-5)
    assert np.abs(design.combinations).max() <= 1
    noisy = hypercube.load(**SMALL, seed=4)
    assert np.linalg.matrix_rank(noisy.X[:, table.relevant], tol=1e-3) == 20


@pytest.mark.parametrize("seed", range(3))
def test_the_bayes_error_of_one_dimension_is_the_integral(seed: int) -> None:
    """The error of clusters at -1 and +1 is half the overlap of two normals."""
    sizes = {"n_samples": 100_000, "n_features": 1, "n_informative": 1, "n_redundant": 0}
    table = hypercube.load(**sizes, class_sep=1.0, **CLEAN, seed=seed)
    design = hypercube.draw_design(1, 1, 0, seed)
    (centre_0, centre_1), (wide, narrow) = design.corners[:, 0], np.abs(design.mixing[:, 0, 0])

    def overlap(x: float) -> float:
        return min(norm.pdf(x, centre_0, wide), norm.pdf(x, centre_1, narrow)) / 2

    expected, _ = quad(overlap, -6, 6, points=[-1, 0, 1], limit=400)
    measured = np.mean(bayes(design, 1.0, informative(table)) != table.y)
    assert measured == pytest.approx(expected, abs=4 * np.sqrt(expected / 100_000) + 1e-4)


def test_the_true_rule_has_the_documented_bayes_error() -> None:
    """The rule that uses the design misses 2% of the labels."""
    errors = []
    for seed in (103, 104, 105):
        table = hypercube.load(n_samples=16_000, n_features=20, **CLEAN, seed=seed)
        design = hypercube.draw_design(20, 5, 15, seed)
        errors.append(np.mean(bayes(design, 2.0, informative(table)) != table.y))
    assert 0.01 < np.mean(errors) < 0.03


def test_flipped_labels_raise_the_bayes_error_as_stated() -> None:
    """Redrawing a share f of the labels turns an error e into e + f/2 (1 - 2 e)."""
    sizes = {"n_samples": 16_000, "n_features": 20, "noise": 0.0, "rescale": False, "seed": 106}
    clean, flipped = (hypercube.load(**sizes, flip=share) for share in (0.0, 0.2))
    assert_array_equal(clean.X, flipped.X)
    assert np.mean(clean.y != flipped.y) == pytest.approx(0.1, abs=0.01)
    design = hypercube.draw_design(20, 5, 15, 106)
    rule = bayes(design, 2.0, informative(clean))
    error = np.mean(rule != clean.y)
    assert np.mean(rule != flipped.y) == pytest.approx(error + 0.1 * (1 - 2 * error), abs=0.01)


def test_shift_and_scale_are_those_of_the_program() -> None:
    sizes = {**SMALL, "flip": 0.0, "noise": 0.0, "seed": 7}
    plain, moved = (hypercube.load(**sizes, rescale=on).X for on in (False, True))
    scale, offset = np.array([np.polyfit(a, b, 1) for a, b in zip(plain.T, moved.T, strict=True)]).T
    assert_allclose(moved, plain * scale + offset, atol=1e-2)
    assert 1 <= scale.min() < 20 < 80 < scale.max() <= 101
    assert 0 <= (offset / scale).min() < 0.2 < 0.8 < (offset / scale).max() <= 1


def test_noise_is_a_share_of_the_value() -> None:
    sizes = {"n_samples": 4_000, "n_features": 40, "flip": 0.0, "seed": 8}
    plain, noisy = (hypercube.load(**sizes, noise=share).X for share in (0.0, 0.1))
    ratio = noisy / plain - 1
    assert ratio.std() == pytest.approx(0.1, rel=0.02)
    assert ratio.mean() == pytest.approx(0, abs=0.002)


def test_no_single_feature_separates_the_classes() -> None:
    table = hypercube.load(seed=109)
    means = np.stack([table.X[table.y == c].mean(axis=0) for c in (0, 1)])
    difference = np.abs(means[0] - means[1]) / table.X.std(axis=0)
    assert np.delete(difference, table.relevant).max() < 4.5 * np.sqrt(4 / 2_600)
    assert difference.max() < 0.8


def test_other_numbers_of_features_are_possible() -> None:
    table = hypercube.load(n_samples=500, n_features=9, n_informative=7, n_redundant=2, seed=1)
    assert_array_equal(table.relevant, np.arange(9))
    table = hypercube.load(n_samples=40, n_features=3, n_informative=2, n_redundant=0)
    assert table.n_features == 3
