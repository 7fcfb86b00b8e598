"""Files without a published checksum are trusted on first use."""

import errno
import hashlib
import warnings
from pathlib import Path

import pytest

from datasets.fetch import FIRST_SEEN, DataFile, fetch, state
from datasets.table import DataUnavailable

from .conftest import Server

SHA256 = hashlib.sha256(b"words").hexdigest()
OTHER = hashlib.sha256(b"other words").hexdigest()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEEPMAPPER_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def data_file(*addresses: str) -> DataFile:
    return DataFile("words.mat", addresses, FIRST_SEEN)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_download_is_kept_with_its_checksum(folder: Path, server: Server) -> None:
    file = data_file(f"{server.address}absent", server.put("words.mat", b"words"))
    assert state(file) == "missing"
    with pytest.warns(UserWarning, match=rf"first seen \(sha256 {SHA256}, kept in words\.mat\.sha"):
        path = fetch(file)
    assert path.read_bytes() == b"words"
    assert names(folder) == ["words.mat", "words.mat.sha256"]
    assert (folder / "words.mat.sha256").stat().st_mode & 0o777 == 0o644
    assert state(file) == "present"
    with warnings.catch_warnings(action="error"):
        assert fetch(file) == path


def test_a_file_in_the_folder_is_trusted(folder: Path) -> None:
    """Offline, as all tests are."""
    (folder / "words.mat").write_bytes(b"words")
    assert state(data_file()).startswith(f"present, unverified: found sha256:{SHA256}, and no")
    with pytest.warns(UserWarning, match="trusted"):
        assert fetch(data_file()) == folder / "words.mat"
    assert (folder / "words.mat.sha256").read_text() == f"{SHA256}  words.mat\n"
    assert state(data_file()) == "present"


def test_a_file_that_changed_is_corrupt(folder: Path, server: Server) -> None:
    file = data_file(server.put("words.mat", b"words"))
    with pytest.warns(UserWarning, match="trusted"):
        fetch(file)
    (folder / "words.mat").write_bytes(b"other words")
    assert state(file) == f"corrupt: expected sha256:{SHA256}, found sha256:{OTHER}"
    with pytest.warns(UserWarning, match=rf"expected sha256:{SHA256}, found sha256:{OTHER}\)"):
        assert fetch(file).read_bytes() == b"words"
    assert names(folder) == ["words.mat", f"words.mat.corrupt-{OTHER[:8]}", "words.mat.sha256"]


def test_a_download_must_match_the_first_checksum(folder: Path, server: Server) -> None:
    (folder / "words.mat.sha256").write_text(f"{OTHER}  words.mat\n")
    file = data_file(server.put("words.mat", b"words"))
    with pytest.raises(DataUnavailable, match=rf"Expected sha256:{OTHER}.*found sha256:{SHA256}"):
        fetch(file)
    server.put("words.mat", b"other words")
    with warnings.catch_warnings(action="error"):
        assert fetch(file).read_bytes() == b"other words"


def test_a_file_that_no_address_sends_is_unavailable(folder: Path, server: Server) -> None:
    with pytest.raises(DataUnavailable, match=r"Expected any content, but .*404"):
        fetch(data_file(f"{server.address}absent"))
    assert names(folder) == []


def test_a_checksum_that_cannot_be_stored_is_a_warning(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "words.mat").write_bytes(b"words")

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "write_text", refuse)
    with pytest.warns(UserWarning, match=f"{SHA256}, which cannot be kept: Read-only file system"):
        assert fetch(data_file()) == folder / "words.mat"
