"""Fashion-MNIST by way of small files in its format, served here; its sizes made small."""

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from datasets import fashion_mnist, mnist
from datasets.fetch import fetch, state
from datasets.table import DataUnavailable, TableError
from generators import shuffled_mnist

N_TRAIN, N_TEST = 30, 20


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """Few random images as the four packed files in tmp_path/mirror, and the right checksums."""
    rng = np.random.default_rng(0)
    content, checksums = {}, []
    (tmp_path / "mirror").mkdir()
    for path in fashion_mnist.FILES:
        n = N_TRAIN if "train" in path else N_TEST
        shape = (n, 28, 28) if "images" in path else (n,)
        values = rng.integers(0, 256, shape) if "images" in path else np.arange(n) % 10
        sizes = b"".join(int(size).to_bytes(4, "big") for size in shape)
        packed = gzip.compress(
            bytes([0, 0, 8, len(shape)]) + sizes + values.astype(np.uint8).tobytes()
        )
        (tmp_path / "mirror" / Path(path).name).write_bytes(packed)
        checksums.append(hashlib.sha256(packed).hexdigest())
        content[Path(path).name.partition("-ubyte")[0]] = values
    monkeypatch.setattr(fashion_mnist, "SHA256", tuple(checksums))
    monkeypatch.setattr(mnist, "N_TRAIN", N_TRAIN)
    monkeypatch.setattr(mnist, "N_TEST", N_TEST)
    monkeypatch.setenv("DEEPMAPPER_DATA", str(tmp_path / "data"))
    return content


@pytest.fixture
def mirror(images: object, mirror_address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files are served, at the second address of each."""
    monkeypatch.setattr(fashion_mnist, "MIRRORS", (f"{mirror_address}absent/", mirror_address))


def test_images_and_labels_come_from_their_files(
    mirror: None, images: dict[str, np.ndarray]
) -> None:
    table = fashion_mnist.load(n_train=N_TRAIN, n_test=N_TEST)
    assert (table.name, table.X.shape, table.X.dtype) == ("fashion_mnist", (50, 784), np.float32)
    assert_array_equal(table.X[:30], images["train-images-idx3"].reshape(30, -1))
    assert_array_equal(table.X[30:], images["t10k-images-idx3"].reshape(20, -1))
    assert_array_equal(table.y[30:], images["t10k-labels-idx1"])
    assert (table.classes[0], table.classes[9]) == ("T-shirt/top", "Ankle boot")
    assert table.features[28 + 3] == "pixel_1_3"
    assert table.official_split is not None
    assert_array_equal(table.official_split[1], np.arange(30, 50))


def test_the_first_images_are_taken(mirror: None, images: dict[str, np.ndarray]) -> None:
    table = fashion_mnist.load(n_train=20, n_test=20)
    assert_array_equal(table.X[:20], images["train-images-idx3"][:20].reshape(20, -1))


def test_its_pixels_can_be_shuffled(mirror: None) -> None:
    base = fashion_mnist.load(n_train=N_TRAIN, n_test=N_TEST)
    table = shuffled_mnist.load(base="fashion_mnist", n_train=N_TRAIN, n_test=N_TEST, seed=2)
    assert table.name == "shuffled_fashion_mnist"
    assert_array_equal(table.X, base.X[:, table.notes["permutation"]])
    assert table.official_split is not None


def test_a_mirror_that_sends_something_else(mirror: None, tmp_path: Path) -> None:
    (tmp_path / "mirror" / "t10k-labels-idx1-ubyte.gz").write_bytes(b"something else")
    with pytest.raises(DataUnavailable, match=r"t10k-labels.*sent other content"):
        fashion_mnist.load(n_train=N_TRAIN, n_test=N_TEST)


def test_the_published_files_are_told_from_those_of_mnist() -> None:
    files = fashion_mnist.data_files()
    assert [len(file.checksum) for file in files] == [len("sha256:") + 64] * 4
    assert len({file.checksum for file in files}) == 4
    names = [file.path.partition("/")[2] for file in mnist.data_files()]
    assert [file.path for file in files] == [f"fashion_mnist/{name}" for name in names]
    for file, name in zip(files, names, strict=True):
        assert [address.rpartition("/")[2] for address in file.addresses] == [name, name]


@pytest.mark.parametrize("n", [0, 60_001])
def test_n_train_out_of_range(n: int) -> None:
    with pytest.raises(TableError, match=rf"'fashion_mnist': expected n_train in .*60000, got {n}"):
        fashion_mnist.load(n_train=n)


def test_the_real_files(real_data: Path) -> None:
    """6,000 and 1,000 of each class, and the mean and deviation that are commonly given."""
    if any(state(file) == "missing" for file in fashion_mnist.data_files()):
        pytest.skip("Fashion-MNIST is not at hand")
    table = fashion_mnist.load()
    assert table.X.shape == (70_000, 784)
    assert_array_equal(np.bincount(table.y[:60_000]), [6_000] * 10)
    assert_array_equal(np.bincount(table.y[60_000:]), [1_000] * 10)
    assert_array_equal(table.y[:10], [9, 0, 0, 3, 0, 2, 7, 2, 5, 5])
    train = table.X[:60_000] / 255
    assert round(float(train.mean(dtype=np.float64)), 4) == 0.2860
    assert round(float(train.std(dtype=np.float64)), 4) == 0.3530


@pytest.mark.network
@pytest.mark.parametrize("number", range(4))
def test_the_addresses_send_the_files(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPMAPPER_DATA", str(tmp_path))
    assert fetch(fashion_mnist.data_files()[number]).is_file()
