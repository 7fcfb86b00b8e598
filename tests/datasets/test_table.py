"""Each broken rule of a table raises its own error."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

from datasets.table import Source, Table, TableError

SOURCE = Source("a test", "generated", "none")


def parts(**changes: Any) -> dict[str, Any]:
    """Arguments of a table of 6 samples, 3 features and 2 classes, with changes."""
    X = np.arange(18, dtype=np.float32).reshape(6, 3) - 4
    return {
        "name": "toy",
        "X": X,
        "y": np.array([0, 1, 0, 1, 0, 1]),
        "classes": ["low", "high"],
        "features": ["a", "b", "c"],
        "source": SOURCE,
        "relevant": np.array([2]),
        "official_split": (np.arange(4), np.arange(4, 6)),
        **changes,
    }


def matrix(value: float = 0.0) -> np.ndarray:
    X = np.ones((6, 3), dtype=np.float32)
    X[4, 1] = value
    return X


BROKEN = {
    "list": ({"X": [[1.0]]}, "X is not a matrix; expected a numpy array or CSR, got list"),
    "csc": ({"X": sparse.csc_matrix(matrix())}, "X is not a matrix"),
    "one dimension": ({"X": np.ones(6, dtype=np.float32)}, r"X has a wrong shape.*got \(6,\)"),
    "three dimensions": ({"X": np.ones((6, 3, 1), dtype=np.float32)}, "X has a wrong shape"),
    "no samples": ({"X": matrix()[:0]}, r"X has a wrong shape.*got \(0, 3\)"),
    "no features": ({"X": matrix()[:, :0]}, r"X has a wrong shape.*got \(6, 0\)"),
    "float64": ({"X": matrix().astype(np.float64)}, "X has a wrong type; expected float32, got"),
    "float64 CSR": ({"X": sparse.csr_matrix(matrix().astype(np.float64))}, "X has a wrong type"),
    "infinite": ({"X": matrix(np.inf)}, "1 values are infinite.*got inf at row 4, feature 'b'"),
    "minus infinite": ({"X": matrix(-np.inf)}, "got -inf at row 4, feature 'b'"),
    "infinite beside NaN": ({"X": matrix(np.inf) * [[np.nan, 1, 1]]}, "X has a wrong type"),
    "infinite beside missing": (
        {"X": np.where([True, False, False], np.nan, matrix(-np.inf)).astype(np.float32)},
        "got -inf at row 4, feature 'b'",
    ),
    "NaN in CSR": (
        {"X": sparse.csr_matrix(matrix(np.nan))},
        "a sparse table has missing values.*the first at row 4, feature 'b'",
    ),
    "infinite first in a row of CSR": (
        {"X": sparse.csr_matrix(matrix(np.inf)[:, [1, 0, 2]])},
        "got inf at row 4, feature 'a'",
    ),
    "a feature without a value": (
        {"X": np.where([False, True, False], np.nan, matrix()).astype(np.float32)},
        "features have no value.*1 such features, the first is 'b'",
    ),
    "groups as a list": ({"groups": [0, 0, 1, 1, 2, 2]}, "expected an int64 array of shape"),
    "too few groups": ({"groups": np.arange(5)}, r"`groups` is no group of each row.*\(5,\)"),
    "one group": ({"groups": np.zeros(6, dtype=np.int64)}, "all rows are in one group"),
    "too few features": (
        {"features": ["a"]},
        "feature names do not match X; expected 3 names, got 1",
    ),
    "few features, infinite": (
        {"features": ["a"], "X": matrix(np.inf)},
        "feature names do not match X",
    ),
    "features twice": ({"features": ["a", "b", "a"]}, "1 feature name.*more than once.*got 'a'"),
    "features twice as text": ({"features": [1, "1", 2]}, "more than once.*got '1'"),
    "labels as a list": ({"y": [0, 1, 0, 1, 0, 1]}, "y has a wrong type.*got list"),
    "labels int32": ({"y": np.array([0, 1] * 3, dtype=np.int32)}, "y has a wrong type.*got int32"),
    "labels too few": ({"y": np.array([0, 1] * 2)}, r"y has a wrong shape; expected \(6,\)"),
    "labels in a column": ({"y": np.zeros((6, 1), dtype=np.int64)}, "y has a wrong shape"),
    "one class": ({"y": np.zeros(6, dtype=np.int64), "classes": ["low"]}, "too few classes"),
    "classes twice": ({"classes": ["low", "low"]}, "1 class name.*more than once.*got 'low'"),
    "code too high": (
        {"y": np.array([0, 1, 0, 1, 0, 2])},
        r"outside the classes.*0\.\.1, got 0\.\.2",
    ),
    "code below zero": ({"y": np.array([0, 1, 0, 1, 0, -1])}, r"outside the classes.*got -1\.\.1"),
    "one of a class": ({"y": np.array([0, 0, 0, 0, 0, 1])}, r"class 'high' has 1 sample\(s\)"),
    "none of a class": ({"classes": ["low", "high", "none"]}, r"class 'none' has 0 sample\(s\)"),
    "relevant too high": ({"relevant": np.array([0, 3])}, r"integers in 0\.\.2, got \[0 3\]"),
    "relevant below zero": ({"relevant": np.array([-1])}, "`relevant` does not name features"),
    "relevant empty": ({"relevant": np.array([], dtype=int)}, "`relevant` does not name features"),
    "relevant twice": ({"relevant": np.array([1, 1])}, "`relevant` does not name features"),
    "relevant a mask": ({"relevant": np.array([True, False])}, "`relevant` does not name features"),
    "split overlaps": ({"official_split": ([0, 1, 2], [2, 3])}, "the official split is not one"),
    "split repeats": ({"official_split": ([0, 1, 1], [2, 3])}, "the official split is not one"),
    "split too high": ({"official_split": ([0, 1], [2, 6])}, r"integers in 0\.\.5"),
    "split below zero": ({"official_split": ([-1, 1], [2, 3])}, "the official split is not one"),
    "split empty": ({"official_split": ([0, 1], [])}, "the official split is not one"),
    "split of floats": ({"official_split": ([0.0, 1.0], [2, 3])}, "the official split is not one"),
}


@pytest.mark.parametrize(("changes", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_table_says_what_is_wrong(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(TableError, match=f"table 'toy': .*{message}"):
        Table(**parts(**changes))


LARGEST = np.finfo(np.float32).max  # the sum of such values is not finite in float32


@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize("X", [parts()["X"], matrix(), 0 * matrix(), np.full((6, 3), LARGEST)])
def test_a_valid_table_is_accepted(X: np.ndarray, dense: bool) -> None:
    table = Table(**parts(X=X if dense else sparse.csr_matrix(X)))
    assert (table.n_samples, table.n_features, table.n_classes) == (6, 3, 2)
    assert (table.classes, table.features) == (("low", "high"), ("a", "b", "c"))
    assert_array_equal(table.X if isinstance(table.X, np.ndarray) else table.X.toarray(), X)


def test_missing_values_are_kept_and_counted() -> None:
    table = Table(**parts(X=matrix(np.nan)))
    assert table.n_missing == 1
    assert np.isnan(table.X[4, 1])
    assert Table(**parts()).n_missing == 0


CHANGED: dict[str, dict[str, Any]] = {
    "a value": {"X": matrix(2.0)},
    "another kind of matrix": {"X": sparse.csr_matrix(matrix())},
    "a label": {"y": np.array([0, 1, 0, 1, 1, 1])},
    "a class": {"classes": ["low", "higher"]},
    "a feature": {"features": ["a", "b", "d"]},
    "the relevant features": {"relevant": np.array([1])},
    "no relevant features": {"relevant": None},
    "no split": {"official_split": None},
    "groups": {"groups": np.arange(6) // 2},
    "the border of the split": {"official_split": (np.arange(3), np.arange(3, 6))},
}


@pytest.mark.parametrize("changes", CHANGED.values(), ids=CHANGED.keys())
def test_the_checksum_changes_with_the_content(changes: dict[str, Any]) -> None:
    base = parts(X=matrix())
    assert Table(**{**base, **changes}).checksum != Table(**base).checksum


def test_the_checksum_does_not_depend_on_memory_order() -> None:
    X, (train, test) = matrix(3.0), parts()["official_split"]
    strided = np.asfortranarray(X)
    rows = (np.repeat(train, 2)[::2].tolist(), np.repeat(test, 2)[::2])
    first = Table(**parts(X=X)).checksum
    assert Table(**parts(X=strided, official_split=rows)).checksum == first
