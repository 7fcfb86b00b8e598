"""DeepInsight's converter: bounded, finite, and honest about shared pixels."""

import numpy as np
import pytest

pytest.importorskip("pyDeepInsight", reason="optional: pip install 'pydeepinsight[cam]'")

from sklearn.decomposition import PCA

from baselines._deepinsight import DeepInsightConverter


@pytest.fixture
def table() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(40, 30)).astype(np.float32)


@pytest.mark.parametrize("scaling", ["standard", "norm2"])
def test_images_are_finite_also_far_outside_the_training_range(
    scaling: str, table: np.ndarray
) -> None:
    """pyDeepInsight's Norm2Scaler gives NaN there (version 0.2.3)."""
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
