"""Splits are stratified, random or official, and depend only on the seed."""

import numpy as np
import pytest

from bench.run.split import split_kind, split_rows
from datasets.table import Source, Table

LABELS = (np.arange(400) % 10 == 0).astype(np.int64)


def table(
    official: bool = False, y: np.ndarray = LABELS, groups: np.ndarray | None = None
) -> Table:
    X = np.random.default_rng(0).random((len(y), 3), dtype=np.float32)
    split = (np.arange(390), np.arange(390, 400)) if official else None
    source = Source("made for a test", "generated", "none")
    classes = "abc"[: y.max() + 1]
    return Table("t", X, y, classes, "xyz", source, official_split=split, groups=groups)


@pytest.mark.parametrize("kind", ["stratified", "random"])
def test_every_row_is_on_one_side(kind: str) -> None:
    train, test = split_rows(table(), 3, 0.25, kind)
    assert len(test) == 100
    np.testing.assert_array_equal(np.sort(np.append(train, test)), np.arange(400))
    again = split_rows(table(), 3, 0.25, kind)
    np.testing.assert_array_equal(test, again[1])
    assert not np.array_equal(test, split_rows(table(), 4, 0.25, kind)[1])


def test_only_the_stratified_split_looks_at_classes() -> None:
    shares = {
        kind: {LABELS[split_rows(table(), seed, 0.25, kind)[1]].sum() for seed in range(20)}
        for kind in ("stratified", "random")
    }
    assert shares["stratified"] == {10}
    assert len(shares["random"]) > 3


def test_an_official_split_comes_first() -> None:
    for kind in ("stratified", "random"):
        _, test = split_rows(table(official=True), 0, 0.25, kind)
        assert len(test) == 10
        assert split_kind(table(official=True), kind) == "official"
        assert split_kind(table(), kind) == kind


@pytest.mark.parametrize("kind", ["stratified", "folds"])
def test_a_group_is_on_one_side(kind: str) -> None:
    groups = np.random.default_rng(0).integers(0, 60, 400)
    grouped = table(groups=groups)
    for seed in range(6):
        train, test = split_rows(grouped, seed, 0.2, kind)
        assert not set(groups[train]) & set(groups[test])
        assert len(train) + len(test) == 400
        assert 40 <= len(test) <= 120
        assert split_kind(grouped, kind) == f"{kind}, grouped"


def test_folds_of_a_repeat_share_no_test_row_and_repeats_differ() -> None:
    folds = [split_rows(table(), seed, 0.2, "folds")[1] for seed in range(10)]
    for repeat in (folds[:5], folds[5:]):
        np.testing.assert_array_equal(np.sort(np.concatenate(repeat)), np.arange(400))
        assert {LABELS[rows].sum() for rows in repeat} == {8}
    assert set(folds[0]) != set(folds[5])


def test_a_class_smaller_than_the_folds_is_in_the_training_rows() -> None:
    y = np.r_[np.zeros(30), np.ones(30), 2, 2].astype(np.int64)
    for seed in range(5):
        train, _ = split_rows(table(y=y), seed, 0.2, "folds")
        assert set(y[train]) == {0, 1, 2}


def test_tiny_classes_are_on_both_sides() -> None:
    y = np.array([0, 1, 2, 0, 1, 2])
    train, test = split_rows(table(y=y), 0, 0.25)
    assert set(y[train]) == set(y[test]) == {0, 1, 2}


@pytest.mark.parametrize("official", [True, False])
def test_fewer_training_rows_are_among_more_and_test_rows_stay(official: bool) -> None:
    everything, test = split_rows(table(official), 3, 0.25)
    many, few = (split_rows(table(official), 3, 0.25, n_train=n) for n in (100, 20))
    assert (len(many[0]), len(few[0])) == (100, 20)
    assert set(few[0]) < set(many[0]) < set(everything)
    np.testing.assert_array_equal(test, few[1])
    np.testing.assert_array_equal(test, many[1])
    other = split_rows(table(official), 4, 0.25, n_train=20)[0]
    assert set(other) != set(few[0])
    with pytest.raises(ValueError, match="n_train is 400, but the split has"):
        split_rows(table(official), 3, 0.25, n_train=400)
