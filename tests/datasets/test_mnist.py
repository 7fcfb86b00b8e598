"""The IDX format, written and parsed back, and the real MNIST files."""

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from datasets import mnist
from datasets.fetch import DataFile, fetch
from datasets.table import Source, TableError


def idx(values: np.ndarray, code: int = 8) -> bytes:
    """Encode an array as an IDX file, from the description of the format."""
    sizes = b"".join(int(size).to_bytes(4, "big") for size in values.shape)
    return bytes([0, 0, code, values.ndim]) + sizes + values.astype(np.uint8).tobytes()


shapes = st.lists(st.integers(0, 5), min_size=1, max_size=4)
arrays = st.builds(
    lambda s, n: np.random.default_rng(n).integers(0, 256, s), shapes, st.integers(0)
)


@given(arrays)
@settings(max_examples=50, deadline=None)
def test_parsing_gives_back_what_was_written(values: np.ndarray) -> None:
    parsed = mnist.parse_idx(idx(values), "test")
    assert parsed.dtype == np.uint8
    assert_array_equal(parsed, values)


@given(arrays, st.data())
@settings(max_examples=50, deadline=None)
def test_every_cut_file_is_refused(values: np.ndarray, data: st.DataObject) -> None:
    content = idx(values)
    n = data.draw(st.integers(0, len(content) - 1))
    with pytest.raises(TableError, match="test is truncated or another file: expected"):
        mnist.parse_idx(content[:n], "test")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "got an empty file"),
        (b"\x1f\x8b\x08\x00", "got 1f 8b 08 00"),
        (idx(np.ones(3), code=0x0D), "got 00 00 0d 01"),
        (bytes([0, 0, 8, 0]), "got 00 00 08 00"),
        (idx(np.ones((2, 3)))[:9], "expected a header of 12 bytes, got 9 bytes"),
        (idx(np.ones((2, 3)))[:-1], r"expected 6 values for the shape \(2, 3\), got 5"),
        (idx(np.ones((2, 3))) + b"x", r"expected 6 values for the shape \(2, 3\), got 7"),
        (bytes([0, 0, 8, 3]) + b"\xff" * 12, "expected 79228162458924105385300197375 values"),
    ],
)
def test_a_wrong_file_is_explained(content: bytes, message: str) -> None:
    with pytest.raises(TableError, match=message):
        mnist.parse_idx(content, "test")


def test_a_verified_file_of_another_shape_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPMAPPER_DATA", str(tmp_path))
    content = idx(np.zeros((3, 28, 28)))
    (tmp_path / "a.gz").write_bytes(gzip.compress(content))
    file = DataFile("a.gz", (), f"md5:{hashlib.md5(content).hexdigest()}")
    with pytest.raises(TableError, match=r"\(60000, 28, 28\), got \(3, 28, 28\)"):
        mnist.table_of_images("toy", [file] * 4, ["0", "1"], Source("", "", ""), 2, 2)


def test_the_real_files(real_data: Path) -> None:
    """Compare with the published sizes of classes and mean."""
    table = mnist.load()
    assert (table.X.shape, table.X.dtype, table.X.flags.c_contiguous) == ((70_000, 784), "f4", True)
    assert (table.X.min(), table.X.max()) == (0, 255)
    assert table.official_split is not None
    train, test = table.official_split
    assert_array_equal(train, np.arange(60_000))
    assert_array_equal(test, np.arange(60_000, 70_000))
    assert_array_equal(table.y[:10], [5, 0, 4, 1, 9, 2, 1, 3, 1, 4])
    of_train = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    of_test = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert_array_equal(np.bincount(table.y[train]), of_train)
    assert_array_equal(np.bincount(table.y[test]), of_test)
    assert round(float(table.X[train].mean()) / 255, 4) == 0.1307
    assert table.features[0] == "pixel_0_0"
    assert table.features[28 + 3] == "pixel_1_3"
    first = fetch(mnist.data_files()[0])
    images = np.frombuffer(gzip.decompress(first.read_bytes())[16:], dtype=np.uint8)
    assert_array_equal(table.X[59_999], images[-784:])
