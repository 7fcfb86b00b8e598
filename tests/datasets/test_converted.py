"""The cache of tables that are slow to read, and the downloads before it."""

import hashlib
import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

from datasets import _converted
from datasets._converted import Arrays, convert_once, pack_rows, repository_file, unpack_rows
from datasets.fetch import DataFile
from datasets.table import DataUnavailable

from .conftest import Server

CONTENT = b"1,2,3"
ARRAYS = {"X": np.arange(6, dtype=np.float32).reshape(2, 3), "names": np.array(["a", "bc"])}


class Reader:
    """Count the calls of `read`, which returns ARRAYS if the file has CONTENT."""

    n_calls = 0

    def read(self, path: Path) -> Arrays:
        self.n_calls += 1
        assert path.read_bytes() == CONTENT
        return ARRAYS

    def read_again(self, path: Path) -> Arrays:
        return self.read(path)


@pytest.fixture
def reader() -> Reader:
    return Reader()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set the user's cache folder and return the folder of the entries."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "deepmapper" / "converted"


@pytest.fixture
def make_module(tmp_path: Path) -> Callable[[str], ModuleType]:
    """Import a module with this source. All have one name."""

    def make(source: str) -> ModuleType:
        path = tmp_path / f"{hashlib.sha256(source.encode()).hexdigest()[:8]}.py"
        path.write_text(source)
        os.utime(path, (0, 0))
        spec = importlib.util.spec_from_file_location("datasets.small", path)
        assert spec is not None
        return importlib.util.module_from_spec(spec)

    return make


@pytest.fixture
def module(make_module: Callable[[str], ModuleType]) -> ModuleType:
    return make_module("VERSION = 1\n")


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataFile:
    """A data file that is there already."""
    monkeypatch.setenv("DEEPMAPPER_DATA", str(tmp_path))
    (tmp_path / "small.csv").write_bytes(CONTENT)
    return DataFile("small.csv", (), f"sha256:{hashlib.sha256(CONTENT).hexdigest()}")


def test_the_second_call_does_not_read(
    cache: Path, module: ModuleType, file: DataFile, reader: Reader
) -> None:
    for _ in range(2):
        arrays = convert_once(module, [file], reader.read)
        assert list(arrays) == list(ARRAYS)
        for name, array in ARRAYS.items():
            assert_array_equal(arrays[name], array, strict=True)
    assert reader.n_calls == 1
    assert [path.name.partition("-")[0] for path in cache.iterdir()] == ["small"]


@pytest.mark.parametrize("changed", ["module", "shared file", "function", "file"])
def test_a_change_reads_again(
    changed: str,
    cache: Path,
    module: ModuleType,
    file: DataFile,
    reader: Reader,
    make_module: Callable[[str], ModuleType],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    convert_once(module, [file], reader.read)
    read = reader.read
    if changed == "module":
        module = make_module("VERSION = 2\n")
    elif changed == "shared file":
        (tmp_path / "_shared.py").write_text("VERSION = 2\n")
        os.utime(tmp_path / "_shared.py", (0, 0))
        monkeypatch.setattr(_converted, "FOLDER", tmp_path)
    elif changed == "function":
        read = reader.read_again
    else:
        blob = hashlib.sha1(b"blob %d\0" % len(CONTENT) + CONTENT).hexdigest()
        file = DataFile(file.path, (), f"blob:{blob}")
    convert_once(module, [file], read)
    assert reader.n_calls == 2


def test_a_source_that_changed_after_its_import_keeps_the_cache_out(
    cache: Path, module: ModuleType, file: DataFile, reader: Reader
) -> None:
    """The arrays of the old code would be stored under the new source."""
    convert_once(module, [file], reader.read)
    os.utime(str(module.__file__))
    for _ in range(2):
        convert_once(module, [file], reader.read)
    assert reader.n_calls == 3
    assert len(list(cache.iterdir())) == 1


@pytest.mark.parametrize("keep", [0, 40, 200])
def test_a_truncated_entry_is_made_again(
    keep: int, cache: Path, module: ModuleType, file: DataFile, reader: Reader
) -> None:
    convert_once(module, [file], reader.read)
    (entry,) = cache.iterdir()
    entry.write_bytes(entry.read_bytes()[:keep])
    assert_array_equal(convert_once(module, [file], reader.read)["X"], ARRAYS["X"])
    convert_once(module, [file], reader.read)
    assert reader.n_calls == 2


def test_an_entry_with_a_flipped_bit_is_made_again(
    cache: Path, module: ModuleType, file: DataFile, reader: Reader
) -> None:
    convert_once(module, [file], reader.read)
    (entry,) = cache.iterdir()
    content = bytearray(entry.read_bytes())
    content[content.index(b"X.npy") + 40] ^= 1
    entry.write_bytes(content)
    assert_array_equal(convert_once(module, [file], reader.read)["X"], ARRAYS["X"])
    assert reader.n_calls == 2


def test_a_cache_that_cannot_be_written_is_no_error(
    cache: Path, module: ModuleType, file: DataFile, reader: Reader
) -> None:
    cache.parent.mkdir(parents=True)
    cache.write_text("a file where the folder should be")
    for _ in range(2):
        assert_array_equal(convert_once(module, [file], reader.read)["X"], ARRAYS["X"])
    assert reader.n_calls == 2


def test_a_full_disk_leaves_nothing(
    cache: Path,
    module: ModuleType,
    file: DataFile,
    reader: Reader,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(path: Path, **_: np.ndarray) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", fail)
    assert_array_equal(convert_once(module, [file], reader.read)["X"], ARRAYS["X"])
    assert list(cache.iterdir()) == []


def remote_file(server: Server, content: bytes) -> DataFile:
    address = server.put("small.csv", content)
    return DataFile("wide/small.csv", (address,), f"sha256:{hashlib.sha256(CONTENT).hexdigest()}")


def test_a_missing_file_is_downloaded_once(
    server: Server, cache: Path, module: ModuleType, reader: Reader
) -> None:
    file = remote_file(server, CONTENT)
    for _ in range(2):
        assert_array_equal(convert_once(module, [file], reader.read)["X"], ARRAYS["X"])
    assert (reader.n_calls, server.requests) == (1, ["small.csv"])


@pytest.mark.parametrize("problem", ["wrong bytes", "cut"])
def test_a_wrong_download_is_not_read(
    problem: str, server: Server, cache: Path, module: ModuleType, reader: Reader, tmp_path: Path
) -> None:
    file = remote_file(server, CONTENT if problem == "cut" else b"<html>moved</html>")
    if problem == "cut":
        server.cut.add("small.csv")
    with pytest.raises(DataUnavailable, match=r"'wide/small.csv' is missing.*sha256:"):
        convert_once(module, [file], reader.read)
    assert reader.n_calls == 0
    assert list((tmp_path / "data" / "wide").iterdir()) == []
    assert not cache.exists()


def test_a_deleted_file_is_needed_although_it_was_converted(
    cache: Path, module: ModuleType, file: DataFile, reader: Reader, tmp_path: Path
) -> None:
    """A run on a machine with the cache only must not differ from one with the data only."""
    convert_once(module, [file], reader.read)
    (tmp_path / "small.csv").unlink()
    with pytest.raises(DataUnavailable, match=r"small\.csv"):
        convert_once(module, [file], reader.read)


def test_the_address_of_a_repository_file_names_the_commit() -> None:
    file = repository_file("wide/x/a b.zip", "owner/name", "c" * 40, "data/a b.zip", "0" * 64)
    address = f"https://raw.githubusercontent.com/owner/name/{'c' * 40}/data/a%20b.zip"
    assert file == DataFile("wide/x/a b.zip", (address,), f"sha256:{'0' * 64}")


def test_a_sparse_matrix_is_packed_and_unpacked() -> None:
    X = sparse.random_array((7, 5), density=0.3, format="csr", dtype=np.float32, rng=0)
    X = sparse.csr_matrix(X)
    unpacked = unpack_rows(pack_rows(X))
    assert isinstance(unpacked, sparse.csr_matrix)
    assert unpacked.shape == X.shape
    assert_array_equal(unpacked.toarray(), X.toarray(), strict=True)
