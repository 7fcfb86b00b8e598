"""Shuffled pixels: the seed fixes the permutation, the feature names undo it."""

import numpy as np
from numpy.testing import assert_array_equal
from scipy import sparse

from datasets import digits
from datasets.table import Source, Table
from generators import nihs, shuffled_mnist
from generators.shuffled_mnist import shuffle_features

PINNED_ORDER = [34, 61, 31, 27, 57, 54, 52, 17]


def test_the_permutation_of_a_seed_is_pinned() -> None:
    table = shuffled_mnist.load(base="digits", seed=3)
    assert table.notes["permutation"][:8] == PINNED_ORDER


def test_permutation_seed_overrides_the_seed() -> None:
    fixed = [shuffled_mnist.load(base="digits", permutation_seed=3, seed=s) for s in (0, 1)]
    assert fixed[0].checksum == fixed[1].checksum
    assert fixed[0].checksum == shuffled_mnist.load(base="digits", seed=3).checksum


def test_the_inverse_and_the_names_recover_the_base() -> None:
    base = digits.load()
    table = shuffle_features(base, 9)
    order = np.array(table.notes["permutation"])
    assert_array_equal(np.sort(order), np.arange(64))
    assert np.count_nonzero(order != np.arange(64)) > 50
    assert_array_equal(table.X[:, np.argsort(order)], base.X)
    by_name = [table.features.index(name) for name in base.features]
    assert_array_equal(table.X[:, by_name], base.X)
    assert_array_equal(table.y, base.y)
    assert (table.name, table.classes) == ("shuffled_digits", base.classes)


def test_needles_travel_with_their_columns() -> None:
    base = nihs.load(n_samples=40, n_features=30, needles="random", n_needles=4)
    table = shuffle_features(base, 0)
    names = {base.features[j] for j in base.relevant}
    assert {table.features[j] for j in table.relevant} == names


def test_sparse_tables_stay_sparse() -> None:
    X = sparse.random(20, 12, density=0.3, format="csr", dtype=np.float32, random_state=0)
    names = [f"f{j}" for j in range(12)]
    base = Table("few", X, np.arange(20) % 2, ("a", "b"), names, Source("c", "a", "l"))
    table = shuffle_features(base, 1)
    assert sparse.issparse(table.X)
    assert_array_equal(table.X.toarray(), X.toarray()[:, table.notes["permutation"]])
