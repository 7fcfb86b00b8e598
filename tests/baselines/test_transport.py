"""Genomap and TabMap place features as their packages do. Most tests need their environments."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from baselines import genomap, tabmap
from baselines._environment import call
from baselines._tintolib import PlacedConverter
from datasets._folder import environment_python
from deepmapper.images.layouts import square_side

from . import environment_script as script


def needs(module: ModuleType) -> pytest.MarkDecorator:
    """Skip a test if the environment of a method is missing."""
    name = module.__name__.rpartition(".")[2]
    reason = f"optional: python -m bench environment {name}"
    return pytest.mark.skipif(not environment_python(module.ENVIRONMENT).is_file(), reason=reason)


@pytest.fixture
def rows() -> np.ndarray:
    """Thirty correlated features, two of them constant."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4)) @ rng.normal(size=(4, 30)) + rng.normal(size=(60, 30))
    X[:, [3, 17]] = 3
    return X.astype(np.float32)


def converter(module: ModuleType, **params: object) -> PlacedConverter:
    pipeline = module.build(module.Params(**params), device="cpu", seed=0)
    return pipeline.named_steps["convert"]


@pytest.mark.slow
@needs(tabmap)
@pytest.mark.parametrize("n_features", [25, 28])
def test_tabmap_makes_the_images_of_the_package(rows: np.ndarray, n_features: int) -> None:
    X = np.delete(rows, [3, 17], axis=1)[:, :n_features]
    fitted = converter(tabmap, scaling="minmax").fit(X)
    scaled = fitted.scaler_.transform(X)
    theirs = call(tabmap.ENVIRONMENT, script.tabmap_images, {"X": scaled})
    np.testing.assert_allclose(fitted.transform(X)[:, 0], theirs["images"], rtol=1e-6)


@pytest.mark.slow
@needs(tabmap)
def test_tabmap_orders_features_and_pixels_by_mean_distance(rows: np.ndarray) -> None:
    X = np.delete(rows, [3, 17], axis=1)
    pixels = converter(tabmap).fit(X).placement_.pixels
    points = np.stack(np.divmod(np.arange(X.shape[1]), square_side(X.shape[1])), axis=1)
    between = np.linalg.norm(points[:, None] - points, axis=-1)
    of_pixels = np.log(between / between.mean() + 1e-15).mean(1)
    of_features = (1 - np.corrcoef(X.T.astype(np.float64))).mean(1)
    order = np.argsort(of_features)
    np.testing.assert_allclose(of_pixels[pixels[order]], np.sort(of_pixels), atol=1e-9)


@pytest.mark.slow
@needs(genomap)
@pytest.mark.parametrize(("n_features", "side"), [(25, 5), (28, 6)])
def test_genomap_makes_the_images_of_the_package(
    rows: np.ndarray, n_features: int, side: int
) -> None:
    X = np.delete(rows, [3, 17], axis=1)[:, :n_features]
    fitted = converter(genomap, n_iterations=20).fit(X)
    arrays = {"X": fitted.placed_.scaler_.transform(X)}
    theirs = call(genomap.ENVIRONMENT, script.genomap_images, arrays, side=side, n_iterations=20)
    # The package leaves the last image empty, and multiplies by pixels / features.
    expected = theirs["images"][:-1] * n_features / side**2
    np.testing.assert_allclose(fitted.transform(X)[:-1, 0], expected, rtol=1e-6)


@pytest.mark.slow
@needs(tabmap)
def test_constant_features_get_the_pixels_that_are_left(rows: np.ndarray) -> None:
    pixels = converter(tabmap).fit(rows).placement_.pixels
    assert len(set(pixels)) == 30
    assert set(pixels[[3, 17]]) == {28, 29}


def test_a_table_of_constants_needs_no_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    pixels = converter(tabmap).fit(np.ones((5, 6), dtype=np.float32)).placement_.pixels
    assert sorted(pixels) == list(range(6))


@pytest.mark.slow
@needs(genomap)
def test_genomap_keeps_the_most_variable_features_of_a_large_table(rows: np.ndarray) -> None:
    rows = rows * np.where(np.arange(30) % 2, 10, 1).astype(np.float32)
    fitted = converter(genomap, max_side=3, n_iterations=5).fit(rows)
    largest = np.sort(np.argsort(-rows.var(0))[:9])
    np.testing.assert_array_equal(fitted.kept_, largest)
    images = fitted.transform(rows)
    assert images.shape == (60, 1, 3, 3)
    scores = fitted.to_features(images)
    np.testing.assert_array_equal(np.flatnonzero(scores[0, 0]), largest)
    np.testing.assert_array_equal(
        scores[:, 0][:, largest], fitted.placed_.scaler_.transform(rows[:, largest])
    )
