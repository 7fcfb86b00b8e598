"""Tables from a file give the same model as tables in memory."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from deepmapper import DeepMapperClassifier
from deepmapper.images import _rows as rows
from deepmapper.images.converter import FoldedRows, ImageConverter, RowsOf, mean_image


@pytest.fixture
def table(tmp_path: Path) -> tuple[np.ndarray, np.ndarray, np.memmap]:
    rng = np.random.default_rng(0)
    X = rng.lognormal(2, 2, size=(120, 90)).astype(np.float32)
    y = rng.integers(0, 2, 120)
    X[:, 17] *= 1 + 20 * y
    np.save(tmp_path / "table.npy", X)
    return X, y, np.load(tmp_path / "table.npy", mmap_mode="r")


def test_streamed_images_equal_images_in_memory(table: tuple) -> None:
    X, _, mapped = table
    whole = ImageConverter("random", stream=False).fit(X)
    images = torch.from_numpy(whole.transform(X))
    lazy = ImageConverter("random", stream=True).fit(mapped).transform(mapped)
    assert isinstance(lazy, FoldedRows)
    assert (len(lazy), lazy.shape) == (120, tuple(images.shape))
    chosen = torch.tensor([5, 3, 99])
    assert_allclose(lazy[chosen], images[chosen], rtol=1e-6)
    assert_allclose(lazy[10:20], images[10:20], rtol=1e-6)
    part = RowsOf(lazy, chosen)
    assert_allclose(part[torch.tensor([2])], images[99:100], rtol=1e-6)
    assert_allclose(mean_image(lazy, chosen), images[chosen].mean(0, keepdim=True), rtol=1e-5)


def test_a_model_from_a_file_is_the_model_from_memory(table: tuple) -> None:
    X, y, mapped = table
    settings: dict = {"passes": 1, "training": {"max_epochs": 2}, "device": "cpu"}
    memory = DeepMapperClassifier(stream=False, random_state=0, **settings).fit(X, y)
    file = DeepMapperClassifier(stream=True, random_state=0, **settings).fit(mapped, y)
    assert_allclose(file.predict_proba(mapped), memory.predict_proba(X), atol=1e-4)
    assert list(file.attributions_.feature[:3]) == list(memory.attributions_.feature[:3])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_value_that_is_not_finite_is_found_in_the_file(tmp_path: Path, bad: float) -> None:
    X = np.zeros((50, 7), dtype=np.float32)
    X[:, 1] = np.arange(50)
    X[31, 4] = bad
    np.save(tmp_path / "table.npy", X)
    mapped = np.load(tmp_path / "table.npy", mmap_mode="r")
    with pytest.raises(ValueError, match="row 31, feature 4"):
        DeepMapperClassifier(device="cpu").fit(mapped, np.arange(50) % 2)


def test_csr_is_read_in_blocks_and_equals_dense(monkeypatch: pytest.MonkeyPatch) -> None:
    X = np.where(np.random.default_rng(0).random((60, 30)) < 0.8, 0, 3).astype(np.float32)
    monkeypatch.setattr(rows, "BLOCK_BYTES", 1)
    sizes = []
    monkeypatch.setattr(
        sparse.csr_matrix,
        "toarray",
        lambda self, *a, _real=sparse.csr_matrix.toarray, **k: (
            sizes.append(self.shape[0]) or _real(self, *a, **k)
        ),
    )
    from_csr = ImageConverter().fit_transform(sparse.csr_matrix(X))
    assert max(sizes) <= rows.FEWEST_ROWS
    assert_array_equal(from_csr, ImageConverter().fit_transform(X))


def test_images_stream_if_memory_is_short(table: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    X, _, _ = table
    monkeypatch.setattr("deepmapper.images.converter.free_bytes", lambda device: X.nbytes)
    assert isinstance(ImageConverter().fit_transform(X), FoldedRows)
    monkeypatch.setattr("deepmapper.images.converter.free_bytes", lambda device: 10 * X.nbytes)
    assert isinstance(ImageConverter().fit_transform(X), np.ndarray)


def test_a_table_of_another_width_is_refused(table: tuple, tmp_path: Path) -> None:
    X, y, mapped = table
    model = DeepMapperClassifier(passes=1, training={"max_epochs": 1}, device="cpu").fit(mapped, y)
    np.save(tmp_path / "other.npy", X[:, :80])
    with pytest.raises(ValueError, match="80 features"):
        model.predict(np.load(tmp_path / "other.npy", mmap_mode="r"))
