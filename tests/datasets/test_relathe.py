"""Relathe from small MATLAB files, and trust on first use."""

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
from datasets.fetch import state
from datasets.table import TableError

from .conftest import Server

COUNTS = np.random.default_rng(0).poisson(0.5, (12, 7))
LABELS = np.tile([[1], [2]], (6, 1))


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the expected sizes to those of COUNTS."""
    monkeypatch.setattr(relathe, "N_SAMPLES", 12)
    monkeypatch.setattr(relathe, "N_FEATURES", 7)


def mat(tmp_path: Path, **matrices: Any) -> Path:
    savemat(tmp_path / "x.mat", matrices)
    return tmp_path / "x.mat"


@pytest.mark.parametrize("kind", [np.asarray, sparse.csc_matrix, np.uint8])
def test_counts_and_labels_are_read(sizes: None, tmp_path: Path, kind: Any) -> None:
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
        ({"X": COUNTS - 1.5, "Y": LABELS}, "counts, got a minimum"),
        ({"X": COUNTS * np.nan, "Y": LABELS}, "got a minimum of nan"),
        ({"X": COUNTS, "Y": LABELS - 1}, r"labels \(1, 2\) in Y, got \[0 1\]"),
        ({"X": COUNTS, "Y": np.ones((12, 1))}, r"labels \(1, 2\) in Y, got \[1\.\]"),
    ],
)
def test_a_wrong_file_is_explained(
    sizes: None, tmp_path: Path, matrices: dict[str, np.ndarray], message: str
) -> None:
    with pytest.raises(TableError, match=f"x.mat is truncated or another file.*{message}"):
        relathe.parse_mat(mat(tmp_path, **matrices))


@pytest.mark.parametrize(
    "content", [b"", b"<html>not found</html>", b"MATLAB 5.0 MAT-file" * 20, None]
)
def test_a_file_of_another_format_is_refused(tmp_path: Path, content: bytes | None) -> None:
    """`None` stands for a truncated file."""
    path = mat(tmp_path, X=COUNTS, Y=LABELS)
    path.write_bytes(path.read_bytes()[:-40] if content is None else content)
    with pytest.raises(TableError, match=r"truncated .*expected a MATLAB 5 file, got .*\.sha256"):
        relathe.parse_mat(path)


def test_the_first_download_is_trusted(
    sizes: None, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other cases are in `test_first_seen`."""
    content = mat(tmp_path, X=COUNTS.astype(float), Y=LABELS.astype(float)).read_bytes()
    monkeypatch.setattr(relathe, "ADDRESSES", (server.put("RELATHE.mat", content),))
    sha256 = hashlib.sha256(content).hexdigest()
    with pytest.warns(UserWarning, match=f"no checksum is published .*{sha256}, kept in RELATHE"):
        table = relathe.load()
    assert_array_equal(table.X, COUNTS)
    assert (table.name, table.classes) == ("relathe", ("group 1", "group 2"))
    with warnings.catch_warnings(action="error"):
        assert relathe.load().checksum == table.checksum


def test_the_real_file(real_data: Path) -> None:
    if state(relathe.data_files()[0]) == "missing":
        pytest.skip(f"missing data file: {relathe.FILES[0]}")
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
