"""Needle in a haystack: the table of the paper, and needles anywhere."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.tree import DecisionTreeClassifier

from bench.cell import resolve_parameters
from generators import nihs

PINNED = "e5433aac725d3c77e52d0831a50f85235202d0ea4cbc3afe3bb942deb923fbdd"
SMALL = {"n_samples": 400, "n_features": 50, "needles": "random"}


def stump_accuracies(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Training accuracy of the best threshold on each feature."""
    stump = DecisionTreeClassifier(max_depth=1)
    columns = (X[:, [j]] for j in range(X.shape[1]))
    return np.array([stump.fit(column, y).score(column, y) for column in columns])


def test_a_seed_fixes_the_table() -> None:
    assert nihs.load(**SMALL, seed=5).checksum == PINNED
    assert nihs.load(**SMALL, seed=6).checksum != PINNED


def test_the_default_is_the_table_of_the_paper() -> None:
    parameters = resolve_parameters(nihs.load, {}, "test")
    assert (parameters["n_samples"], parameters["n_features"], parameters["needles"]) == (
        10_000,
        18_225,
        "paper",
    )
    table = nihs.load(n_samples=301)
    assert table.X.shape == (301, 18_225)
    assert_array_equal(table.relevant, [20, 17_998])
    assert [table.features[j] for j in (20, 17_998)] == ["variable_20", "variable_17998"]
    for feature, bounds in ((20, (0, 0.2, 0.2, 0.4)), (17_998, (0.1, 0.2, 0.25, 0.35))):
        class_0, class_1 = table.X[table.y == 0, feature], table.X[table.y == 1, feature]
        low_0, high_0, low_1, high_1 = np.array(bounds, dtype=np.float32)
        assert low_0 <= class_0.min() <= low_0 + 0.01
        assert high_0 - 0.01 <= class_0.max() < high_0
        assert low_1 <= class_1.min() <= low_1 + 0.01
        assert high_1 - 0.01 <= class_1.max() < high_1


def test_noise_fills_the_unit_interval() -> None:
    table = nihs.load(**SMALL, seed=1)
    noise = np.delete(table.X, table.relevant, axis=1)
    assert 0 <= noise.min() < 0.001
    assert 0.999 < noise.max() < 1
    assert abs(noise.mean() - 0.5) < 0.01
    assert abs(noise.var() - 1 / 12) < 0.002


@pytest.mark.parametrize(("n_samples", "sizes"), [(400, [200, 200]), (401, [201, 200])])
def test_classes_are_balanced_and_shuffled(n_samples: int, sizes: list[int]) -> None:
    y = nihs.load(n_samples=n_samples, n_features=10, needles="random").y
    assert np.bincount(y).tolist() == sizes
    assert 150 < np.count_nonzero(np.diff(y)) < 250  # changes of class: half of the neighbours


def test_only_needles_separate_the_classes() -> None:
    table = nihs.load(**SMALL, n_needles=5, seed=2)
    accuracies = stump_accuracies(table.X, table.y)
    assert_array_equal(np.flatnonzero(accuracies == 1), table.relevant)
    assert np.delete(accuracies, table.relevant).max() < 0.65


def test_random_needles_lie_anywhere_and_are_all_different() -> None:
    positions = [nihs.load(**SMALL, n_needles=3, seed=seed).relevant for seed in range(200)]
    assert all(len(set(needles)) == 3 for needles in positions)
    counts = np.bincount(np.concatenate(positions), minlength=50)
    assert counts.min() > 0  # 12 expected: 0 has a chance below 1e-3 for any of 50
    assert counts.max() < 30


def test_given_ranges_are_taken_in_turn() -> None:
    ranges = ((0.0, 0.6, 0.4, 1.0), (-2.0, -1.0, 5.0, 6.0))
    table = nihs.load(**SMALL, n_needles=4, ranges=ranges)
    lowest = table.X[:, table.relevant].min(axis=0)
    assert (lowest < -1).tolist() == [False, True, False, True]
    overlapping = stump_accuracies(table.X[:, table.relevant[::2]], table.y)
    assert ((overlapping > 0.75) & (overlapping < 0.92)).all()  # 5/6: a third of them overlap


def test_rounding_never_reaches_the_upper_bound() -> None:
    u = np.float32([1 - 2**-24] * 2)
    values = nihs.into_ranges(u, np.array([0, 1]), (0.5, 1.0, 1.0, 2.0))  # 1 - 2^-25 rounds to 1
    assert values[0] < 1
    assert values[1] < 2


def test_ranges_come_through_a_spec() -> None:
    parameters = resolve_parameters(nihs.load, {**SMALL, "ranges": [[0, 0.5, 0.4, 1]]}, "test")
    assert nihs.load(**parameters).n_samples == 400
