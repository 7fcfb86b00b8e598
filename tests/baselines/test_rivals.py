"""Rival methods: what is particular about each."""

import hashlib
import importlib
import random
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.cross_decomposition import PLSRegression
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import Pipeline

from baselines import pls_da, shrunken_centroids, stability_selection
from baselines._boosting import BoostingParams, choose
from baselines._weights import refuse_above, verified_weights
from datasets.table import DataUnavailable

PRETRAINED = ("tabpfn", "tabpfn_wide", "tabicl")


def method(name: str) -> ModuleType:
    module = importlib.import_module(f"baselines.{name}")
    for library in getattr(module, "REQUIRES", {}):
        pytest.importorskip(library)
    return module


def fitted(module: ModuleType, X: np.ndarray, y: np.ndarray, **params: object) -> Pipeline:
    return module.build(module.Params(**params), device="cpu", seed=1).fit(X, y)


@pytest.fixture(scope="module")
def wide() -> tuple[np.ndarray, np.ndarray]:
    """60 rows of 300 features, of which four separate three classes."""
    rng = np.random.default_rng(4)
    y = np.arange(60) % 3
    X = rng.normal(size=(60, 300)).astype(np.float32)
    X[:, :4] += 1.5 * (y[:, None] == np.array([0, 1, 2, 2]))
    return X, y


# Nearest shrunken centroids


def test_shrunken_differences_are_those_of_scikit_learn(wide) -> None:
    X, y = wide
    statistics = shrunken_centroids.class_statistics(X, y, 3)
    ours = shrunken_centroids.shrink(statistics.differences, 1.2)
    theirs = NearestCentroid(shrink_threshold=1.2).fit(X.astype(np.float64), y)
    assert (ours == 0).any()
    np.testing.assert_allclose(ours, theirs.deviations_, atol=1e-5)


def test_discriminant_scores_are_those_of_the_paper(wide) -> None:
    """Equation 7: sum over features of (x - centroid)^2 / (s + s0)^2, minus 2 log prior."""
    X, y = wide
    X, y = X[:50], np.minimum(y[:50], 1)
    statistics = shrunken_centroids.class_statistics(X, y, 2)
    shrunken = shrunken_centroids.shrink(statistics.differences, 0.5)
    scores = shrunken_centroids.discriminant_scores(X, statistics, shrunken)
    within = sum(((X[y == c] - X[y == c].mean(0)) ** 2).sum(0) for c in range(2))
    s = np.sqrt(within / (50 - 2))
    width = s + np.median(s)
    expected = []
    for c, n in enumerate(np.bincount(y)):
        centroid = X.mean(0) + np.sqrt(1 / n - 1 / 50) * width * shrunken[c]
        expected.append((((X - centroid) / width) ** 2).sum(1) - 2 * np.log(n / 50))
    difference = -(expected[0] - expected[1]) / 2
    np.testing.assert_allclose(scores[:, 0] - scores[:, 1], difference, rtol=1e-3, atol=1e-3)


def test_shrinking_keeps_few_features(wide) -> None:
    model = fitted(shrunken_centroids, *wide)["model"]
    kept = np.flatnonzero(model.differences_.any(0))
    assert {0, 1, 2, 3} <= set(kept)
    assert len(kept) < 100
    assert model.threshold_ > 0


# PLS-DA


def test_one_fit_has_the_models_with_fewer_components(wide) -> None:
    X, y = wide
    hot = np.eye(3)[y]
    weights, intercepts = pls_da.fit_components(X, hot, 4)
    for n in (1, 3):
        oracle = PLSRegression(n, scale=False).fit(X, hot)
        ours = X @ weights[n - 1] + intercepts[n - 1]
        np.testing.assert_allclose(ours, oracle.predict(X), atol=1e-4)


def test_pls_in_the_row_space_predicts_as_outside(wide) -> None:
    pipeline = fitted(pls_da, *wide)
    model, Z = pipeline["model"], pipeline["convert"].transform(wide[0])
    oracle = PLSRegression(model.n_components_, scale=False).fit(Z, np.eye(3)[wide[1]])
    np.testing.assert_allclose(Z @ model.coef_.T + model.intercept_, oracle.predict(Z), atol=1e-3)
    assert set(np.argsort(-np.abs(model.coef_).sum(0))[:4]) == {0, 1, 2, 3}


# Stability selection


def test_halves_are_complementary_and_stratified() -> None:
    codes = np.array([0] * 7 + [1] * 4 + [2])
    first, second = stability_selection.complementary_halves(codes)
    assert sorted([*first, *second]) == list(range(12))
    differences = np.bincount(codes[first], minlength=3) - np.bincount(codes[second], minlength=3)
    assert np.abs(differences).max() <= 1
    assert len(first) == len(second)


def test_noise_is_rarely_selected(wide) -> None:
    X, y = wide
    model = fitted(stability_selection, X, y, n_pairs=10)["model"]
    assert model.selected_[:2].all()
    assert model.selected_.sum() <= 8
    assert model.feature_importances_.max() <= 1
    mean_per_half = model.feature_importances_.sum()
    assert mean_per_half <= int(np.sqrt(0.2 * 300)) + 1e-9


# Boosted trees


def test_columns_are_chosen_first_and_then_the_depth() -> None:
    losses = {(5, 4): 0.3, (10, 4): 0.2, (10, 7): 0.25}
    tried = []

    def train(n_columns: int, depth: int) -> tuple[float, int]:
        tried.append((n_columns, depth))
        return losses[n_columns, depth], 9

    choice = choose(BoostingParams(n_columns=(None, 5)), 10, train)
    assert tried == [(5, 4), (10, 4), (10, 7)]
    assert choice == (0.2, 9, 10, 4)


@pytest.mark.parametrize("name", ["catboost", "xgboost"])
def test_boosting_stops_early_and_names_the_features(wide, name: str) -> None:
    X, y = np.tile(wide[0], (4, 1)), np.tile(wide[1], 4)
    model = fitted(method(name), X, y, max_rounds=40, depths=(3,))["model"]
    assert 0 < model.n_rounds_ <= 40
    assert model.feature_importances_.shape == (300,)
    assert len({0, 1, 2, 3} & set(np.argsort(-model.feature_importances_)[:4])) >= 3


# Networks of pytabkit


NETWORKS = {
    "realmlp": {"epochs": 15},
    "tabm": {"n_members": 4, "width": 32, "patience": 5},
    "ft_transformer": {"n_layers": 1, "width": 16, "epochs": 3},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_the_explained_network_predicts_as_the_package(name: str) -> None:
    """The inputs of the network and its order of classes are those of the package."""
    module = method(name)
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    X = rng.normal(size=(90, 12)).astype(np.float32)
    X[:, 2] += y
    X[:, 5] = 1
    states = random.getstate(), torch.get_rng_state()
    model = fitted(module, X, y, **NETWORKS[name])["model"]
    assert random.getstate() == states[0]
    assert torch.equal(torch.get_rng_state(), states[1])
    converter = model.estimator_.x_converter_
    rows, kept = model.inputs(converter.transform(importlib.import_module("pandas").DataFrame(X)))
    assert rows.shape == (90, len(kept))
    with torch.no_grad():
        expected = model.network().eval()(rows).softmax(1).numpy()
    np.testing.assert_allclose(model.predict_proba(X), expected, atol=1e-5)
    values = model.attribute(X, y)
    assert values.shape == (3, 12)
    assert values.any()


@pytest.mark.parametrize("name", ["ft_transformer", "tabm"])
def test_tables_with_too_many_features_are_refused(name: str) -> None:
    module = importlib.import_module(f"baselines.{name}")
    reason = module.supports(SimpleNamespace(n_features=module.MAX_FEATURES + 1))
    assert f"{module.MAX_FEATURES:,}" in reason
    assert f"{module.MAX_FEATURES + 1:,}" in reason


# xRFM


def test_the_metric_of_xrfm_is_large_for_the_features_that_matter() -> None:
    rng = np.random.default_rng(2)
    y = np.arange(120) % 2
    X = rng.normal(size=(120, 30)).astype(np.float32)
    X[:, [3, 8]] += 2 * y[:, None]
    model = fitted(method("xrfm"), X, y)["model"]
    assert set(np.argsort(-model.feature_importances_)[:2]) == {3, 8}
    assert model.bandwidth_ in (0.5, 2.0, 10.0)


# Pretrained models


def test_weights_are_read_only_if_their_sum_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPMAPPER_DATA", str(tmp_path))
    file = tmp_path / "weights.ckpt"
    file.write_bytes(b"weights")
    right, wrong = hashlib.sha256(b"weights").hexdigest(), 64 * "0"
    assert verified_weights(str(file), right, "the source") == file
    assert verified_weights("weights.ckpt", right.upper(), "the source") == file
    with pytest.raises(DataUnavailable, match=f"{wrong}.*{right}.*the source"):
        verified_weights(str(file), wrong, "the source")
    with pytest.raises(DataUnavailable, match=r"other\.ckpt is not a file.*the source"):
        verified_weights("other.ckpt", right, "the source")


@pytest.mark.parametrize("name", PRETRAINED)
def test_without_weights_the_reason_has_the_official_source(wide, name: str) -> None:
    module = method(name)
    with pytest.raises(DataUnavailable, match=r"`weights` is empty.*https://.*License|BSD"):
        fitted(module, *wide)


@pytest.mark.parametrize("name", PRETRAINED)
def test_each_limit_is_refused_with_both_numbers(name: str) -> None:
    module = importlib.import_module(f"baselines.{name}")
    fits = {"n_features": 10, "n_samples": 100, "n_classes": 2}
    assert module.supports(SimpleNamespace(**fits)) is None
    for size, limit in module.LIMITS.items():
        reason = module.supports(SimpleNamespace(**fits | {size: limit + 1}))
        assert f"{limit:,} {size.removeprefix('n_')}, got {limit + 1:,}" in reason
    assert refuse_above(SimpleNamespace(n_features=3), "a model", n_features=3) is None


@pytest.mark.slow
@pytest.mark.parametrize("name", PRETRAINED)
def test_a_checkpoint_is_loaded_and_predicts_the_same_again(
    tiny_weights: dict[str, dict[str, object]], name: str
) -> None:
    module = method(name)
    rng = np.random.default_rng(0)
    y = np.array(["a", "b", "c"])[np.arange(30) % 3]
    X = rng.normal(size=(30, 8)).astype(np.float32)
    X[:, 5] = 2
    pipelines = [fitted(module, X, y, **tiny_weights[name]) for _ in range(2)]
    first, second = (pipeline.predict_proba(X[:6]) for pipeline in pipelines)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(first.sum(1), 1, atol=1e-4)
    assert np.ptp(first, axis=0).max() > 0
    model = pipelines[0]["model"]
    assert model.n_parameters_ > 1000
    assert set(model.predict(X)) <= {"a", "b", "c"}


@pytest.mark.slow
def test_the_attention_of_the_label_skips_constant_features(
    tiny_weights: dict[str, dict[str, object]],
) -> None:
    module = method("tabpfn_wide")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 8)).astype(np.float32)
    X[:, 5] = 2
    y = np.arange(30) % 3
    values = fitted(module, X, y, **tiny_weights["tabpfn_wide"])["model"].attribute(X, y)
    assert values.shape == (1, 8)
    assert values[0, 5] == 0
    assert (np.delete(values, 5) > 0).all()
