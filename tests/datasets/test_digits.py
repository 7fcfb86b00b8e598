"""The digits of scikit-learn as a table."""

import numpy as np
from numpy.testing import assert_array_equal
from sklearn.datasets import load_digits

from datasets import digits


def test_digits_are_those_of_scikit_learn() -> None:
    table = digits.load()
    images = load_digits().images
    assert (table.X.shape, table.X.dtype) == ((1_797, 64), np.float32)
    assert_array_equal(table.X[:, table.features.index("pixel_2_5")], images[:, 2, 5])
    assert table.classes == tuple("0123456789")
    assert (table.X.min(), table.X.max(), table.official_split) == (0, 16, None)
