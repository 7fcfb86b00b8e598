"""Fotomics: places of TINTOlib, images at full precision."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

pytest.importorskip("TINTOlib", reason="optional: pip install TINTOlib")

from baselines import fotomics
from baselines.fotomics import Params, place


@pytest.fixture
def rows() -> np.ndarray:
    return np.random.default_rng(0).lognormal(size=(25, 30)).astype(np.float32)


def test_images_are_those_of_tintolib(rows: np.ndarray, tmp_path: Path) -> None:
    """TINTOlib writes npy files, because PNG files have only 8 bits."""
    from TINTOlib.fotomics import Fotomics
    from TINTOlib.utils.LogScaler import LogScaler

    table = pd.DataFrame(rows.astype(np.float64)).assign(label=0)
    library = Fotomics(9, "classification", LogScaler(), format="npy")
    library.fit_transform(table, str(tmp_path))
    theirs = np.stack([np.load(file) for file in sorted(tmp_path.glob("00/*.npy"))])
    values = LogScaler().fit(table.iloc[:, :-1]).transform(table.iloc[:, :-1]).to_numpy()
    placement = place(Params(image_size=9), 0, rows)
    np.testing.assert_allclose((values @ placement.spread).reshape(-1, 9, 9), theirs, rtol=1e-5)


def test_a_pixel_is_the_mean_of_its_features_and_maps_back_to_each(rows: np.ndarray) -> None:
    pipeline = fotomics.build(Params(image_size=4), device="cpu", seed=0)
    convert = pipeline.named_steps["convert"].fit(rows)
    images = convert.transform(rows).reshape(25, 16)
    scaled, pixels = convert.scaler_.transform(rows), convert.placement_.pixels
    assert len(set(pixels)) < 17
    for pixel in set(pixels):
        expected = scaled[:, pixels == pixel].mean(1)
        np.testing.assert_allclose(images[:, pixel], expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(convert.to_features(np.arange(16.0).reshape(4, 4)), pixels)


def test_sparse_rows_have_the_same_places(rows: np.ndarray) -> None:
    dense = place(Params(image_size=9), 0, rows)
    of_sparse = place(Params(image_size=9), 0, sparse.csr_matrix(rows))
    np.testing.assert_array_equal(dense.pixels, of_sparse.pixels)


def test_places_come_from_a_sample_of_many_rows(
    rows: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fotomics, "PLACE_VALUES", 10 * 30)
    sampled = [place(Params(image_size=99), seed, rows).pixels for seed in (0, 0, 1)]
    np.testing.assert_array_equal(sampled[0], sampled[1])
    assert not np.array_equal(sampled[0], sampled[2])
