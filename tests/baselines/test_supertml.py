"""SuperTML: each value is written into a cell of its own."""

import numpy as np
import pytest

pytest.importorskip("PIL", reason="optional: pip install pillow")

from PIL import Image, ImageDraw, ImageFont

from baselines import supertml
from baselines.supertml import MAX_FEATURES, NumberConverter, draw_numbers
from deepmapper.errors import DeepMapperError


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return np.random.default_rng(0).uniform(size=(12, 90)).astype(np.float32)


@pytest.fixture(scope="module")
def fitted(rows: np.ndarray) -> NumberConverter:
    return NumberConverter().fit(rows)


def test_a_feature_s_own_pixels_show_its_value(rows: np.ndarray, fitted: NumberConverter) -> None:
    images = fitted.transform(rows)
    assert images.shape == (12, 1, 224, 224)
    scaled = fitted.scaler_.transform(rows)
    height, width = fitted.numbers_.shape[1:]
    font = ImageFont.load_default(16)  # the largest whose 90 numbers fit
    for feature in range(90):
        top, left = fitted.corners()[feature]
        cell = images[3, 0, top : top + height, left : left + width]
        picture = Image.new("L", (100, 40))
        drawing = ImageDraw.Draw(picture)
        drawing.text((20, 10), f"{scaled[3, feature]:.3f}", fill=255, font=font)
        expected = np.asarray(picture)
        inked = np.argwhere(expected)
        expected = expected[inked[:, 0].min() : inked[:, 0].max() + 1]
        expected = expected[:, inked[:, 1].min() : inked[:, 1].max() + 1]
        shown = cell[np.ix_(cell.any(1), np.ones(width, dtype=bool))]
        columns = np.flatnonzero(cell.any(0))
        shown = shown[:, columns[0] : columns[-1] + 1]
        np.testing.assert_array_equal(shown, expected / np.float32(255))


def test_a_change_of_one_feature_changes_its_own_cell_alone(
    rows: np.ndarray, fitted: NumberConverter
) -> None:
    changed = rows[:1].copy()
    changed[0, 41] = 1 - changed[0, 41]
    difference = np.abs(fitted.transform(changed) - fitted.transform(rows[:1]))[0, 0]
    assert difference.sum() > 0
    scores = fitted.to_features(difference)
    assert np.flatnonzero(scores).tolist() == [41]
    assert scores.sum() == pytest.approx(difference.sum(), rel=1e-5)
    assert fitted.to_features(np.zeros((3, 224, 224))).shape == (3, 90)


@pytest.mark.parametrize("n_features", [1, 7, 90, MAX_FEATURES])
def test_all_numbers_differ_and_none_touches_its_neighbours(n_features: int) -> None:
    numbers = draw_numbers(n_features, 224)
    assert len(np.unique(numbers.reshape(1001, -1), axis=0)) == 1001
    assert not numbers[:, -1].any()
    assert not numbers[:, :, -1].any()
    corners = NumberConverter().fit(np.zeros((2, n_features), dtype=np.float32)).corners()
    assert (corners.max(0) + numbers.shape[1:] <= 224).all()


def test_too_many_features_are_refused() -> None:
    with pytest.raises(DeepMapperError, match="numbers of 334 features do not fit into 224x224"):
        draw_numbers(MAX_FEATURES + 1, 224)


def test_new_values_outside_the_training_range_show_its_ends(
    rows: np.ndarray, fitted: NumberConverter
) -> None:
    far = np.concatenate([rows[:1] - 9, rows[:1] + 9])
    ends = np.stack([rows.min(0), rows.max(0)])
    np.testing.assert_array_equal(fitted.transform(far), fitted.transform(ends))


def test_blocks_of_rows_change_nothing(
    rows: np.ndarray, fitted: NumberConverter, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fitted.transform(rows)
    monkeypatch.setattr(supertml, "BLOCK_ROWS", 5)
    np.testing.assert_array_equal(fitted.transform(rows), whole)
