"""Downloads of whole, cut, altered and absent files from a local server."""

import errno
import gzip
import hashlib
import io
import os
import re
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from datasets import fetch as fetching
from datasets.fetch import DataFile, fetch, location, state
from datasets.table import DataUnavailable

from .conftest import Server

CONTENT = b"sixteen tumours\n" * 500
PACKED = gzip.compress(CONTENT, mtime=0)
MD5 = f"md5:{hashlib.md5(CONTENT).hexdigest()}"
BLOB = f"blob:{hashlib.sha1(b'blob %d' % len(PACKED) + bytes(1) + PACKED).hexdigest()}"
SHA256 = f"sha256:{hashlib.sha256(PACKED).hexdigest()}"
OTHER = gzip.compress(b"another table", mtime=0)
OTHER_MD5 = hashlib.md5(b"another table").hexdigest()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "data"
    monkeypatch.setenv("DEEPMAPPER_DATA", str(folder))
    return folder


def data_file(*addresses: str, checksum: str = MD5) -> DataFile:
    return DataFile("tumours/counts.gz", addresses, checksum)


def put(file: DataFile, content: bytes) -> Path:
    path = location(file)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def names(folder: Path) -> list[str]:
    """The paths of all files below a folder, hidden ones too."""
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def make_read_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forbid writing. Root may write anywhere, so the call that writes is patched."""
    folder.chmod(0o555)
    if os.access(folder, os.W_OK):

        def refuse(*_: object, **__: object) -> None:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

        monkeypatch.setattr(fetching.tempfile, "TemporaryDirectory", refuse)


@pytest.mark.parametrize("checksum", [MD5, BLOB, SHA256])
def test_a_verified_file_is_used_without_a_download(checksum: str) -> None:
    file = data_file(checksum=checksum)
    path = put(file, PACKED)
    assert state(file) == "present"
    assert fetch(file) == path


@pytest.mark.parametrize("checksum", [MD5, BLOB, SHA256])
@pytest.mark.parametrize("content", [OTHER, PACKED[:-9], PACKED + b"x", b""])
def test_any_other_content_is_corrupt(checksum: str, content: bytes) -> None:
    file = data_file(checksum=checksum)
    put(file, content)
    assert state(file).startswith(f"corrupt: expected {checksum}, found {checksum.split(':')[0]}:")


def test_a_blob_checksum_is_the_one_of_git() -> None:
    """`printf 'hello\n' | git hash-object --stdin`."""
    file = data_file(checksum="blob:ce013625030ba8dba906f756967f9e9ca394464a")
    put(file, b"hello\n")
    assert state(file) == "present"


def zipped(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


# `git init sounds && cd sounds && printf 'hello\n' > a.wav && printf 'x' > a.wav.txt &&
# git add . && git write-tree`
TREE = "tree:ff7c2a9d863bb1eff64ca6fa0039d034a6534e46"
SOUNDS = {"sounds/a.wav.txt": b"x", "sounds/a.wav": b"hello\n"}


def test_a_tree_checksum_is_the_one_of_git() -> None:
    file = DataFile("tumours/sounds.zip", (), TREE)
    inside = {f"project-1/{name}": data for name, data in SOUNDS.items()}
    for files in (SOUNDS, inside, {**inside, "project-1/README.md": b"about"}):
        put(file, zipped(files))
        assert state(file) == "present"


@pytest.mark.parametrize(
    "files",
    [
        {**SOUNDS, "sounds/a.wav": b"hello"},
        {**SOUNDS, "sounds/b.wav": b""},
        {"sounds/a.wav": b"hello\n"},
        {"other/a.wav": b"hello\n", "other/a.wav.txt": b"x"},
    ],
)
def test_a_zip_with_other_files_is_corrupt(files: dict[str, bytes]) -> None:
    file = DataFile("tumours/sounds.zip", (), TREE)
    put(file, zipped(files))
    assert re.fullmatch(f"corrupt: expected {TREE}, found tree:[0-9a-f]{{40}}", state(file))


@pytest.mark.parametrize("content", [b"", b"<html>", zipped(SOUNDS)[:-9]])
def test_a_file_that_is_no_zip_is_corrupt(content: bytes) -> None:
    file = DataFile("tumours/sounds.zip", (), TREE)
    put(file, content)
    sha256 = hashlib.sha256(content).hexdigest()
    expected = f"corrupt: expected {TREE}, found sha256:{sha256} as packed (it cannot be unpacked)"
    assert state(file) == expected


def test_no_damage_of_a_zip_raises_an_error() -> None:
    file = DataFile("tumours/sounds.zip", (), TREE)
    content = zipped(SOUNDS)
    for place in range(0, len(content), 2):
        put(file, content[:place] + bytes([content[place] ^ 64]) + content[place + 1 :])
        assert state(file).startswith(("present", f"corrupt: expected {TREE}, found "))


def test_any_zip_with_the_right_files_is_used(server: Server) -> None:
    content = zipped({"project-1/README.md": b"about", **SOUNDS})
    file = DataFile("tumours/sounds.zip", (server.put("commit", content),), TREE)
    assert fetch(file).read_bytes() == content


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (zipped({**SOUNDS, "sounds/a.wav": b"hello"}), "found tree:"),  # another file inside
        (zipped(SOUNDS)[:-9], "as packed (it cannot be unpacked)"),  # cut
        (b"<html>", "as packed (it cannot be unpacked)"),
    ],
)
def test_a_downloaded_zip_with_other_content_is_refused(
    server: Server, folder: Path, content: bytes, reason: str
) -> None:
    address = server.put("bad", content)
    with pytest.raises(DataUnavailable, match=re.escape(reason)):
        fetch(DataFile("tumours/sounds.zip", (address,), TREE))
    assert names(folder) == []
    good = zipped(SOUNDS)
    both = DataFile("tumours/sounds.zip", (address, server.put("good", good)), TREE)
    assert fetch(both).read_bytes() == good


def test_md5_is_that_of_the_unpacked_content_of_gz_files_only() -> None:
    file = DataFile("plain.txt", (), MD5)
    put(file, CONTENT)
    assert state(file) == "present"
    file = data_file()
    put(file, CONTENT)
    assert state(file) == f"corrupt: expected {MD5}, found {MD5} as packed (it cannot be unpacked)"


@pytest.mark.parametrize("checksum", ["crc32:0", "first:abc"])
def test_other_kinds_of_checksum_are_refused(checksum: str) -> None:
    with pytest.raises(
        ValueError, match=f"'first:' or .* md5:, blob:, tree:, sha256:, got '{checksum}'"
    ):
        data_file(checksum=checksum)


def test_the_same_file_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    file = data_file()
    path = put(file, PACKED)
    assert state(file) == "present"
    with monkeypatch.context() as patch:
        patch.setattr(fetching.hashlib, "file_digest", lambda *_: pytest.fail("read again"))
        assert fetch(file) == path
    put(file, OTHER)
    assert state(file).startswith("corrupt")


@pytest.mark.parametrize("checksum", [MD5, BLOB, SHA256])
def test_a_missing_file_is_downloaded(
    server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch, checksum: str
) -> None:
    monkeypatch.setenv("DEEPMAPPER_OFFLINE", "0")
    file = data_file(server.put("a", PACKED), checksum=checksum)
    assert state(file) == "missing"
    assert fetch(file).read_bytes() == PACKED
    assert fetch(file).stat().st_mode & 0o777 == 0o644
    assert state(file) == "present"
    assert server.requests == ["a"]
    assert names(folder) == ["tumours/counts.gz"]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("absent", "404"),
        ("cut", "IncompleteRead"),
        ("altered", f"sent other content (found md5:{OTHER_MD5})"),
        ("mute", "timed out"),
        ("no server", "Connection"),
        ("no address", "MissingSchema"),
    ],
)
def test_a_failed_download_says_why_and_the_next_mirror_is_tried(
    server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch, wrong: str, reason: str
) -> None:
    for name, content in {"cut": PACKED, "altered": OTHER, "mute": PACKED}.items():
        server.put(name, content)
    server.cut.add("cut")
    server.mute.add("mute")
    if wrong == "mute":
        monkeypatch.setattr(fetching, "TIMEOUT_SECONDS", 0.1)
    other_addresses = {"no server": "http://127.0.0.1:1/a", "no address": "counts.gz"}
    address = other_addresses.get(wrong, f"{server.address}{wrong}")
    with pytest.raises(DataUnavailable) as caught:
        fetch(data_file(address))
    message = str(caught.value)
    parts = ["tumours/counts.gz", str(folder), address, MD5, reason, "DEEPMAPPER_DATA"]
    assert [part for part in parts if part not in message] == []
    assert names(folder) == []
    path = fetch(data_file(address, server.put("good", PACKED)))
    assert path.read_bytes() == PACKED
    assert server.requests[-1] == "good"
    assert names(folder) == ["tumours/counts.gz"]


def test_a_corrupt_file_is_moved_aside_and_downloaded_again(server: Server, folder: Path) -> None:
    file = data_file(server.put("a", PACKED))
    put(file, OTHER)
    with pytest.warns(UserWarning, match=rf"expected {MD5}, found md5:{OTHER_MD5}\): moved to"):
        assert fetch(file).read_bytes() == PACKED
    aside = f"tumours/counts.gz.corrupt-{OTHER_MD5[:8]}"
    assert names(folder) == ["tumours/counts.gz", aside]
    assert (folder / aside).read_bytes() == OTHER
    assert fetch(file).read_bytes() == PACKED
    assert server.requests == ["a"]


def test_a_corrupt_file_stays_if_no_good_one_can_be_downloaded(
    server: Server, folder: Path
) -> None:
    file = data_file(server.put("a", OTHER))
    put(file, CONTENT)
    with pytest.raises(DataUnavailable, match="was left where it is and not used"):
        fetch(file)
    assert names(folder) == ["tumours/counts.gz"]


def test_two_threads_download_the_same_file(server: Server, folder: Path) -> None:
    file = data_file(server.put("a", PACKED))
    threads = [threading.Thread(target=fetch, args=(file,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert state(file) == "present"
    assert names(folder) == ["tumours/counts.gz"]


@pytest.mark.parametrize("content", [None, OTHER])
def test_offline_no_server_is_contacted(
    server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    monkeypatch.setenv("DEEPMAPPER_OFFLINE", "1")
    file = data_file(server.put("a", PACKED))
    if content is not None:
        put(file, content)
    with pytest.raises(DataUnavailable) as caught:
        fetch(file)
    message = str(caught.value)
    parts = ["DEEPMAPPER_OFFLINE is set", f"{server.address}a", str(location(file))]
    parts += ["is missing"] if content is None else [MD5, OTHER_MD5, "was left where it is"]
    assert [part for part in parts if part not in message] == []
    assert server.requests == []
    assert names(folder) == ([] if content is None else ["tumours/counts.gz"])


@pytest.mark.parametrize("content", [None, OTHER])
def test_nothing_is_downloaded_into_a_read_only_folder(
    server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    file = data_file(f"{server.address}a")
    put(file, content or b"")
    if content is None:
        location(file).unlink()
    make_read_only(location(file).parent, monkeypatch)
    with pytest.raises(DataUnavailable, match=r"written \(.*\), so nothing was downloaded\."):
        fetch(file)
    assert server.requests == []
    assert names(folder) == ([] if content is None else ["tumours/counts.gz"])


def test_a_verified_file_in_a_read_only_folder_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    file = data_file()
    path = put(file, PACKED)
    make_read_only(path.parent, monkeypatch)
    assert fetch(file) == path


def test_a_data_folder_that_is_a_file_is_refused(server: Server, folder: Path) -> None:
    folder.write_text("not a folder")
    with pytest.raises(DataUnavailable, match="cannot be written"):
        fetch(data_file(f"{server.address}a"))
    assert folder.read_text() == "not a folder"


def test_a_target_that_is_a_folder_is_refused(server: Server, folder: Path) -> None:
    file = data_file(server.put("a", PACKED))
    location(file).mkdir(parents=True)
    with pytest.raises(DataUnavailable, match="cannot be moved into place"):
        fetch(file)
    assert names(folder) == []


def test_the_default_folder_is_the_users_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEEPMAPPER_DATA")
    assert fetching.data_folder().name == "deepmapper"
    assert fetching.data_folder().is_absolute()


def test_importing_datasets_is_cheap() -> None:
    code = (
        "import sys, datasets.fetch, datasets.mnist, datasets.digits, datasets.tcga;"
        "heavy = {'pandas', 'pooch', 'pyarrow', 'requests', 'sklearn', 'torch'};"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    root = Path(fetching.__file__).parents[1]
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)
