"""Matrices from npy and h5ad files predict from disk as from memory."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from deepmapper import DeepMapperClassifier
from deepmapper.errors import DeepMapperError
from deepmapper.tables import RowsOnDisk, read_new, read_training
from deepmapper.tables._raw import scratch, take


def test_npy_stays_on_disk(tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(30, 5)).astype("float32")
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", np.arange(30) % 3)
    (tmp_path / "y.csv").write_text("row,kind\n" + "".join(f"r{i},k{i % 3}\n" for i in range(30)))
    table = read_training(tmp_path / "X.npy", labels=tmp_path / "y.npy").train
    assert isinstance(table.X, np.memmap)
    np.testing.assert_array_equal(table.X, X)
    named = read_training(tmp_path / "X.npy", labels=tmp_path / "y.csv", label="kind").train
    assert named.y[4] == "k1"
    np.save(tmp_path / "X64.npy", X.astype("float64"))
    np.testing.assert_array_equal(read_training(tmp_path / "X64.npy").train.X, X)
    with pytest.raises(DeepMapperError, match="--labels FILE"):
        read_training(tmp_path / "X.npy", label="kind")
    np.save(tmp_path / "short.npy", X[:5])
    with pytest.raises(DeepMapperError, match=r"30 labels.*5 rows"):
        read_training(tmp_path / "short.npy", labels=tmp_path / "y.npy")


def test_npy_with_pickles_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "X.npy", np.array([["a", 1]], dtype=object), allow_pickle=True)
    with pytest.raises(DeepMapperError, match=r"numpy array of numbers.*np\.save"):
        read_training(tmp_path / "X.npy")


def _h5ad(path: Path, X: np.ndarray, kind: str) -> Path:
    """Write an AnnData file with the classes B and T in turn."""
    h5py = pytest.importorskip("h5py", reason="optional: pip install h5py")
    text = h5py.string_dtype()
    with h5py.File(path, "w") as file:
        if kind == "dense":
            file.create_dataset("X", data=X, chunks=(4, 3))
        else:
            matrix = sparse.csr_matrix(X) if kind == "csr" else sparse.csc_matrix(X)
            group = file.create_group("X")
            group.attrs["encoding-type"] = f"{kind}_matrix"
            group.attrs["shape"] = X.shape
            for name in ("data", "indices", "indptr"):
                group[name] = getattr(matrix, name)
        for name, n in (("obs", X.shape[0]), ("var", X.shape[1])):
            group = file.create_group(name)
            group.attrs["_index"] = "_index"
            group.attrs["column-order"] = np.array(["kind"] if name == "obs" else [], dtype=text)
            group.create_dataset("_index", data=[f"{name}{i}" for i in range(n)], dtype=text)
        column = file["obs"].create_group("kind")
        column.attrs["encoding-type"] = "categorical"
        column["codes"] = np.arange(X.shape[0], dtype=np.int8) % 2
        column.create_dataset("categories", data=["B", "T"], dtype=text)
    return path


@pytest.mark.parametrize("kind", ["dense", "csr", "csc"])
def test_h5ad_is_read_dense_or_sparse(tmp_path: Path, kind: str) -> None:
    X = np.random.default_rng(0).poisson(0.7, size=(10, 6)).astype("float64")
    path = _h5ad(tmp_path / "cells.h5ad", X, kind)
    table = read_training(path, label="kind").train
    assert sparse.issparse(table.X) == (kind != "dense")
    dense = table.X.toarray() if sparse.issparse(table.X) else table.X
    np.testing.assert_array_equal(dense, X)
    assert dense.dtype == np.float32
    assert table.y.tolist() == ["B", "T"] * 5
    assert table.features[5] == "var5"
    assert table.row_names[9] == "obs9"
    with pytest.raises(DeepMapperError, match="nearest: 'kind'"):
        read_training(path, label="kin")


@pytest.mark.parametrize("kind", ["dense", "csr"])
@pytest.mark.parametrize("stream", [True, False])
def test_a_large_h5ad_stays_on_disk_and_predicts_as_from_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, stream: bool
) -> None:
    X = np.random.default_rng(0).poisson(0.7, size=(60, 20)).astype("float64")
    X[1::2, 5] += 3
    X[:, 7] = 0  # a column that is not read
    path = _h5ad(tmp_path / "cells.h5ad", X, kind)
    probabilities = []
    for limit in (2**31, 100):
        monkeypatch.setattr("deepmapper.tables._raw.IN_MEMORY_BYTES", limit)
        read = read_training(path, label="kind", test_fraction=0.3)
        assert isinstance(read.train.X, RowsOnDisk) == (limit == 100)
        settings: dict[str, Any] = {"passes": 1, "training": {"max_epochs": 2}, "device": "cpu"}
        model = DeepMapperClassifier(stream=stream, random_state=0, **settings)
        model.fit(read.train.X, read.train.y)
        new = read_new(path, read.preparation)
        probabilities.append(model.predict_proba(new.X))
        assert new.X.shape == (60, 19)
    np.testing.assert_allclose(probabilities[1], probabilities[0], atol=1e-6)


def test_rows_on_disk_are_read_in_any_order(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="optional: pip install h5py")
    X = np.random.default_rng(0).normal(size=(30, 8))
    with h5py.File(tmp_path / "X.h5", "w") as file:
        table = RowsOnDisk(file.create_dataset("X", data=X))
        rows, columns = np.array([7, 3, 3, 29]), np.array([6, 0])
        part = table.take(rows, columns)
        np.testing.assert_array_equal(table[rows], X[rows].astype("float32"))
        np.testing.assert_array_equal(part[:], X[rows][:, columns].astype("float32"))
        np.testing.assert_array_equal(part[np.array([2, 0])], part[:][[2, 0]])
        assert part[:0].shape == (0, 2)


def test_a_large_matrix_is_rewritten_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deepmapper.tables._raw.IN_MEMORY_BYTES", 100)
    assert isinstance(scratch((10, 10)), np.memmap)
    X = np.random.default_rng(0).normal(size=(50, 7)).astype("float32")
    rows, columns = np.array([3, 1, 40]), np.array([6, 0])
    np.testing.assert_array_equal(take(X, rows, columns), X[rows][:, columns])
