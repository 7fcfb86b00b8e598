"""Rows held out: stratified, and every class in the training rows."""

import numpy as np
import pytest

from baselines._folds import folds, held_out


@pytest.mark.parametrize("sizes", [(20, 20), (30, 2, 1), (1, 1, 9), (2, 2), (50, 5, 3, 1)])
def test_every_class_is_met_in_training_and_no_row_is_on_both_sides(sizes: tuple[int, ...]) -> None:
    codes = np.repeat(np.arange(len(sizes)), sizes)
    for training, judged in [held_out(codes, 0.2, 3), *folds(codes, 3, 3)]:
        assert set(codes[training]) == set(codes)
        assert len(judged)
        assert not set(training) & set(judged)


def test_folds_judge_every_row_of_a_class_that_can_be_shared_out() -> None:
    codes = np.repeat([0, 1, 2], [30, 12, 2])
    judged = np.concatenate([rows for _, rows in folds(codes, 3, 0)])
    assert sorted(judged.tolist()) == list(range(42))


def test_a_fifth_is_held_out_in_the_shares_of_the_classes() -> None:
    codes = np.repeat([0, 1], [80, 20])
    _, judged = held_out(codes, 0.2, 0)
    assert np.bincount(codes[judged]).tolist() == [16, 4]


def test_classes_of_one_row_each_are_judged_by_what_they_learned_from() -> None:
    codes = np.arange(3)
    for training, judged in [held_out(codes, 0.2, 0), *folds(codes, 3, 0)]:
        assert training.tolist() == judged.tolist() == [0, 1, 2]
