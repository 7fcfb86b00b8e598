"""Files for which no checksum is published: trusted on first use, and held to that."""

import errno
import hashlib
import warnings
from pathlib import Path

import pytest

from datasets import fetch as fetching
from datasets.fetch import FIRST_SEEN, DataFile, fetch, state
from datasets.table import DataUnavailable

SHA256 = hashlib.sha256(b"words").hexdigest()
OTHER = hashlib.sha256(b"other words").hexdigest()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEEPMAPPER_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "words.mat").write_bytes(b"words")
    return tmp_path / "data"


def data_file(*addresses: str) -> DataFile:
    return DataFile("words.mat", addresses, FIRST_SEEN)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_download_is_kept_with_its_checksum(folder: Path, mirror_address: str) -> None:
    file = data_file(f"{mirror_address}absent", f"{mirror_address}words.mat")
    assert state(file) == "missing"
    with pytest.warns(UserWarning, match=rf"first seen \(sha256 {SHA256}, kept in words\.mat\.sha"):
        path = fetch(file)
    assert path.read_bytes() == b"words"
    assert names(folder) == ["words.mat", "words.mat.sha256"]
    assert (folder / "words.mat.sha256").stat().st_mode & 0o777 == 0o644
    assert state(file) == "at hand"
    with warnings.catch_warnings(action="error"):
        assert fetch(file) == path


def test_a_file_that_somebody_put_there_is_taken(folder: Path) -> None:
    """Offline, as all tests are."""
    (folder / "words.mat").write_bytes(b"words")
    assert state(data_file()).startswith(f"at hand, unverified: found sha256:{SHA256}, and no")
    with pytest.warns(UserWarning, match="trusted"):
        assert fetch(data_file()) == folder / "words.mat"
    assert (folder / "words.mat.sha256").read_text() == f"{SHA256}  words.mat\n"
    assert state(data_file()) == "at hand"


def test_a_file_that_changed_is_corrupt(folder: Path, mirror_address: str) -> None:
    file = data_file(f"{mirror_address}words.mat")
    with pytest.warns(UserWarning, match="trusted"):
        fetch(file)
    (folder / "words.mat").write_bytes(b"other words")
    assert state(file) == f"corrupt: expected sha256:{SHA256}, found sha256:{OTHER}"
    with pytest.warns(UserWarning, match=rf"expected sha256:{SHA256}, found sha256:{OTHER}\)"):
        assert fetch(file).read_bytes() == b"words"
    assert names(folder) == ["words.mat", f"words.mat.corrupt-{OTHER[:8]}", "words.mat.sha256"]


def test_offline_a_file_that_changed_is_not_used(folder: Path) -> None:
    (folder / "words.mat").write_bytes(b"other words")
    (folder / "words.mat.sha256").write_text(f"{SHA256}  words.mat\n")
    with pytest.raises(DataUnavailable, match=f"expected sha256:{SHA256}, found sha256:{OTHER}"):
        fetch(data_file())


def test_a_download_must_be_what_was_seen_first(
    folder: Path, tmp_path: Path, mirror_address: str
) -> None:
    (folder / "words.mat.sha256").write_text(f"{OTHER}  words.mat\n")
    file = data_file(f"{mirror_address}words.mat")
    with pytest.raises(DataUnavailable, match=rf"Expected sha256:{OTHER}.*found sha256:{SHA256}"):
        fetch(file)
    (tmp_path / "mirror" / "words.mat").write_bytes(b"other words")
    with warnings.catch_warnings(action="error"):
        assert fetch(file).read_bytes() == b"other words"


def test_no_address_that_answers(folder: Path, mirror_address: str) -> None:
    with pytest.raises(DataUnavailable, match=r"Any content would do, but .*404"):
        fetch(data_file(f"{mirror_address}absent"))
    assert names(folder) == []


def test_a_folder_that_cannot_be_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "words.mat").write_bytes(b"words")

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(fetching.tempfile, "mkstemp", refuse)
    with pytest.warns(UserWarning, match=f"{SHA256}, which cannot be kept: Read-only file system"):
        assert fetch(data_file()) == folder / "words.mat"


def test_a_file_that_cannot_be_read_is_not_remembered(
    folder: Path, mirror_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "words.mat").write_bytes(b"unreadable words")
    read = fetching._hash

    def refuse(content: object, *rest: object) -> str:
        if getattr(content, "name", "").endswith("data/words.mat"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return read(content, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(fetching, "_hash", refuse)
    with pytest.warns(UserWarning, match="words.mat") as caught:
        fetch(data_file(f"{mirror_address}words.mat"))
    assert (folder / "words.mat").read_bytes() == b"words"
    assert (folder / "words.mat.sha256").read_text().split()[0] == SHA256
    assert ["trusted" in str(one.message) for one in caught] == [True, False]
    aside = [path for path in folder.iterdir() if "corrupt" in path.name]
    assert [path.read_bytes() for path in aside] == [b"unreadable words"]


def test_other_words_are_no_checksum() -> None:
    with pytest.raises(ValueError, match=r"expected 'first:' or a checksum .* got 'first:abc'"):
        DataFile("words.mat", (), "first:abc")
