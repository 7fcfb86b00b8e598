"""Gisette from small files that a local server sends."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from datasets import gisette
from datasets.fetch import state
from datasets.table import TableError

from .conftest import Server


def lines_of(X: np.ndarray) -> str:
    """The text of a data file, which has a blank before each end of line."""
    return "".join(" ".join(map(str, row)) + " \n" for row in X)


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch, server: Server) -> dict[str, np.ndarray]:
    """Serve the files of 12 training and 6 validation samples of 5 features."""
    rng = np.random.default_rng(0)
    monkeypatch.setattr(gisette, "N_TRAIN", 12)
    monkeypatch.setattr(gisette, "N_TEST", 6)
    monkeypatch.setattr(gisette, "N_FEATURES", 5)
    content, addresses, checksums = {}, [], []
    for path in gisette.FILES:
        n = 12 if "train" in path else 6
        if path.endswith(".data"):
            content[path] = rng.integers(0, 1_000, (n, 5))
            text = lines_of(content[path])
        else:
            content[path] = rng.permutation(np.arange(n) % 2)
            text = "".join("1\n" if code else "-1\n" for code in content[path])
        addresses.append(server.put(Path(path).name, text.encode()))
        checksums.append(hashlib.sha256(text.encode()).hexdigest())
    monkeypatch.setattr(gisette, "SHA256", checksums)
    monkeypatch.setattr(gisette, "ADDRESSES", addresses)
    return content


def test_the_first_samples_of_four_files_become_one_table(parts: dict[str, np.ndarray]) -> None:
    train, train_labels, test, test_labels = parts.values()
    for n_train, n_test in ((12, 6), (8, 5)):
        table = gisette.load(n_train=n_train, n_test=n_test)
        assert (table.X.dtype, table.y.dtype) == (np.float32, np.int64)
        assert_array_equal(table.X, np.concatenate([train[:n_train], test[:n_test]]))
        assert_array_equal(table.y, np.concatenate([train_labels[:n_train], test_labels[:n_test]]))
        assert table.classes == ("-1", "+1")
        assert table.official_split is not None
        assert_array_equal(table.official_split[0], np.arange(n_train))
        assert_array_equal(table.official_split[1], np.arange(n_train, n_train + n_test))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2 3 4 5 \n", r"at least 2 lines of 5 values, got \(1, 5\)"),
        ("1 2 3 4 \n" * 2, r"at least 2 lines of 5 values, got \(2, 4\)"),
        ("1 2 3 4 5 \n1 2 3 \n", "as many on each line, got .*columns"),
        ("1 2 3 4 x \n" * 2, "expected numbers"),
        ("1 2 3 4 1000 \n" * 2, r"values in 0\.\.999, got 1\.\.1000"),
        ("1 2 3 4 -1 \n" * 2, r"values in 0\.\.999, got -1\.\.4"),
        ("1 2 3 4 nan \n" * 2, r"values in 0\.\.999, got nan"),
    ],
)
def test_wrong_data_are_explained(parts: object, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.data").write_text(text)
    with pytest.raises(TableError, match=rf"x\.data is truncated or another.*{message}"):
        gisette.parse_data(tmp_path / "x.data", 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\n-1\n", "3 labels, got 2"),
        ("1\n-1\n1\n1\n", "3 labels, got 4"),
        ("1\n0\n1\n", "lines of -1 or 1, got '0'"),
    ],
)
def test_wrong_labels_are_explained(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.labels").write_text(text)
    with pytest.raises(TableError, match=message):
        gisette.parse_labels(tmp_path / "x.labels", 3)


def test_the_real_files(real_data: Path) -> None:
    """Balanced in both parts, as the challenge states."""
    if missing := [f.path for f in gisette.data_files() if state(f) == "missing"]:
        pytest.skip(f"missing data files: {', '.join(missing)}")
    table = gisette.load()
    assert table.X.shape == (7_000, 5_000)
    assert_array_equal(np.bincount(table.y[:6_000]), [3_000, 3_000])
    assert_array_equal(np.bincount(table.y[6_000:]), [500, 500])
    assert_array_equal(table.X, np.rint(table.X))
