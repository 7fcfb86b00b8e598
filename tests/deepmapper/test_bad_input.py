"""Tables that are hard or impossible to learn from."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

from deepmapper import DeepMapperClassifier, DeepMapperError


def _model(**settings: object) -> DeepMapperClassifier:
    usual = {"passes": 1, "training": {"max_epochs": 3}, "device": "cpu", "random_state": 0}
    return DeepMapperClassifier(**(usual | settings))  # type: ignore[arg-type]


def _table(n: int = 60, p: int = 12) -> tuple[np.ndarray, np.ndarray]:
    X = np.random.default_rng(0).normal(size=(n, p)).astype(np.float32)
    return X, np.where(X[:, 0] > 0, "high", "low")


def test_one_class_is_refused() -> None:
    X, _ = _table()
    with pytest.raises(DeepMapperError, match="two classes or more, got one class"):
        _model().fit(X, np.ones(60))


def test_a_class_of_one_sample_does_not_keep_others_from_being_held_out() -> None:
    X, y = _table()
    y[0] = "rare"
    model = _model(passes=5, agreement=None).fit(X, y)
    assert model.predict_proba(X).shape == (60, 3)
    assert model.mixture_.n_held_out == 60


def test_fewer_samples_than_classes_needs_two_classes_only() -> None:
    X, _ = _table(4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = _model(training={"max_epochs": 30}).fit(X, list("abcd"))
    assert set(model.classes_) == set("abcd")


@pytest.mark.parametrize(("bad", "word"), [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "inf")])
def test_values_that_are_not_finite_are_refused(bad: float, word: str) -> None:
    X, y = _table()
    X[3, 4] = bad
    with pytest.raises(ValueError, match=word):
        _model().fit(X, y)


def test_duplicate_columns_share_the_attribution() -> None:
    X, y = _table(400)
    X[:, 5] = X[:, 0]
    model = _model(training={"max_epochs": 10}).fit(X, y)
    top = model.attributions_.groupby("class").head(2)
    assert set(top.feature) == {"x0", "x5"}


def test_a_single_feature_is_learnt_from() -> None:
    X, y = _table(200, 1)
    model = _model(training={"max_epochs": 10}).fit(X, y)
    assert model.layout_.shape == (1, 1)
    assert (model.predict(X) == y).mean() > 0.95


def test_a_table_of_constants_is_chance_not_an_error() -> None:
    X, y = np.ones((60, 5), dtype=np.float32), np.arange(60) % 2
    with pytest.warns(UserWarning, match="no pass was better"):
        model = _model().fit(X, y)
    assert np.isfinite(model.predict_proba(X)).all()


@pytest.mark.parametrize(
    ("setting", "word"),
    [
        ({"layout": "spiral"}, "spiral"),
        ({"backbone": "resnet1800"}, "resnet1800"),
        ({"attribution": "tea_leaves"}, "tea_leaves"),
        ({"passes": 0}, "range .1, inf."),
        ({"training": {"schedule": "zigzag"}}, "zigzag"),
        ({"training": {"precision": "int3"}}, "int3"),
        ({"training": {"optimizer": "adam"}}, "'adam'"),
        ({"training": {"max_epochs": 0}}, "range .1, inf."),
        ({"training": {"batch_size": 1}}, "range .2, inf."),
        ({"top": 0}, "range .1, inf."),
        ({"log": "ln"}, "ln"),
        ({"gate": "maybe"}, "maybe"),
        ({"gate": "False"}, "False"),
        ({"training": {"epochs": 3}}, "max_epochs"),
        ({"class_weight": "even"}, "even"),
    ],
)
def test_settings_that_make_no_sense_are_refused(setting: dict, word: str) -> None:
    X, y = _table()
    with pytest.raises(DeepMapperError, match=word):
        _model(**setting).fit(X, y)


def test_classes_of_one_sample_each_are_learnt_without_plain_models() -> None:
    X, _ = _table(25)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = _model().fit(X, [f"class {i}" for i in range(25)])
    assert model.mixture_.names == ("network",)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["a", None] * 30, "missing labels in y: 30, the first is None in row 1"),
        ([1.0, 2.0, np.nan] * 20, "missing labels in y: 20, the first is nan in row 2"),
        (["a", np.nan] * 30, "missing labels in y: 30, the first is nan in row 1"),
        (pd.Series(["a", None] * 30, dtype="string"), "the first is <NA> in row 1"),
        (pd.DataFrame({"status": ["a", None] * 30}), "the first is nan in row 1"),
        (np.array(["a", 1] * 30, dtype=object), r"such as 1 and 'a'; .*\[str\(label\)"),
        ([b"a", b"b"] * 30, "such as b'a'; expected only texts"),
    ],
)
def test_labels_that_cannot_be_sorted_are_refused(labels: Any, message: str) -> None:
    with pytest.raises(DeepMapperError, match=message):
        _model().fit(_table()[0], labels)
