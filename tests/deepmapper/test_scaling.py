"""Scaling, compared with slow numpy."""

import numpy as np
import pytest

from deepmapper import DeepMapperError
from deepmapper.images.scaling import FeatureScaler


def _table(seed: int = 0, n: int = 50, p: int = 7) -> np.ndarray:
    return np.random.default_rng(seed).normal(3, 2, size=(n, p)).astype(np.float32)


def test_standard_scaling_is_that_of_numpy() -> None:
    X = _table()
    expected = np.clip((X - X.mean(0)) / X.std(0), -5, 5)
    np.testing.assert_allclose(FeatureScaler(log=False).fit_transform(X), expected, atol=1e-5)


def test_minmax_scaling_cuts_new_rows_to_the_range_of_the_training_rows() -> None:
    X = _table()
    scaler = FeatureScaler(log=False, scale="minmax").fit(X)
    new = np.stack([X.min(0) - 10, X.max(0) + 10])
    np.testing.assert_allclose(scaler.transform(new), [[0.0] * 7, [1.0] * 7])


def test_log_is_applied_to_counts_and_not_to_grey_values() -> None:
    rng = np.random.default_rng(0)
    counts = rng.lognormal(3, 3, size=(60, 40)).round().astype(np.float32)
    grey = rng.integers(0, 256, size=(60, 40)).astype(np.float32)
    assert FeatureScaler().fit(counts).log_
    assert not FeatureScaler().fit(grey).log_
    logs = FeatureScaler(scale="none").fit_transform(counts)
    np.testing.assert_allclose(logs, np.log1p(counts), rtol=1e-5)


def test_moments_agree_over_many_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    X = _table(n=203)
    whole = FeatureScaler().fit(X)
    monkeypatch.setattr("deepmapper.images._rows.BLOCK_BYTES", 4 * 7 * 20)
    parts = FeatureScaler().fit(X)
    np.testing.assert_allclose(parts.shift_, whole.shift_, rtol=1e-5)
    np.testing.assert_allclose(parts.factor_, whole.factor_, rtol=1e-5)


def test_a_constant_feature_becomes_zero_everywhere() -> None:
    X = _table()
    X[:, 3] = 7
    scaler = FeatureScaler(log=False).fit(X)
    new = _table(1)
    assert (scaler.transform(new)[:, 3] == 0).all()


def test_the_input_is_unchanged() -> None:
    X = _table()
    before = X.copy()
    X.flags.writeable = False
    FeatureScaler(log=False).fit(X).transform(X)
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize(
    ("settings_", "match"),
    [({"scale": "zscore"}, "zscore"), ({"log": "maybe"}, "maybe"), ({"log": True}, "above -1")],
)
def test_wrong_settings_are_named(settings_: dict, match: str) -> None:
    with pytest.raises(DeepMapperError, match=match):
        FeatureScaler(**settings_).fit(_table() - 20)


@pytest.mark.parametrize("n_features", [5, 40, 400])
def test_one_feature_with_a_tail_puts_no_logarithms_on_the_others(n_features: int) -> None:
    rng = np.random.default_rng(0)
    table = rng.integers(20, 80, (100, n_features)).astype(np.float32)
    table[:, 2] = rng.lognormal(13, 1, 100)
    assert table.max() > 100 * table.mean() or n_features < 40
    assert not FeatureScaler().fit(table).log_
    counts = rng.poisson(rng.lognormal(4, 2, n_features) * rng.lognormal(0, 1, table.shape))
    assert FeatureScaler().fit(np.float32(counts)).log_ == (n_features == 400)


@pytest.mark.parametrize("scale", ["standard", "minmax"])
@pytest.mark.parametrize("size", [1e-40, 1e-37, 1e-30, 1e-23, 1e-18, 1e18, 1e20, 1e30, 1e37])
def test_features_of_any_size_are_scaled(size: float, scale: str) -> None:
    X = _table(n=400, p=3)
    plain = FeatureScaler(scale=scale, log=False).fit_transform(X)
    X[:, 1] *= size
    scaled = FeatureScaler(scale=scale, log=False).fit_transform(X)
    np.testing.assert_array_equal(scaled[:, [0, 2]], plain[:, [0, 2]])
    if size > 1e-38:
        np.testing.assert_allclose(scaled[:, 1], plain[:, 1], atol=1e-4)
    else:  # 1 / sd is beyond float32
        assert np.corrcoef(scaled[:, 1], plain[:, 1])[0, 1] > 0.999


@pytest.mark.filterwarnings("ignore:invalid value")  # of the sum in scikit-learn's check
def test_features_of_very_large_values_of_both_signs_are_scaled() -> None:
    X = _table(n=400, p=3)
    X[:, 1] = np.sign(X[:, 1] - 3) * 2e38
    scaled = FeatureScaler(log=False).fit_transform(X)
    np.testing.assert_allclose(scaled[:, 1].std(), 1, rtol=1e-3)


def test_a_huge_feature_keeps_the_logarithms_of_the_others() -> None:
    rng = np.random.default_rng(0)
    counts = rng.lognormal(3, 3, size=(60, 40)).round().astype(np.float32)
    counts[:5, 3] = 3e38  # their sum is beyond float32
    assert FeatureScaler().fit(counts).log_
