"""Gisette by way of files in its format: values apart by blanks, one more at the end of a line."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from datasets import gisette
from datasets.fetch import fetch, state
from datasets.table import DataUnavailable, TableError


def lines_of(X: np.ndarray) -> str:
    return "".join(" ".join(map(str, row)) + " \n" for row in X)


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, np.ndarray]:
    """12 training and 6 validation samples of 5 features as files, with the right checksums."""
    rng = np.random.default_rng(0)
    monkeypatch.setattr(gisette, "N_TRAIN", 12)
    monkeypatch.setattr(gisette, "N_TEST", 6)
    monkeypatch.setattr(gisette, "N_FEATURES", 5)
    content = {}
    (tmp_path / "mirror").mkdir()
    for path in gisette.FILES:
        n = 12 if "train" in path else 6
        if path.endswith(".data"):
            content[path] = rng.integers(0, 1_000, (n, 5))
            text = lines_of(content[path])
        else:
            content[path] = rng.permutation(np.arange(n) % 2)
            text = "".join("1\n" if code else "-1\n" for code in content[path])
        (tmp_path / "mirror" / Path(path).name).write_text(text)
    sums = [
        hashlib.sha256((tmp_path / "mirror" / Path(path).name).read_bytes()).hexdigest()
        for path in gisette.FILES
    ]
    monkeypatch.setattr(gisette, "SHA256", tuple(sums))
    monkeypatch.setenv("DEEPMAPPER_DATA", str(tmp_path / "data"))
    return content


@pytest.fixture
def mirror(
    parts: object, mirror_address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The folder of the files that are served."""
    addresses = tuple(mirror_address + Path(path).name for path in gisette.FILES)
    monkeypatch.setattr(gisette, "ADDRESSES", addresses)
    return tmp_path / "mirror"


def test_the_four_files_become_one_table(mirror: Path, parts: dict[str, np.ndarray]) -> None:
    table = gisette.load(n_train=12, n_test=6)
    train, train_labels, test, test_labels = parts.values()
    assert (table.X.dtype, table.y.dtype) == (np.float32, np.int64)
    assert_array_equal(table.X, np.concatenate([train, test]))
    assert_array_equal(table.y, np.concatenate([train_labels, test_labels]))
    assert table.classes == ("-1", "+1")
    assert table.official_split is not None
    assert_array_equal(table.official_split[0], np.arange(12))
    assert_array_equal(table.official_split[1], np.arange(12, 18))


def test_the_first_samples_are_taken(mirror: Path, parts: dict[str, np.ndarray]) -> None:
    table = gisette.load(n_train=8, n_test=5)
    train, train_labels, test, test_labels = parts.values()
    assert_array_equal(table.X, np.concatenate([train[:8], test[:5]]))
    assert_array_equal(table.y, np.concatenate([train_labels[:8], test_labels[:5]]))


def test_a_file_that_was_cut_is_not_used(mirror: Path) -> None:
    path = mirror / "gisette_train.data"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataUnavailable, match=r"gisette_train\.data.*sent other content"):
        gisette.load(n_train=12, n_test=6)


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
def test_what_is_wrong_with_data(parts: object, tmp_path: Path, text: str, message: str) -> None:
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
def test_what_is_wrong_with_labels(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.labels").write_text(text)
    with pytest.raises(TableError, match=message):
        gisette.parse_labels(tmp_path / "x.labels", 3)


@pytest.mark.parametrize(("name", "n"), [("n_train", 0), ("n_train", 6_001), ("n_test", 1_001)])
def test_numbers_out_of_range(name: str, n: int) -> None:
    with pytest.raises(TableError, match=rf"'gisette': expected {name} in 1\.\..*got {n}"):
        gisette.load(**{name: n})


def test_checksums_and_addresses_belong_to_their_files() -> None:
    for file in gisette.data_files():
        assert len(file.checksum) == len("sha256:") + 64
        assert [address.rpartition("/")[2] for address in file.addresses] == [Path(file.path).name]
    assert len({file.checksum for file in gisette.data_files()}) == 4


def test_the_real_files(real_data: Path) -> None:
    """Balanced in both parts, as the challenge states."""
    if any(state(file) == "missing" for file in gisette.data_files()):
        pytest.skip("Gisette is not at hand")
    table = gisette.load()
    assert table.X.shape == (7_000, 5_000)
    assert_array_equal(np.bincount(table.y[:6_000]), [3_000, 3_000])
    assert_array_equal(np.bincount(table.y[6_000:]), [500, 500])
    assert_array_equal(table.X, np.rint(table.X))


@pytest.mark.network
@pytest.mark.parametrize("number", range(4))
def test_the_addresses_send_the_files(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPMAPPER_DATA", str(tmp_path))
    assert fetch(gisette.data_files()[number]).is_file()
