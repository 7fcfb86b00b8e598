"""DeepMapperClassifier: a scikit-learn classifier that ranks features."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import check_estimator, estimator_checks_generator

from deepmapper import DeepMapperClassifier, DeepMapperError
from deepmapper.estimators.network_classifier import NetworkClassifier

QUICK = {"max_epochs": 1, "min_accuracy": 0.0}


def _table(n: int = 160, p: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    X = np.random.default_rng(seed).normal(size=(n, p)).astype(np.float32)
    return X, np.where(X[:, 11] + X[:, 30] > 0, "ill", "well")


@pytest.fixture(scope="module")
def fitted() -> DeepMapperClassifier:
    X, y = _table(n=400)
    return DeepMapperClassifier(passes=2, device="cpu", random_state=0).fit(X, y)


def test_the_relevant_features_rank_first(fitted: DeepMapperClassifier) -> None:
    table = fitted.attributions_
    epochs = {(row["pass"], row["epoch"]) for row in fitted.history_}
    assert epochs == {(i, e) for i in (0, 1) for e in range(1, 11)}
    columns = ["feature", "class", "mean", "sd", "selection_frequency", "mean_rank"]
    assert list(table.columns) == [*columns, "q_value", "evidence", "direction", "partner"]
    assert (table.q_value[table.feature.isin(["x11", "x30"])] < 0.01).all()
    for label in ("ill", "well"):
        assert set(table[table["class"] == label].feature[:2]) == {"x11", "x30"}
    assert len(table) == 2 * 40
    assert table.groupby("class")["mean"].sum().to_numpy() == pytest.approx(1.0)


def test_predictions_are_labels_of_the_training_data(fitted: DeepMapperClassifier) -> None:
    X, y = _table(seed=1)
    assert set(fitted.predict(X)) <= {"ill", "well"}
    assert (fitted.predict(X) == y).mean() > 0.85
    probabilities = fitted.predict_proba(X)
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-6)
    assert fitted.transform(X).shape == (160, 1, 7, 7)


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
    model = DeepMapperClassifier(passes=1, training=QUICK, device="cpu", random_state=0)
    model.fit(frame, y)
    assert set(model.attributions_.feature) == set(frame.columns)
    X[X < 0.5] = 0
    dense = clone(model).fit(X, y)
    csr = clone(dense).fit(sparse.csr_matrix(X), y)
    np.testing.assert_array_equal(csr.predict_proba(X), dense.predict_proba(X))


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


SPLIT = "copies of a repeated row may be on both sides of a pass's split, a weighted row is not"
UNEQUAL = [f"check_sample_weight_equivalence_on_{kind}_data" for kind in ("dense", "sparse")]


@pytest.mark.filterwarnings("ignore:no pass was better", "ignore:.*too few to hold out")
@pytest.mark.parametrize(
    ("estimator", "check"),
    estimator_checks_generator(
        DeepMapperClassifier(passes=1, training={"plain": ("discriminant", "ranks")}, device="cpu"),
        expected_failed_checks=dict.fromkeys(UNEQUAL, SPLIT),
        mark="skip",
    ),
    ids=lambda value: getattr(getattr(value, "func", value), "__name__", "classifier"),
)
def test_the_classifier_is_a_scikit_learn_estimator(estimator, check) -> None:  # type: ignore[no-untyped-def]
    check(estimator)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_check_estimator_passes_with_the_defaults() -> None:
    check_estimator(DeepMapperClassifier(), expected_failed_checks=dict.fromkeys(UNEQUAL, SPLIT))


def test_pixels_have_the_names_of_their_features() -> None:
    X, y = _table()
    table = pd.DataFrame(X, columns=[f"gene{i}" for i in range(40)])
    model = DeepMapperClassifier(training=QUICK, passes=1, device="cpu", random_state=0)
    names = model.fit(table, y).get_feature_names_out()
    pixels = model.transform(table).reshape(len(table), -1)
    assert len(names) == pixels.shape[1]
    assert set(table.columns) < set(names)
    assert (pixels[:, [name.startswith("empty") for name in names]] == 0).all()


def test_images_of_features_with_other_units_are_not_augmented() -> None:
    X, y = np.random.default_rng(0).normal(size=(40, 36)), np.arange(40) % 2
    augmented = {"augment": True, "max_epochs": 1}
    right = {"scale": "none", "gate": False, "backbone": "cnn_small"}
    for wrong in ({"scale": "standard"}, {"gate": True}, {"backbone": "patch"}):
        model = DeepMapperClassifier(**(right | wrong), training=augmented, random_state=0)
        with pytest.raises(DeepMapperError, match="augment=True mixes the values"):
            model.fit(X, y)
    DeepMapperClassifier(**right, passes=1, training=augmented, random_state=0).fit(X, y)


def test_networks_without_held_out_rows_stay_alone() -> None:
    X, y = np.random.default_rng(0).normal(size=(40, 36)), np.arange(40) % 2
    model = DeepMapperClassifier(training={"validation_fraction": 0.0}, random_state=0).fit(X, y)
    assert model.mixture_.names == ("network",)
    images = model.converter_.transform(X)
    np.testing.assert_allclose(
        model.predict_proba(X), model.classifier_.predict_proba(images), atol=1e-6
    )
