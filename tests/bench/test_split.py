"""Splits are stratified, random or official, and depend only on the seed."""

import numpy as np
import pytest

from bench.run.split import split_kind, split_rows
from datasets.table import Source, Table

LABELS = (np.arange(400) % 10 == 0).astype(np.int64)


def table(official: bool = False, y: np.ndarray = LABELS) -> Table:
    X = np.random.default_rng(0).random((len(y), 3), dtype=np.float32)
    split = (np.arange(390), np.arange(390, 400)) if official else None
    source = Source("made for a test", "generated", "none")
    return Table("t", X, y, "abc"[: y.max() + 1], "xyz", source, official_split=split)


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


def test_tiny_classes_are_on_both_sides() -> None:
    y = np.array([0, 1, 2, 0, 1, 2])
    train, test = split_rows(table(y=y), 0, 0.25)
    assert set(y[train]) == set(y[test]) == {0, 1, 2}
