"""Fashion-MNIST from small files that a local server sends."""

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from datasets import fashion_mnist, mnist
from datasets.fetch import state
from generators import shuffled_mnist

from .conftest import Server

N_TRAIN, N_TEST = 30, 20


@pytest.fixture
def images(server: Server, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """Serve a few random images at the second address, and patch their checksums."""
    rng = np.random.default_rng(0)
    content, checksums = {}, []
    for path in fashion_mnist.FILES:
        n = N_TRAIN if "train" in path else N_TEST
        shape = (n, 28, 28) if "images" in path else (n,)
        values = rng.integers(0, 256, shape) if "images" in path else np.arange(n) % 10
        sizes = b"".join(int(size).to_bytes(4, "big") for size in shape)
        packed = gzip.compress(
            bytes([0, 0, 8, len(shape)]) + sizes + values.astype(np.uint8).tobytes()
        )
        server.put(Path(path).name, packed)
        checksums.append(hashlib.sha256(packed).hexdigest())
        content[Path(path).name.partition("-ubyte")[0]] = values
    monkeypatch.setattr(fashion_mnist, "SHA256", tuple(checksums))
    monkeypatch.setattr(mnist, "N_TRAIN", N_TRAIN)
    monkeypatch.setattr(mnist, "N_TEST", N_TEST)
    monkeypatch.setattr(fashion_mnist, "MIRRORS", (f"{server.address}absent/", server.address))
    return content


def test_images_and_labels_come_from_their_files(images: dict[str, np.ndarray]) -> None:
    table = fashion_mnist.load(n_train=N_TRAIN, n_test=N_TEST)
    assert (table.name, table.X.shape, table.X.dtype) == ("fashion_mnist", (50, 784), np.float32)
    assert_array_equal(table.X[:30], images["train-images-idx3"].reshape(30, -1))
    assert_array_equal(table.X[30:], images["t10k-images-idx3"].reshape(20, -1))
    assert_array_equal(table.y[30:], images["t10k-labels-idx1"])
    assert (table.classes[0], table.classes[9]) == ("T-shirt/top", "Ankle boot")
    assert table.features[28 + 3] == "pixel_1_3"
    assert table.official_split is not None
    assert_array_equal(table.official_split[1], np.arange(30, 50))
    few = fashion_mnist.load(n_train=20, n_test=20)
    assert_array_equal(few.X[:20], images["train-images-idx3"][:20].reshape(20, -1))


def test_its_pixels_can_be_shuffled(images: object) -> None:
    base = fashion_mnist.load(n_train=N_TRAIN, n_test=N_TEST)
    table = shuffled_mnist.load(base="fashion_mnist", n_train=N_TRAIN, n_test=N_TEST, seed=2)
    assert table.name == "shuffled_fashion_mnist"
    assert_array_equal(table.X, base.X[:, table.notes["permutation"]])
    assert table.official_split is not None
    assert base.official_split is not None
    for rows, same in zip(table.official_split, base.official_split, strict=True):
        assert_array_equal(rows, same)


def test_the_real_files(real_data: Path) -> None:
    """Check the published sizes of classes, mean and standard deviation."""
    if missing := [f.path for f in fashion_mnist.data_files() if state(f) == "missing"]:
        pytest.skip(f"missing data files: {', '.join(missing)}")
    table = fashion_mnist.load()
    assert table.X.shape == (70_000, 784)
    assert_array_equal(np.bincount(table.y[:60_000]), [6_000] * 10)
    assert_array_equal(np.bincount(table.y[60_000:]), [1_000] * 10)
    assert_array_equal(table.y[:10], [9, 0, 0, 3, 0, 2, 7, 2, 5, 5])
    train = table.X[:60_000] / 255
    assert round(float(train.mean(dtype=np.float64)), 4) == 0.2860
    assert round(float(train.std(dtype=np.float64)), 4) == 0.3530
