"""What the report shows of a feature."""

import numpy as np
import pytest

from deepmapper._app.described import describe


def test_a_feature_has_its_effect_its_values_and_its_companions() -> None:
    rng = np.random.default_rng(0)
    in_class = np.arange(60) < 20
    values = rng.normal(size=(60, 5)).astype(np.float32)
    values[in_class, 2] += 2
    values[:, 4] = -values[:, 2] + 0.1 * values[:, 0]
    names = ["a", "b", "c", "d", "e"]
    first, second = describe(values - values.mean(0), in_class, [2, 1], names)
    inside, outside = values[in_class, 2], values[~in_class, 2]
    pooled = np.sqrt((19 * inside.var(ddof=1) + 39 * outside.var(ddof=1)) / 58)
    assert first.effect == pytest.approx((inside.mean() - outside.mean()) / pooled, rel=1e-4)
    assert first.companions == "'e'"
    assert second.companions == ""
    assert str(first.boxes).count("<rect") == 2
    assert "nan" not in str(first.boxes)


def test_a_constant_feature_and_a_class_of_one_row_are_described() -> None:
    values = np.zeros((5, 2), dtype=np.float32)
    values[0, 1] = 1
    (constant, single) = describe(values - values.mean(0), np.arange(5) == 0, [0, 1], ["a", "b"])
    assert constant.effect == 0
    assert single.effect == np.inf
    assert "nan" not in str(constant.boxes) + str(single.boxes)
