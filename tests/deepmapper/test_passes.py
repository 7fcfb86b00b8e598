"""A pass is judged by the weights that it keeps, with each class counted as in the loss."""

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score

from deepmapper.estimators.network_classifier import NetworkClassifier


def _images(n: int, share: float, shift: float) -> tuple[np.ndarray, np.ndarray]:
    """Images whose first pixel is higher in class 1, which is a `share` of the rows."""
    draw = np.random.default_rng(0)
    y = (np.arange(n) < share * n).astype(int)
    X = draw.normal(size=(n, 1, 3, 3)).astype(np.float32)
    X[:, 0, 0, 0] += shift * y
    return X, y


def _fit(X: np.ndarray, y: np.ndarray, **training: float) -> NetworkClassifier:
    return NetworkClassifier(passes=2, training=training, device="cpu", random_state=0).fit(X, y)


def test_the_accuracy_of_a_pass_is_that_of_the_network_it_keeps() -> None:
    X, y = _images(300, 0.3, 1.5)
    model = _fit(X, y, max_epochs=12, n_iter_no_change=4, learning_rate=0.3, min_accuracy=0.0)
    last = [trained.history[-1]["validation_accuracy"] for trained in model.passes_]
    for trained in model.passes_:
        with torch.no_grad():
            predicted = trained.network(torch.from_numpy(X[trained.held_out])).argmax(1)
        expected = balanced_accuracy_score(y[trained.held_out], predicted)
        assert trained.accuracy == pytest.approx(expected)
    assert [trained.accuracy for trained in model.passes_] != pytest.approx(last)


def test_a_useful_network_is_accepted_though_one_class_is_rare() -> None:
    """Always naming the large class is right for 95% of the rows, and useless."""
    model = _fit(*_images(1000, 0.05, 2.0), max_epochs=6)
    assert all(0.6 < trained.accuracy < 0.95 for trained in model.passes_)
    assert len(model.passes_) == 2
    assert all(row["accepted"] for row in model.history_)


def test_the_best_of_the_rejected_passes_is_kept_and_stays_rejected() -> None:
    with pytest.warns(UserWarning, match="no pass was better than 1.000"):
        model = _fit(*_images(100, 0.5, 1.0), max_epochs=1, min_accuracy=1.0)
    assert len(model.passes_) == 1
    assert {row["pass"] for row in model.history_} == {0, 1}
    assert not any(row["accepted"] for row in model.history_)
