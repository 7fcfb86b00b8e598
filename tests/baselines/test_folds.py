"""Held-out rows are stratified, and every class is in the training rows."""

import numpy as np
import pytest

from baselines._folds import folds, held_out


@pytest.mark.parametrize("sizes", [(20, 20), (30, 2, 1), (1, 1, 9), (2, 2), (50, 5, 3, 1)])
def test_training_has_every_class_and_no_row_is_on_both_sides(sizes: tuple[int, ...]) -> None:
    codes = np.repeat(np.arange(len(sizes)), sizes)
    for training, held in [held_out(codes, 0.2, 3), *folds(codes, 3, 3)]:
        assert set(codes[training]) == set(codes)
        assert len(held)
        assert not set(training) & set(held)


def test_folds_hold_out_every_row_of_a_class_of_three_or_more() -> None:
    codes = np.repeat([0, 1, 2], [30, 12, 2])
    held = np.concatenate([rows for _, rows in folds(codes, 3, 0)])
    assert sorted(held.tolist()) == list(range(42))


def test_a_fifth_is_held_out_in_the_shares_of_the_classes() -> None:
    codes = np.repeat([0, 1], [80, 20])
    _, held = held_out(codes, 0.2, 0)
    assert np.bincount(codes[held]).tolist() == [16, 4]


def test_classes_of_one_row_are_both_trained_on_and_held_out() -> None:
    codes = np.arange(3)
    for training, held in [held_out(codes, 0.2, 0), *folds(codes, 3, 0)]:
        assert training.tolist() == held.tolist() == [0, 1, 2]
