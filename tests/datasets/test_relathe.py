"""Relathe by way of files of MATLAB that are written here, and trust on first use."""

import hashlib
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from scipy.io import savemat

from datasets import relathe
from datasets.fetch import fetch, state
from datasets.table import DataUnavailable, TableError

COUNTS = np.random.default_rng(0).poisson(0.5, (12, 7))
LABELS = np.tile([[1], [2]], (6, 1))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder, still without files, and sizes of which a test can write some."""
    monkeypatch.setattr(relathe, "N_SAMPLES", 12)
    monkeypatch.setattr(relathe, "N_FEATURES", 7)
    monkeypatch.setenv("DEEPMAPPER_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def mirror(
    folder: Path, mirror_address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The file that is served."""
    (tmp_path / "mirror").mkdir()
    path = tmp_path / "mirror" / "RELATHE.mat"
    savemat(path, {"X": COUNTS.astype(float), "Y": LABELS.astype(float)})
    monkeypatch.setattr(relathe, "ADDRESSES", (f"{mirror_address}RELATHE.mat",))
    return path


def mat(tmp_path: Path, **matrices: Any) -> Path:
    savemat(tmp_path / "x.mat", matrices)
    return tmp_path / "x.mat"


@pytest.mark.parametrize("kind", [np.asarray, sparse.csc_matrix, np.uint8])
def test_counts_and_labels_are_read(folder: Path, tmp_path: Path, kind: Any) -> None:
    X, y = relathe.parse_mat(mat(tmp_path, X=kind(COUNTS), Y=LABELS))
    assert (X.dtype, y.dtype) == (np.float32, np.int64)
    assert_array_equal(X, COUNTS)
    assert_array_equal(y, LABELS[:, 0] - 1)


@pytest.mark.parametrize(
    ("matrices", "message"),
    [
        ({"X": COUNTS}, "the matrices X and Y, got no Y"),
        ({"Z": COUNTS}, "got no X and no Y"),
        ({"X": COUNTS[:, :5], "Y": LABELS}, r"X of \(12, 7\) .*got \(12, 5\) and \(12, 1\)"),
        ({"X": COUNTS, "Y": LABELS[:9]}, r"got \(12, 7\) and \(9, 1\)"),
        ({"X": COUNTS - 1.5, "Y": LABELS}, "how often words stand in posts, got a least value"),
        ({"X": COUNTS * np.nan, "Y": LABELS}, "got a least value of nan"),
        ({"X": COUNTS, "Y": LABELS - 1}, r"labels \(1, 2\) in Y, got \[0 1\]"),
        ({"X": COUNTS, "Y": np.ones((12, 1))}, r"labels \(1, 2\) in Y, got \[1\.\]"),
    ],
)
def test_what_is_wrong_with_a_file(
    folder: Path, tmp_path: Path, matrices: dict[str, np.ndarray], message: str
) -> None:
    with pytest.raises(TableError, match=f"x.mat is truncated or another file.*{message}"):
        relathe.parse_mat(mat(tmp_path, **matrices))


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"MATLAB 5.0 MAT-file" * 20])
def test_a_file_of_another_format(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.mat").write_bytes(content)
    with pytest.raises(TableError, match=r"expected a file of MATLAB 5, got .*\.sha256 away"):
        relathe.parse_mat(tmp_path / "x.mat")


def test_a_cut_file(tmp_path: Path) -> None:
    path = mat(tmp_path, X=COUNTS, Y=LABELS)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(TableError, match="truncated"):
        relathe.parse_mat(path)


def test_the_first_download_is_trusted_and_remembered(mirror: Path, folder: Path) -> None:
    sha256 = hashlib.sha256(mirror.read_bytes()).hexdigest()
    with pytest.warns(UserWarning, match=f"no checksum is published .*{sha256}, kept in RELATHE"):
        table = relathe.load()
    assert_array_equal(table.X, COUNTS)
    assert (table.name, table.classes) == ("relathe", ("group 1", "group 2"))
    assert (folder / "relathe/RELATHE.mat.sha256").read_text() == f"{sha256}  RELATHE.mat\n"
    with warnings.catch_warnings(action="error"):
        assert relathe.load().checksum == table.checksum


def test_what_was_seen_first_holds(mirror: Path, folder: Path) -> None:
    with pytest.warns(UserWarning, match="trusted"):
        path = fetch(relathe.data_files()[0])
    first = path.read_bytes()
    path.unlink()
    savemat(mirror, {"X": COUNTS + 1, "Y": LABELS})
    with pytest.raises(DataUnavailable, match=r"Expected sha256:.*sent other content"):
        relathe.load()
    mirror.write_bytes(first)
    assert_array_equal(relathe.load().X, COUNTS)


def test_the_real_file(real_data: Path) -> None:
    if state(relathe.data_files()[0]) == "missing":
        pytest.skip("Relathe is not at hand")
    table = relathe.load()
    assert table.X.shape == (1_427, 4_322)
    assert np.bincount(table.y).min() > 600


@pytest.mark.network
@pytest.mark.parametrize("address", relathe.ADDRESSES)
def test_each_address_sends_a_table(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPMAPPER_DATA", str(tmp_path))
    monkeypatch.setattr(relathe, "ADDRESSES", (address,))
    with pytest.warns(UserWarning, match="trusted"):
        assert relathe.load().n_samples == 1_427
