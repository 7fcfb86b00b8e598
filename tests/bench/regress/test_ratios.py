"""The statistics of a row."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.regress.ratios import estimate, is_faster, is_slower, is_vague

THRESHOLD = 1.05


def drawn(true: float, spread: float, n: int, seed: int) -> list[float]:
    rng = np.random.default_rng(seed)
    return list(true * np.exp(rng.normal(0, spread, n)))


@given(st.lists(st.floats(0.5, 2.0), min_size=7, max_size=25))
def test_the_estimate_is_the_median_inside_its_interval(ratios: list[float]) -> None:
    found = estimate(ratios, THRESHOLD)
    assert min(ratios) <= found.low * (1 + 1e-9)
    assert found.low <= found.ratio * (1 + 1e-9)
    assert found.ratio <= found.high * (1 + 1e-9)
    assert found.high <= max(ratios) * (1 + 1e-9)
    assert found.detectable >= THRESHOLD - 1e-9
    if len(ratios) % 2:  # an even number's median lies between two, here on the scale of logs
        np.testing.assert_allclose(found.ratio, np.median(ratios))


@given(st.lists(st.floats(0.5, 2.0), min_size=7, max_size=15))
def test_swapping_the_sides_inverts_the_estimate(ratios: list[float]) -> None:
    one, other = (estimate(r, THRESHOLD) for r in (ratios, [1 / r for r in ratios]))
    np.testing.assert_allclose(one.ratio, 1 / other.ratio)


def test_the_same_estimate_every_time() -> None:
    ratios = drawn(1.0, 0.02, 9, seed=0)
    assert estimate(ratios, THRESHOLD) == estimate(ratios, THRESHOLD)


@pytest.mark.parametrize(("true", "flagged"), [(1.0, 0), (1.02, 0), (1.10, 200), (1.20, 200)])
def test_slowdowns_are_flagged_and_noise_is_not(true: float, flagged: int) -> None:
    found = [estimate(drawn(true, 0.03, 9, seed), THRESHOLD) for seed in range(200)]
    assert abs(sum(is_slower(e, THRESHOLD) for e in found) - flagged) <= 10
    assert not any(is_faster(e, THRESHOLD) for e in found)


def test_what_is_detectable_is_detected() -> None:
    """A slowdown of the size that a run calls detectable is found nine times in ten, or nearly."""
    runs = [drawn(1.0, 0.04, 12, seed) for seed in range(300)]
    detectable = float(np.median([estimate(r, THRESHOLD).detectable for r in runs]))
    slowed = [estimate([detectable * x for x in r], THRESHOLD) for r in runs]
    seen = np.array([is_slower(e, THRESHOLD) for e in slowed])
    assert 0.85 <= (seen[::2] & seen[1::2]).mean() <= 0.97  # both rounds have to see it
    weaker = [estimate([(1 + (detectable - 1) / 2) * x for x in r], THRESHOLD) for r in runs]
    assert np.mean([is_slower(e, THRESHOLD) for e in weaker]) < seen.mean() - 0.2


def test_what_varies_too_much_is_vague() -> None:
    assert is_vague(estimate(drawn(1.0, 0.3, 7, seed=1), THRESHOLD), THRESHOLD)
    assert not is_vague(estimate(drawn(1.0, 0.01, 7, seed=1), THRESHOLD), THRESHOLD)
