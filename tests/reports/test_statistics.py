"""Intervals, ranks, differences and fronts, compared with numbers by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.figures.needles import needle_ranks
from reports.statistics.estimates import (
    best_of,
    estimate,
    even_rows,
    families,
    mean_ranks,
    pareto_front,
    ranks,
    share_estimate,
    t_interval,
    wilson_interval,
)


def cells(*rows: tuple[str, int, str, str, float | None]) -> pd.DataFrame:
    columns = ["dataset_label", "seed", "method_label", "status", "balanced_accuracy"]
    frame = pd.DataFrame(rows, columns=columns).astype({"balanced_accuracy": "float64"})
    return frame.assign(method=frame["method_label"].str.split(" ").str[0])


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
    result = share_estimate([0.9] * n, 100)
    assert result is not None
    assert (result.n, result.sd) == (n, sd)
    assert (result.low, result.high) == pytest.approx(wilson_interval(0.9, 100))


def test_seeds_that_differ_widen_the_interval_within_0_and_1() -> None:
    result = share_estimate([0.90, 0.99], 10_000)
    assert result is not None
    assert result.low == pytest.approx(0.945 - 12.706205 * 0.045, abs=1e-6)
    assert result.high == 1.0


def test_splits_of_the_same_rows_widen_the_interval() -> None:
    """Nadeau and Bengio: 25 folds with a fifth of the rows each, sqrt(1/25 + 1/4) for 1/5."""
    values = np.random.default_rng(0).normal(0.8, 0.02, 25)
    naive, corrected = share_estimate(values, None), share_estimate(values, None, 0.25)
    assert naive is not None
    assert naive.half is not None
    assert corrected is not None
    assert corrected.half == pytest.approx(naive.half * np.sqrt(1 / 25 + 1 / 4) * 5)


def test_no_values_no_estimate() -> None:
    assert estimate([]) is None
    assert share_estimate([], 100) is None


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
    assert table.loc["a"].tolist() == [1.5, 1.5, 1, 0]
    assert table.loc["c"].tolist() == [3.5, pytest.approx(np.nan, nan_ok=True), 1, 1]
    assert table.index[-1] == "e"


def test_a_failure_is_last_in_one_rank_and_left_out_of_the_other() -> None:
    frame = cells(
        *(("x", seed, "a", "ok", 0.9) for seed in (0, 1)),
        *(("x", seed, "b", "ok", 0.8) for seed in (0, 1)),
        *(("x", 0, "c", "ok", 0.95), ("x", 1, "c", "timeout", None)),
    )
    assert mean_ranks(frame).loc["c"].tolist() == [2, 1, 2, 1]


def test_a_method_has_one_entry_in_the_ranks() -> None:
    """Variants and replicates of the best method would push the others down."""
    labels = {"a": 0.9, "a (again)": 0.91, "a (wide)": 0.92, "b": 0.8, "c (x)": 0.7, "c (y)": 0.7}
    frame = cells(*(("t", 0, label, "ok", value) for label, value in labels.items()))
    entries = {"a (again)": "a", "a (wide)": "a", "c (y)": "c (x)"}
    assert families(frame) == {label: entries.get(label, label) for label in labels}
    assert mean_ranks(frame)["mean_rank"].to_dict() == {"a": 1, "b": 2, "c (x)": 3}


def test_even_rows_have_the_variance_of_the_balanced_accuracy() -> None:
    rng, labels = np.random.default_rng(0), np.repeat([0, 1, 2], [60, 30, 5])
    is_right = rng.random((20_000, 95)) < 0.8
    of_classes = [is_right[:, labels == c].mean(1) for c in range(3)]
    assert np.mean(of_classes, axis=0).var() == pytest.approx(
        0.8 * 0.2 / even_rows(labels), rel=0.03
    )


def test_pareto_front_by_hand() -> None:
    seconds, accuracies = [1, 2, 3, 2, 1], [0.5, 0.9, 0.9, 0.7, 0.5]
    assert pareto_front(seconds, accuracies).tolist() == [True, True, False, False, True]
    assert pareto_front([], []).tolist() == []


def test_needle_ranks_count_ties_against_the_needle() -> None:
    scores = np.array([[0.1, -0.9, 0.3, 0.3]])
    assert needle_ranks(scores, [1, 2]).tolist() == [1, 3]
    assert needle_ranks(np.ones((2, 4)), [0]).tolist() == [4]


def test_a_method_alone_on_a_table_has_no_rank_there() -> None:
    frame = pd.DataFrame(
        {
            "dataset_label": ["a", "a", "a", "b", "c"],
            "seed": 0,
            "method_label": ["forest", "logistic", "majority", "majority", "majority"],
            "method": ["forest", "logistic", "majority", "majority", "majority"],
            "status": "ok",
            "balanced_accuracy": [0.9, 0.8, 0.5, 0.5, 0.5],
        }
    )
    assert mean_ranks(frame)["mean_rank"].to_dict() == {"forest": 1, "logistic": 2, "majority": 3}
