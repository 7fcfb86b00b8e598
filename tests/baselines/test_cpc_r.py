"""CPC-R: pairs of features are cells, grey by their number."""

import numpy as np
import pytest

from baselines import cpc_r
from baselines.cpc_r import PairConverter


def images_of(rows: list[list[float]], cells: int) -> np.ndarray:
    """Images of rows of values in 0..1, which the converter does not scale."""
    X = np.array(rows, dtype=np.float32)
    ends = np.stack([np.zeros(X.shape[1]), np.ones(X.shape[1])]).astype(np.float32)
    return PairConverter(cells).fit(ends).transform(X)


def test_a_pair_is_a_cell_at_its_two_values_and_the_first_is_darkest() -> None:
    image = images_of([[0.0, 0.3, 0.99, 1.0, 0.5, 0.0]], 4)[0, 0]
    expected = np.zeros((4, 4))
    expected[1, 0] = 1  # x2 = 0.3 is row 1, x1 = 0 is column 0
    expected[3, 3] = 2 / 3
    expected[0, 2] = 1 / 3
    np.testing.assert_allclose(image, expected, rtol=1e-6)


def test_the_last_feature_of_an_odd_number_is_paired_with_itself() -> None:
    image = images_of([[0.0, 0.0, 0.6]], 5)[0, 0]
    assert np.argwhere(image).tolist() == [[0, 0], [3, 3]]
    assert image[3, 3] == np.float32(0.5)
    assert images_of([[0.9]], 5).sum() == 1


def test_of_two_pairs_in_one_cell_the_first_is_drawn() -> None:
    images = images_of([[0.1, 0.1, 0.7, 0.7, 0.1, 0.1], [0.7, 0.7, 0.1, 0.1, 0.1, 0.1]], 2)
    np.testing.assert_allclose(images[0, 0], [[1, 0], [0, 2 / 3]], rtol=1e-6)
    np.testing.assert_allclose(images[1, 0], [[2 / 3, 0], [0, 1]], rtol=1e-6)


def test_most_pairs_of_the_largest_table_are_visible() -> None:
    X = np.random.default_rng(0).normal(size=(500, cpc_r.MAX_FEATURES)).astype(np.float32)
    images = PairConverter().fit(X).transform(X)
    hidden = 1 - (images > 0).sum((1, 2, 3)).mean() / (cpc_r.MAX_FEATURES / 2)
    assert hidden == pytest.approx(0.15, abs=0.02)


def test_the_model_gives_no_attributions() -> None:
    model = cpc_r.build(cpc_r.Params(), device="cpu", seed=0).named_steps["model"]
    assert not hasattr(model, "attribute")
