"""Changes of a table that must not change the engine's answer, and one that must."""

from collections.abc import Callable

import numpy as np
import pytest

from deepmapper import DeepMapperClassifier

N, P, N_TRAIN = 240, 60, 160
MARKERS = (5, 33)
Change = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray, dict[int, int]]]


def _table() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = rng.permutation(np.arange(N) % 2)
    X = rng.normal(size=(N, P))
    X[:, MARKERS] += 1.5 * (2 * y[:, None] - 1) * [1, -1]
    return X, y


def _fit(X: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """The accuracy on the test rows, and the names of the strongest two features."""
    model = DeepMapperClassifier(passes=2, device="cpu", random_state=0)
    model.fit(X[:N_TRAIN], y[:N_TRAIN])
    table = model.attributions_
    first = table[table["class"] == model.classes_[0]]
    top = first.feature.str.removeprefix("x").astype(int).to_numpy()[:2]
    return float((model.predict(X[N_TRAIN:]) == y[N_TRAIN:]).mean()), top


ORDER = np.random.default_rng(1).permutation(P)
SAME = {marker: marker for marker in MARKERS}
# The changed table, and the place of each marker in it.
CHANGES: dict[str, Change] = {
    "columns in another order": lambda X, y: (
        X[:, ORDER],
        y,
        {marker: int(np.flatnonzero(marker == ORDER)[0]) for marker in MARKERS},
    ),
    "rows in another order": lambda X, y: (
        np.r_[X[:N_TRAIN][::-1], X[N_TRAIN:]],
        np.r_[y[:N_TRAIN][::-1], y[N_TRAIN:]],
        SAME,
    ),
    "classes the other way round": lambda X, y: (X, np.array(["b", "a"])[y], SAME),
    "constant columns": lambda X, y: (
        np.hstack([X, np.zeros((N, 40)), np.full((N, 40), 3.3)]),
        y,
        SAME,
    ),
    "a larger image": lambda X, y: (np.hstack([X, np.zeros((N, 900))]), y, SAME),
    "one feature in other units": lambda X, y: (
        X * np.where(np.arange(P) == MARKERS[0], 1e4, 1),
        y,
        SAME,
    ),
    "another origin": lambda X, y: (X + np.where(np.arange(P) % 2, 1e3, 0), y, SAME),
}


@pytest.fixture(scope="module")
def accuracy() -> float:
    X, y = _table()
    right, top = _fit(X, y)
    assert set(top) == set(MARKERS)
    return right


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_without_information_changes_neither_markers_nor_accuracy(
    accuracy: float, change: str
) -> None:
    X, y, place = CHANGES[change](*_table())
    right, top = _fit(X, y)
    assert set(top) == set(place.values())
    assert abs(right - accuracy) <= 0.05  # 4 of 80 rows


def test_a_feature_that_occurs_twice_is_named_twice(accuracy: float) -> None:
    X, y = _table()
    right, top = _fit(np.hstack([X, X[:, [MARKERS[0]]]]), y)
    assert set(top) <= {*MARKERS, P}
    assert abs(right - accuracy) <= 0.05


def test_names_of_classes_change_no_probability() -> None:
    X, y = _table()
    models = [
        DeepMapperClassifier(passes=1, device="cpu", random_state=0).fit(X[:N_TRAIN], labels)
        for labels in (y[:N_TRAIN], np.array(["ill", "well"])[y[:N_TRAIN]])
    ]
    first, second = (model.predict_proba(X[N_TRAIN:]) for model in models)
    np.testing.assert_array_equal(first, second)


def test_permuted_labels_are_predicted_by_chance() -> None:
    X, y = _table()
    permuted = np.random.default_rng(2).permutation(y)
    right, _ = _fit(X, permuted)
    assert abs(right - 0.5) < 0.22  # four standard errors of 80 rows
