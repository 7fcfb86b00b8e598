"""DeepMapperClassifier: fits, ranks, repeats, and refuses what it cannot use."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from deepmapper import DeepMapperClassifier, DeepMapperError
from deepmapper.estimators.consensus import Consensus
from deepmapper.estimators.network_classifier import NetworkClassifier

QUICK = {"max_epochs": 1, "min_accuracy": 0.0}


def _table(n: int = 160, p: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    X = np.random.default_rng(seed).normal(size=(n, p)).astype(np.float32)
    return X, np.where(X[:, 11] + X[:, 30] > 0, "ill", "well")


@pytest.fixture(scope="module")
def fitted() -> DeepMapperClassifier:
    X, y = _table(n=400)
    return DeepMapperClassifier(passes=2, device="cpu", random_state=0).fit(X, y)


def test_it_names_the_features_that_matter(fitted: DeepMapperClassifier) -> None:
    table = fitted.attributions_
    columns = ["feature", "class", "mean", "sd", "selection_frequency", "mean_rank"]
    assert list(table.columns) == columns
    for label in ("ill", "well"):
        assert set(table[table["class"] == label].feature[:2]) == {"x11", "x30"}
    assert len(table) == 2 * 40
    assert table.groupby("class")["mean"].sum().to_numpy() == pytest.approx(1.0)


def test_it_predicts_the_labels_it_was_given(fitted: DeepMapperClassifier) -> None:
    X, y = _table(seed=1)
    assert set(fitted.predict(X)) <= {"ill", "well"}
    assert (fitted.predict(X) == y).mean() > 0.85
    probabilities = fitted.predict_proba(X)
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-6)
    assert fitted.transform(X).shape == (160, 1, 7, 7)


def test_history_has_every_epoch_of_every_pass(fitted: DeepMapperClassifier) -> None:
    places = {(row["pass"], row["epoch"]) for row in fitted.history_}
    assert places == {(i, e) for i in (0, 1) for e in range(1, 11)}


def test_the_same_seed_repeats_everything_and_a_clone_is_unfitted() -> None:
    X, y = _table()
    model = DeepMapperClassifier(
        passes=1, layout="random", device="cpu", random_state=0, training=QUICK | {"max_epochs": 3}
    )
    first = model.fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(clone(model).fit(X, y).predict_proba(X), first)
    with pytest.raises(NotFittedError):
        clone(model).predict(X)
    other = clone(model).set_params(random_state=1).fit(X, y).predict_proba(X)
    assert (other != first).any()


def test_a_data_frame_gives_its_names_and_sparse_equals_dense() -> None:
    X, y = _table()
    frame = pd.DataFrame(X, columns=[f"gene{i}" for i in range(40)])
    model = DeepMapperClassifier(passes=1, training=QUICK, device="cpu", random_state=0).fit(
        frame, y
    )
    assert set(model.attributions_.feature) == set(frame.columns)
    X[X < 0.5] = 0
    dense = DeepMapperClassifier(passes=1, training=QUICK, device="cpu", random_state=0).fit(X, y)
    csr = clone(dense).fit(sparse.csr_matrix(X), y)
    np.testing.assert_array_equal(csr.predict_proba(X), dense.predict_proba(X))


def test_one_class_is_refused() -> None:
    X, _ = _table()
    with pytest.raises(DeepMapperError, match="two classes or more, got one class"):
        DeepMapperClassifier(device="cpu").fit(X, ["same"] * len(X))


def test_nan_and_wrong_widths_are_refused(fitted: DeepMapperClassifier) -> None:
    X, y = _table()
    with pytest.raises(ValueError, match="41 features"):
        fitted.predict(np.zeros((2, 41), dtype=np.float32))
    X[0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        DeepMapperClassifier(device="cpu").fit(X, y)


def test_an_unknown_device_is_named() -> None:
    X, y = _table()
    with pytest.raises(DeepMapperError, match="abacus"):
        DeepMapperClassifier(device="abacus").fit(X, y)


def test_a_held_out_row_is_never_trained_on() -> None:
    X, y = _table()
    images = X[:, :36].reshape(-1, 1, 6, 6)
    model = NetworkClassifier(passes=3, training=QUICK, device="cpu", random_state=0).fit(images, y)
    held_out = [trained.held_out for trained in model.passes_]
    assert len({tuple(sorted(rows)) for rows in held_out}) == len(held_out) == 3
    for trained in model.passes_:
        assert not set(trained.held_out) & set(trained.training)
    for rows in held_out:
        assert len(rows) == 16
        assert len(set(y[rows])) == 2


def test_probabilities_after_each_epoch_end_with_those_of_the_model() -> None:
    X, y = _table()
    images = X[:, :36].reshape(-1, 1, 6, 6)
    training = {"max_epochs": 3, "target_loss": None}
    settings: dict = {"training": training, "device": "cpu", "random_state": 0}
    model = NetworkClassifier(keep_epochs=True, **settings).fit(images, y)
    stages = list(model.staged_predict_proba(images))
    assert len(stages) == 3
    np.testing.assert_allclose(stages[-1], model.predict_proba(images), atol=1e-6)
    assert np.abs(stages[0] - stages[-1]).max() > 1e-3
    plain = NetworkClassifier(**settings).fit(images, y)
    np.testing.assert_array_equal(plain.predict_proba(images), model.predict_proba(images))
    with pytest.raises(DeepMapperError, match="keep_epochs=True"):
        next(plain.staged_predict_proba(images))


def test_too_few_samples_to_hold_out_is_said() -> None:
    X, y = _table(n=4)
    y[:2], y[2:] = "ill", "well"
    with pytest.warns(UserWarning, match="too few to hold out"):
        NetworkClassifier(training=QUICK, device="cpu").fit(X[:, :36].reshape(-1, 1, 6, 6), y)


def test_consensus_averages_shares_and_ranks() -> None:
    consensus = Consensus(top=1)
    consensus.add(np.array([[6.0, 3.0, 1.0]]))
    consensus.add(np.array([[0.2, 0.8, 0.0]]))
    table = consensus.table(["a", "b", "c"], ["only"]).set_index("feature")
    assert list(table.index) == ["b", "a", "c"]
    np.testing.assert_allclose(table["mean"], [0.55, 0.4, 0.05])
    np.testing.assert_allclose(table["sd"], np.array([0.5, 0.4, 0.1]) / np.sqrt(2))
    np.testing.assert_allclose(table["selection_frequency"], [0.5, 0.5, 0.0])
    np.testing.assert_allclose(table["mean_rank"], [1.5, 1.5, 3.0])
