"""IGTD, REFINED and TINTO place as TINTOlib does, with images at full precision."""

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist

pytest.importorskip("TINTOlib", reason="optional: pip install TINTOlib")

from baselines import igtd, refined, tinto
from baselines._tintolib import PlacedConverter

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


def test_a_pixel_is_the_mean_of_its_features_and_maps_back_to_each(rows: np.ndarray) -> None:
    fitted = converter("tinto", image_size=3, blur=False).fit(rows)
    scaled = fitted.scaler_.transform(rows)
    images = fitted.transform(rows).reshape(60, 9)
    pixels = fitted.placement_.pixels
    assert len(set(pixels)) < 30
    for pixel in range(9):
        values = scaled[:, pixels == pixel]
        expected = values.mean(1) if values.shape[1] else np.zeros(60)
        np.testing.assert_allclose(images[:, pixel], expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(fitted.to_features(np.arange(9.0).reshape(3, 3)), pixels)


@pytest.mark.parametrize("n_features", [5, 9, 30])
def test_igtd_takes_the_same_steps_as_tintolib(n_features: int, rows: np.ndarray) -> None:
    from TINTOlib.igtd import IGTD

    X = rows[:, :n_features][:, np.ptp(rows[:, :n_features], axis=0) > 0]
    steps = {"max_step": 200, "val_step": 20}
    fitted = converter("igtd", **steps).fit(X)
    scale = list(fitted.placement_.shape)
    library = IGTD("unsupervised", None, scale=scale, random_seed=3, **steps)
    library.fit(pd.DataFrame(fitted.scaler_.transform(X).astype(np.float64)))
    theirs = np.argsort(library.index[library.min_id])
    np.testing.assert_array_equal(fitted.placement_.pixels, theirs)


@pytest.mark.parametrize(("n_features", "seed"), [(7, 0), (14, 1), (25, 2)])
def test_refined_takes_the_best_swaps_of_its_objective(n_features: int, seed: int) -> None:
    """The oracle computes TINTOlib's objective for every swap."""
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
        for pixel in product(range(row, side, 3), range(column, side, 3)):
            candidates = []
            for step in refined.STEPS:
                neighbour = tuple(np.add(pixel, step))
                if not 0 <= min(neighbour) <= max(neighbour) < side:
                    continue
                swapped = grid.copy()
                swapped[pixel], swapped[neighbour] = grid[neighbour], grid[pixel]
                objective = float(paraHill.universial_corr(distances, swapped)[0])
                candidates.append((objective, neighbour))
            swaps.append((pixel, min(candidates, key=lambda pair: pair[0])[1]))
        for pixel, neighbour in swaps:
            grid[pixel], grid[neighbour] = grid[neighbour], grid[pixel]
    assert not np.array_equal(grid, start)
    np.testing.assert_array_equal(refined.climb(start, distances, 2), grid)


@pytest.mark.parametrize("n_features", [4, 12])
def test_tinto_paints_as_tintolib_does(n_features: int, tmp_path: Path) -> None:
    """TINTOlib writes npy files, because PNG files have only 8 bits."""
    from TINTOlib.tinto import TINTO

    X = np.random.default_rng(1).uniform(0.1, 1, (5, n_features))
    library = TINTO("unsupervised", None, pixels=9, blur=True, random_seed=3, format="npy")
    library.fit_transform(pd.DataFrame(X), str(tmp_path))
    theirs = np.stack([np.load(file) for file in sorted(tmp_path.glob("images/*.npy"))])
    placement = tinto.place(tinto.Params(image_size=9, blur=True), 3, X)
    ours = (X @ placement.spread).reshape(-1, 9, 9)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
