"""Intervals, ranks, differences and fronts, compared with numbers by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.figure_needles import needle_ranks
from reports.statistics import (
    accuracy_estimate,
    best_of,
    estimate,
    mean_ranks,
    pareto_front,
    ranks,
    t_interval,
    wilson_interval,
)


def cells(*rows: tuple[str, int, str, str, float | None]) -> pd.DataFrame:
    columns = ["dataset_label", "seed", "method_label", "status", "accuracy"]
    frame = pd.DataFrame(rows, columns=columns).astype({"accuracy": "float64"})
    return frame.assign(split="official", n_train=75, n_test=25)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        # mean 0.92, sd 0.02, t(0.975, 2) = 4.302653: half = 4.302653 * 0.02 / sqrt(3) = 0.0496827
        ([0.90, 0.92, 0.94], (0.8703173, 0.9696827)),
        # sd = 0.01 sqrt(2), t(0.975, 1) = 12.706205: half = 12.706205 * 0.01
        ([0.80, 0.82], (0.6829380, 0.9370620)),
    ],
)
def test_t_interval_by_hand(values: list[float], expected: tuple[float, float]) -> None:
    assert t_interval(values) == pytest.approx(expected, abs=1e-6)


def test_t_interval_of_one_is_refused() -> None:
    with pytest.raises(ValueError, match="two values"):
        t_interval([0.9])


def test_wilson_interval_by_hand() -> None:
    # z^2 = 3.841459; centre = (0.9 + 0.01920729) / 1.03841459 = 0.8852026
    # half = 1.959964 / 1.03841459 * sqrt(0.0009 + 3.841459 / 40000) = 0.0595696
    assert wilson_interval(0.9, 100) == pytest.approx((0.8256343, 0.9447708), abs=1e-5)


def test_wilson_interval_at_the_ends() -> None:
    low, high = wilson_interval(1.0, 50)
    assert (low, high) == (pytest.approx(50 / 53.841459, abs=1e-6), 1.0)
    assert wilson_interval(0.0, 50) == pytest.approx((0.0, 1 - low), abs=1e-12)


@given(st.integers(1, 5000), st.floats(0, 1))
def test_wilson_interval_holds_its_share(n: int, share: float) -> None:
    low, high = wilson_interval(share, n)
    assert 0 <= low <= share <= high <= 1


@pytest.mark.parametrize(("n", "sd"), [(1, None), (3, pytest.approx(0))])
def test_equal_seeds_have_wilsons_interval(n: int, sd: float | None) -> None:
    result = accuracy_estimate([0.9] * n, 100)
    assert result is not None
    assert (result.n, result.sd) == (n, sd)
    assert (result.low, result.high) == pytest.approx(wilson_interval(0.9, 100))


def test_seeds_that_differ_widen_the_interval_within_0_and_1() -> None:
    result = accuracy_estimate([0.90, 0.99], 10_000)
    assert result is not None
    assert result.low == pytest.approx(0.945 - 12.706205 * 0.045, abs=1e-6)
    assert result.high == 1.0


def test_no_values_no_estimate() -> None:
    assert estimate([]) is None
    assert accuracy_estimate([], 100) is None


def test_the_best_are_all_with_the_largest_mean() -> None:
    assert best_of({"a": 0.95, "b": 0.94, "c": 0.95 - 1e-13}) == {"a", "c"}
    assert best_of({}) == set()


def test_failures_share_the_last_rank_and_the_unavailable_have_none() -> None:
    frame = cells(
        ("x", 0, "a", "ok", 0.9),
        ("x", 0, "b", "ok", 0.9),
        ("x", 0, "c", "timeout", None),
        ("x", 0, "d", "failed", None),
        ("x", 0, "e", "unavailable", None),
        ("y", 0, "a", "failed", None),
        ("y", 0, "b", "failed", None),
    )
    expected = [1.5, 1.5, 3.5, 3.5, np.nan, np.nan, np.nan]
    np.testing.assert_array_equal(ranks(frame).to_numpy(), expected)
    table = mean_ranks(frame)
    assert table.loc["a"].tolist() == [1.5, 1]
    assert table.index[-1] == "e"


def test_pareto_front_by_hand() -> None:
    seconds, accuracies = [1, 2, 3, 2, 1], [0.5, 0.9, 0.9, 0.7, 0.5]
    assert pareto_front(seconds, accuracies).tolist() == [True, True, False, False, True]
    assert pareto_front([], []).tolist() == []


def test_needle_ranks_count_ties_against_the_needle() -> None:
    scores = np.array([[0.1, -0.9, 0.3, 0.3]])
    assert needle_ranks(scores, [1, 2]).tolist() == [1, 3]
    assert needle_ranks(np.ones((2, 4)), [0]).tolist() == [4]
