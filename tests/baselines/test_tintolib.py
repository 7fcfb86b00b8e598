"""IGTD, REFINED and TINTO: places from training rows alone, and the same as TINTOlib's."""

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist

pytest.importorskip("TINTOlib", reason="optional: pip install TINTOlib")

from baselines import igtd, refined, tinto
from baselines._tintolib import PlacedConverter
from bench.run.answers import attribute
from datasets.table import Source, Table

METHODS = {"igtd": igtd, "refined": refined, "tinto": tinto}


@pytest.fixture
def rows() -> np.ndarray:
    """Thirty features in pairs, the last of them constant."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 30)).astype(np.float32)
    X[:, 1::2] += 2 * X[:, ::2]
    X[:, -1] = 3
    return X


def converter(name: str, **params: object) -> PlacedConverter:
    module = METHODS[name]
    if name == "tinto":
        params = {"image_size": "equal", "blur": True} | params
    return module.build(module.Params(**params), device="cpu", seed=3).named_steps["convert"]


@pytest.mark.parametrize("name", METHODS)
def test_test_rows_change_neither_places_nor_scaling(name: str, rows: np.ndarray) -> None:
    one = converter(name).fit(rows[:40])
    images = one.transform(rows[40:])
    one.transform(100 * rows[40:] - 50)
    np.testing.assert_array_equal(one.transform(rows[40:50]), images[:10])
    again = converter(name).fit(rows[:40])
    np.testing.assert_array_equal(again.placement_.pixels, one.placement_.pixels)


@pytest.mark.parametrize("scaling", ["standard", "minmax"])
@pytest.mark.parametrize("name", METHODS)
def test_images_are_finite_float32_in_any_blocks(
    name: str, scaling: str, rows: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted = converter(name, scaling=scaling).fit(rows)
    whole = fitted.transform(1000 * rows)
    assert whole.dtype == np.float32
    assert whole.shape == (60, 1, 6, 6)
    assert np.isfinite(whole).all()
    monkeypatch.setattr("baselines._tintolib.BLOCK_ROWS", 7)
    np.testing.assert_allclose(fitted.transform(1000 * rows), whole, rtol=1e-6)


@pytest.mark.parametrize("name", ["igtd", "refined"])
def test_one_feature_is_one_pixel_and_comes_back(name: str, rows: np.ndarray) -> None:
    fitted = converter(name).fit(rows)
    assert len(set(fitted.placement_.pixels)) == 30
    images = fitted.transform(rows)
    np.testing.assert_array_equal(fitted.to_features(images)[:, 0], fitted.scaler_.transform(rows))
    assert fitted.to_features(np.zeros((3, 6, 6))).shape == (3, 30)


def test_features_that_share_a_pixel_share_its_value_and_its_mean(rows: np.ndarray) -> None:
    fitted = converter("tinto", image_size=3, blur=False).fit(rows)
    scaled = fitted.scaler_.transform(rows)
    images = fitted.transform(rows).reshape(60, 9)
    pixels = fitted.placement_.pixels
    assert len(set(pixels)) < 30
    for pixel in range(9):
        there = scaled[:, pixels == pixel]
        expected = there.mean(1) if there.shape[1] else np.zeros(60)
        np.testing.assert_allclose(images[:, pixel], expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(fitted.to_features(np.arange(9.0).reshape(3, 3)), pixels)


@pytest.mark.parametrize("n_features", [5, 9, 30])
def test_igtd_takes_the_same_steps_as_tintolib(n_features: int, rows: np.ndarray) -> None:
    X = rows[:, :n_features][:, np.ptp(rows[:, :n_features], axis=0) > 0]
    steps = {"max_step": 200, "val_step": 20}
    ours, theirs = (
        converter("igtd", search=search, **steps).fit(X) for search in ("vectorised", "tintolib")
    )
    np.testing.assert_array_equal(ours.placement_.pixels, theirs.placement_.pixels)


def test_igtd_brings_pairs_together(rows: np.ndarray) -> None:
    """Each feature correlates 0.9 with its partner, with the others not at all."""
    fitted = converter("igtd").fit(rows[:, :28])
    places = np.stack(np.divmod(fitted.placement_.pixels, 6), axis=1)
    away = np.linalg.norm(places[::2] - places[1::2], axis=1)
    assert away.mean() < 0.6 * cdist(places, places).mean()


@pytest.mark.parametrize(("n_features", "seed"), [(7, 0), (14, 1), (25, 2)])
def test_refined_climbs_as_by_its_objective(n_features: int, seed: int) -> None:
    """The oracle swaps, asks TINTOlib's objective for all pairs, and swaps back."""
    from TINTOlib.utils import paraHill

    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_features, 8))
    distances = cdist(X, X)
    side = int(np.ceil(np.sqrt(n_features)))
    start = np.full(side * side, -1)
    start[rng.permutation(side * side)[:n_features]] = np.arange(n_features)
    start = start.reshape(side, side)
    grid = start.copy()
    for _, row, column in product(range(2), range(3), range(3)):
        swaps = []
        for here in product(range(row, side, 3), range(column, side, 3)):
            tried = []
            for step in refined.STEPS:
                there = tuple(np.add(here, step))
                if not 0 <= min(there) <= max(there) < side:
                    continue
                swapped = grid.copy()
                swapped[here], swapped[there] = grid[there], grid[here]
                tried.append((float(paraHill.universial_corr(distances, swapped)[0]), there))
            swaps.append((here, min(tried, key=lambda pair: pair[0])[1]))
        for here, there in swaps:
            grid[here], grid[there] = grid[there], grid[here]
    assert not np.array_equal(grid, start)
    np.testing.assert_array_equal(refined.climb(start, distances, 2), grid)


@pytest.mark.parametrize("n_features", [4, 12])
def test_tinto_paints_as_tintolib_does(n_features: int, tmp_path: Path) -> None:
    """Of values above 0, in npy files: PNG files have 8 bits."""
    from TINTOlib.tinto import TINTO

    X = np.random.default_rng(1).uniform(0.1, 1, (5, n_features))
    library = TINTO("unsupervised", None, pixels=9, blur=True, random_seed=3, format="npy")
    library.fit_transform(pd.DataFrame(X), str(tmp_path))
    theirs = np.stack([np.load(file) for file in sorted(tmp_path.glob("images/*.npy"))])
    placement = tinto._TINTO(9, "PCA", True, 3)(X)
    ours = (X @ placement.spread).reshape(-1, 9, 9)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


@pytest.mark.parametrize("name", METHODS)
def test_too_many_features_are_refused_with_both_numbers(name: str) -> None:
    most = METHODS[name].MOST_FEATURES
    X = np.zeros((4, most + 1), dtype=np.float32)
    X[2:] = 1
    names = [f"f{i}" for i in range(most + 1)]
    y = np.array([0, 0, 1, 1])
    table = Table("wide", X, y, ["a", "b"], names, Source("made here", "generated", "none"))
    reason = METHODS[name].supports(table)
    assert f"{most:,}" in reason
    assert f"{most + 1:,}" in reason


@pytest.mark.parametrize("name", METHODS)
def test_attribution_finds_a_planted_feature(name: str) -> None:
    rng = np.random.default_rng(5)
    y = np.arange(240) % 2
    X = rng.normal(size=(240, 49)).astype(np.float32)
    X[:, 17] += 4 * y
    module = METHODS[name]
    pipeline = module.build(module.Params(passes=1), device="cpu", seed=3)
    convert, model = pipeline.named_steps["convert"], pipeline.named_steps["model"]
    Z = convert.fit(X, y).transform(X)
    strength = np.abs(attribute(convert, model.fit(Z, y), Z, y, 2)).sum(0)
    assert strength.shape == (49,)
    alike = convert.placement_.pixels == convert.placement_.pixels[17]
    assert (strength > strength[17]).sum() < 3 + alike.sum()
