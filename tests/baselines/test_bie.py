"""BIE: one row of 32 bits a feature."""

import struct

import numpy as np
import pytest

from baselines.bie import BitConverter


@pytest.fixture
def rows() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(20, 7)).astype(np.float32)


def test_a_feature_s_own_pixels_are_the_bits_of_its_value(rows: np.ndarray) -> None:
    converter = BitConverter().fit(rows)
    images = converter.transform(rows)
    assert images.shape == (20, 1, 7, 32)
    assert set(np.unique(images)) == {0, 1}
    scaled = converter.scaler_.transform(rows)
    for row, feature in ((0, 0), (5, 3), (19, 6)):
        bits = "".join(str(int(bit)) for bit in images[row, 0, feature])
        (value,) = struct.unpack(">f", int(bits, 2).to_bytes(4, "big"))
        assert value == scaled[row, feature]


def test_bits_are_those_of_tintolib(rows: np.ndarray) -> None:
    bie = pytest.importorskip("TINTOlib.bie").BIE
    converter = BitConverter().fit(rows)
    scaled = converter.scaler_.transform(rows)
    theirs = np.array(list(bie()._BIE__convert_samples_to_binary(scaled.astype(np.float64))))
    np.testing.assert_array_equal(converter.transform(rows)[:, 0], theirs / 255)


def test_the_score_of_a_feature_is_the_sum_over_its_bits() -> None:
    pixels = np.zeros((2, 7, 32))
    pixels[1, 4, 10:13] = 2
    scores = BitConverter().to_features(pixels)
    assert scores.shape == (2, 7)
    assert scores[1, 4] == scores.sum() == 6


def test_zero_has_no_bit_set() -> None:
    """Neither has a new value below a constant feature, which scaling makes -0.0."""
    X = np.array([[-1.0, 2.0], [0.0, 2.0], [1.0, 2.0]], dtype=np.float32)
    converter = BitConverter().fit(X)
    assert not converter.transform(X[:1]).any()
    assert not converter.transform(X[:1] - 5).any()
