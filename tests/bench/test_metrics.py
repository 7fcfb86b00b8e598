"""Metrics against numbers worked out by hand."""

import numpy as np
import pytest

from bench.metrics import METRICS, Outcome, compute, feature_strength


def outcome(**changes) -> Outcome:  # type: ignore[no-untyped-def]
    parts = {
        "y_test": np.array([0, 0, 0, 1]),
        "probabilities": np.array([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.3, 0.7]]),
        "y_train": np.array([0, 1]),
        "train_predictions": np.array([0, 0]),
    }
    return Outcome(**(parts | changes))


def test_scores_of_predictions() -> None:
    scores = compute(outcome())
    assert scores["accuracy"] == 0.75
    assert scores["balanced_accuracy"] == pytest.approx((2 / 3 + 1) / 2)
    assert scores["macro_f1"] == pytest.approx((0.8 + 2 / 3) / 2)
    assert scores["log_loss"] == pytest.approx(-np.log([0.9, 0.8, 0.4, 0.7]).mean())
    assert scores["auroc"] == 1.0
    # Confidences 0.9, 0.8, 0.6, 0.7 in bins of their own. The third row is wrong.
    assert scores["calibration_error"] == pytest.approx((0.1 + 0.2 + 0.6 + 0.3) / 4)
    assert scores["train_accuracy"] == 0.5


def test_needle_scores_are_null_without_truth_or_attributions() -> None:
    scores = compute(outcome(attributions=np.ones((2, 3))))
    assert all(scores[name] is None for name in ("precision_at_k", "worst_needle_rank"))
    scores = compute(outcome(relevant=np.array([0])))
    assert scores["needle_auprc"] is None


def test_needle_scores() -> None:
    attributions = np.array([[8.0, 1.0, 1.0, 0.0], [-1.0, 0.0, 9.0, 0.0]])
    np.testing.assert_allclose(feature_strength(attributions), [0.45, 0.05, 0.5, 0.0])
    scores = compute(outcome(attributions=attributions, relevant=np.array([0, 1])))
    assert scores["precision_at_k"] == 0.5
    assert scores["recall_at_k"] == 1.0  # of 4 features, all are among the top 20
    assert scores["worst_needle_rank"] == 3
    assert scores["needle_auprc"] == pytest.approx((1 / 2 + 2 / 3) / 2)


def test_precision_of_the_top_needs_as_many_relevant_features() -> None:
    attributions, relevant = np.arange(200.0)[None], np.arange(170, 192)
    scores = compute(outcome(attributions=attributions, relevant=relevant))
    assert scores["precision_at_20"] == 12 / 20
    assert scores["precision_at_100"] is None


def test_selected_features_against_the_relevant_ones() -> None:
    selected, relevant = np.array([True, True, False, True]), np.array([0, 2])
    names = ("n_selected", "false_discovery_share", "selected_recall")
    for chosen, truth, expected in (
        (selected, relevant, (3, 2 / 3, 1 / 2)),
        (np.zeros(4, dtype=bool), relevant, (0, 0, 0)),
        (selected, None, (3, None, None)),
        (None, relevant, (None, None, None)),
    ):
        scores = compute(outcome(selected=chosen, relevant=truth))
        assert tuple(scores[name] for name in names) == pytest.approx(expected)


def test_a_tie_counts_against_the_needle() -> None:
    scores = compute(outcome(attributions=np.zeros((2, 50)), relevant=np.array([7])))
    assert scores["worst_needle_rank"] == 50
    assert scores["recall_at_k"] == 0.0


def test_a_certain_error_has_a_finite_loss_and_every_metric_is_documented() -> None:
    wrong = outcome(probabilities=np.array([[0.0, 1.0]] * 4))
    assert compute(wrong)["log_loss"] == pytest.approx(-0.75 * np.log(1e-7))
    assert all(metric.__doc__ for metric in METRICS.values())
