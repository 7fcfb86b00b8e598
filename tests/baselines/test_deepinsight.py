"""DeepInsight's converter and the selection of DeepFeature."""

import pickle

import numpy as np
import pytest

pytest.importorskip("pyDeepInsight", reason="optional: pip install 'pydeepinsight[cam]'")

from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline

from baselines._deepinsight import DeepInsightConverter, class_cam
from bench.catalog import entry
from bench.run.outputs import attribute
from deepmapper.errors import DeepMapperError


@pytest.fixture
def table() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(40, 30)).astype(np.float32)


@pytest.mark.parametrize("scaling", ["standard", "norm2"])
def test_images_are_finite_also_far_outside_the_training_range(
    scaling: str, table: np.ndarray
) -> None:
    """Norm2Scaler of pyDeepInsight 0.2.3 gives NaN outside of the range."""
    converter = DeepInsightConverter(PCA(2), "equal", scaling).fit(table)
    images = converter.transform(table - 50)
    assert images.shape == (40, 1, 6, 6)
    assert images.dtype == np.float32
    assert np.isfinite(images).all()


def test_features_that_share_a_pixel_share_its_value(table: np.ndarray) -> None:
    converter = DeepInsightConverter(PCA(2), 4).fit(table)
    pixels = np.arange(16.0).reshape(4, 4)
    values = converter.to_features(pixels)
    assert values.shape == (30,)
    assert len(set(values)) < 17
    scaled = converter.scaler_.transform(table)
    shared = np.flatnonzero(values == values[0])
    row, column = divmod(int(values[0]), 4)
    image_values = converter.transform(table)[:, 0, row, column]
    np.testing.assert_allclose(image_values, scaled[:, shared].mean(1), rtol=1e-4, atol=1e-5)


def test_blocks_of_rows_change_nothing(table: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    converter = DeepInsightConverter(PCA(2), 8).fit(table)
    whole = converter.transform(table)
    monkeypatch.setattr("baselines._deepinsight.BLOCK_ROWS", 7)
    np.testing.assert_array_equal(converter.transform(table), whole)


def pipeline_of(name: str, **params: object) -> Pipeline:
    module = entry("methods", name).load()
    return module.build(module.Params(**params), device="cpu", seed=3)


@pytest.mark.filterwarnings("ignore:no pass was better")
def test_the_published_recipe_has_the_published_settings_and_trains(table: np.ndarray) -> None:
    pipeline = pipeline_of("deepinsight_pca", recipe="published")
    convert, model = pipeline["convert"], pipeline["model"]
    assert (convert.image_size, convert.scaling) == (224, "norm2")
    published = {"max_epochs": 100, "batch_size": 200, "learning_rate": 1e-4}
    assert published.items() <= model.training.items()
    model.set_params(training__max_epochs=1)
    convert.set_params(image_size=32)
    y = np.arange(40) % 2
    Z = convert.fit(table).transform(table)
    assert 0 <= Z.min() <= Z.max() <= 1
    probabilities = model.fit(Z, y).predict_proba(Z)
    assert next(model.networks_[0].parameters()).shape == (64, 3, 7, 7)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-6)


def test_the_published_recipe_refuses_its_own_settings() -> None:
    with pytest.raises(DeepMapperError, match="sets epochs itself: leave epochs out"):
        pipeline_of("deepinsight_pca", recipe="published", epochs=3)
    model = pipeline_of("deepinsight_pca", recipe="published", recipe_epochs=3).named_steps["model"]
    assert model.training["max_epochs"] == 3


@pytest.fixture(scope="module")
def deepfeature() -> tuple[Pipeline, np.ndarray, np.ndarray]:
    """Two classes that differ in feature 17 of 36."""
    rng = np.random.default_rng(5)
    y = np.arange(240) % 2
    X = rng.normal(size=(240, 36)).astype(np.float32)
    X[:, 17] += 6 * y
    params = {"image_size": 48, "attribution": "deepfeature", "backbone": "cnn_small"}
    pipeline = pipeline_of("deepinsight_pca", gate=False, passes=1, **params)
    Z = pipeline["convert"].fit(X).transform(X)
    pipeline["model"].fit(Z, y)
    return pipeline, Z, y


@pytest.mark.slow
def test_deepfeature_selects_few_features_and_ranks_a_planted_one_high(
    deepfeature: tuple[Pipeline, np.ndarray, np.ndarray],
) -> None:
    pipeline, Z, y = deepfeature
    convert, model = pipeline["convert"], pipeline["model"]
    maps = model.attribute(Z, y)
    assert maps.shape == (2, 1, 48, 48)
    assert ((maps == 0) | ((maps >= model.cam_threshold) & (maps <= 1))).all()
    assert 0 < (attribute(convert, model, Z, y, 2).sum(0) > 0).sum() < 18
    model.cam_threshold = 1e-9  # other CPUs have other neighbours above 0.6
    activation = attribute(convert, model, Z, y, 2).sum(0)
    model.cam_threshold = 0.6
    assert (activation > activation[17]).sum() < 6


@pytest.mark.slow
def test_deepfeature_selects_what_pydeepinsight_selects(
    deepfeature: tuple[Pipeline, np.ndarray, np.ndarray],
) -> None:
    """Compare with CAMFeatureSelector, at a threshold without stretching."""
    import torch
    from pyDeepInsight import CAMFeatureSelector

    pipeline, Z, y = deepfeature
    convert, model = pipeline["convert"], pipeline["model"]
    network = model.networks_[0]
    cam = class_cam(network, torch.as_tensor(Z[y == 1][:64]), 1)
    threshold = 0.5 * float(cam.max())
    selector = CAMFeatureSelector(network, convert.transformer_, "stem")
    theirs = selector.select_class_features({1: cam}, threshold)[1]
    model.cam_threshold = threshold
    ours = np.flatnonzero(attribute(convert, model, Z, y, 2)[1])
    model.cam_threshold = 0.6
    assert sorted(theirs) == ours.tolist()
    assert len(ours) > 0


@pytest.mark.slow
def test_deepfeature_leaves_no_hook_and_can_be_pickled(
    deepfeature: tuple[Pipeline, np.ndarray, np.ndarray],
) -> None:
    pipeline, Z, y = deepfeature
    model = pipeline["model"]
    model.attribute(Z, y)
    modules = list(model.networks_[0].modules())
    assert not any(m._forward_hooks or m._backward_hooks for m in modules)
    assert all(weight.requires_grad for weight in model.networks_[0].parameters())
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(Z), model.predict_proba(Z))
