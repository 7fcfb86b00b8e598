"""Streams: pinned numbers, independent of one another."""

import numpy as np
from numpy.testing import assert_array_equal

from generators._streams import stream


def test_numbers_are_pinned() -> None:
    draws = stream(7, "pinned")
    assert draws.integers(2**32, size=3).tolist() == [3898622591, 662256617, 4188186097]
    assert draws.random(2, dtype=np.float32).tolist() == [0.6343518495559692, 0.010023117065429688]


def test_names_and_seeds_make_different_streams() -> None:
    draws = [stream(seed, name).random(1_000) for seed in (0, 1) for name in ("a", "b", "")]
    correlations = np.corrcoef(draws) - np.eye(len(draws))
    assert np.abs(correlations).max() < 0.15  # 4.7 standard errors of 1 / sqrt(1,000)


def test_a_stream_does_not_depend_on_draws_from_others() -> None:
    before = stream(0, "second").random(5)
    stream(0, "first").random(1_000)
    assert_array_equal(stream(0, "second").random(5), before)
