"""Downloads from a server of our own: whole, cut, altered, absent; into folders of all kinds."""

import errno
import gzip
import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from datasets import fetch as fetching
from datasets.fetch import DataFile, fetch, location, state
from datasets.table import DataUnavailable

CONTENT = b"sixteen tumours\n" * 500
PACKED = gzip.compress(CONTENT, mtime=0)
MD5 = f"md5:{hashlib.md5(CONTENT).hexdigest()}"
BLOB = f"blob:{hashlib.sha1(b'blob %d' % len(PACKED) + bytes(1) + PACKED).hexdigest()}"
SHA256 = f"sha256:{hashlib.sha256(PACKED).hexdigest()}"
OTHER = gzip.compress(b"another table", mtime=0)
OTHER_MD5 = hashlib.md5(b"another table").hexdigest()


class Server:
    """Serves `contents`; sends half of those in `cut`, never answers those in `mute`.

    Like some hosts, it calls .gz an encoding to clients that accept one, and they unpack it.
    """

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self.cut: set[str] = set()
        self.mute: set[str] = set()
        self.asked: list[str] = []
        self.closing = threading.Event()
        handler = type("Handler", (BaseHTTPRequestHandler,), {"do_GET": self._answer})
        handler.log_message = lambda *_: None  # type: ignore[attr-defined]
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.address = f"http://127.0.0.1:{self.http.server_port}"

    @property
    def _answer(self) -> Callable[[BaseHTTPRequestHandler], None]:
        def answer(request: BaseHTTPRequestHandler) -> None:
            self.asked.append(request.path)
            content = self.contents.get(request.path)
            if request.path in self.mute:
                self.closing.wait(10)
            if content is None:
                request.send_error(404)
                return
            request.send_response(200)
            request.send_header("Content-Length", str(len(content)))
            if "gzip" in request.headers.get("Accept-Encoding", ""):
                request.send_header("Content-Encoding", "gzip")
            request.end_headers()
            n_sent = len(content) // 2 if request.path in self.cut else len(content)
            request.wfile.write(content[:n_sent])

        return answer


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.delenv("DEEPMAPPER_OFFLINE")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Server()
    # The default of half a second is how long each shutdown takes.
    thread = threading.Thread(target=server.http.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.closing.set()
    server.http.shutdown()
    thread.join()
    server.http.server_close()


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
    """All files below, hidden ones too: what a download left behind."""
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def make_read_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forbid writing; for root, whom permissions do not bind, by way of the calls that write."""
    folder.chmod(0o555)
    if os.access(folder, os.W_OK):

        def refuse(*_: object, **__: object) -> None:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

        monkeypatch.setattr(fetching.tempfile, "mkstemp", refuse)
        monkeypatch.setattr(fetching.os, "replace", refuse)


# Checksums


@pytest.mark.parametrize("checksum", [MD5, BLOB, SHA256])
def test_a_verified_file_is_used_as_it_lies(checksum: str) -> None:
    file = data_file(checksum=checksum)
    path = put(file, PACKED)
    assert state(file) == "at hand"
    assert fetch(file) == path


@pytest.mark.parametrize("checksum", [MD5, BLOB, SHA256])
@pytest.mark.parametrize("content", [OTHER, PACKED[:-9], PACKED + b"x", b""])
def test_any_other_content_is_corrupt(checksum: str, content: bytes) -> None:
    file = data_file(checksum=checksum)
    put(file, content)
    assert state(file).startswith(f"corrupt: expected {checksum}, found {checksum.split(':')[0]}:")


def test_known_git_blob_id() -> None:
    """`printf 'hello\n' | git hash-object --stdin`."""
    file = data_file(checksum="blob:ce013625030ba8dba906f756967f9e9ca394464a")
    put(file, b"hello\n")
    assert state(file) == "at hand"


def test_md5_of_a_file_that_is_not_packed() -> None:
    file = DataFile("plain.txt", (), MD5)
    put(file, CONTENT)
    assert state(file) == "at hand"


def test_a_file_that_cannot_be_unpacked_says_so() -> None:
    file = data_file()
    put(file, CONTENT)
    assert state(file) == f"corrupt: expected {MD5}, found {MD5} as packed (it cannot be unpacked)"


def test_other_kinds_of_checksum_are_refused() -> None:
    with pytest.raises(ValueError, match=r"md5:, blob:, sha256:, got 'crc32:0'"):
        data_file(checksum="crc32:0")


def test_the_same_file_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    file = data_file()
    path = put(file, PACKED)
    assert state(file) == "at hand"
    with monkeypatch.context() as patch:
        patch.setattr(fetching, "_hash", lambda *_: pytest.fail("read again"))
        assert fetch(file) == path
    put(file, OTHER)
    assert state(file).startswith("corrupt")


def test_a_file_that_cannot_be_read_is_corrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    file = data_file(checksum=SHA256)
    put(file, PACKED)

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(fetching, "_hash", refuse)
    assert state(file) == f"corrupt: expected {SHA256}, found none:unreadable (Permission denied)"


# Downloads


@pytest.mark.parametrize("checksum", [MD5, BLOB, SHA256])
def test_a_missing_file_is_downloaded(server: Server, folder: Path, checksum: str) -> None:
    server.contents["/a"] = PACKED
    file = data_file(f"{server.address}/a", checksum=checksum)
    assert state(file) == "missing"
    assert fetch(file).read_bytes() == PACKED
    assert fetch(file).stat().st_mode & 0o777 == 0o644
    assert state(file) == "at hand"
    assert server.asked == ["/a"]
    assert names(folder) == ["tumours/counts.gz"]


@pytest.mark.parametrize("wrong", ["absent", "cut", "altered", "mute", "no server", "no address"])
def test_the_next_mirror_is_tried(
    server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    first = spoil(server, wrong, monkeypatch)
    server.contents["/good"] = PACKED
    path = fetch(data_file(first, f"{server.address}/good"))
    assert path.read_bytes() == PACKED
    assert server.asked[-1] == "/good"
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
def test_a_failed_download_leaves_nothing_and_says_why(
    server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch, wrong: str, reason: str
) -> None:
    address = spoil(server, wrong, monkeypatch)
    with pytest.raises(DataUnavailable) as caught:
        fetch(data_file(address))
    message = str(caught.value)
    parts = ["tumours/counts.gz", str(folder), address, MD5, reason, "DEEPMAPPER_DATA"]
    assert [part for part in parts if part not in message] == []
    assert names(folder) == []


def spoil(server: Server, wrong: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An address that does not send what it should."""
    server.contents |= {"/cut": PACKED, "/altered": OTHER, "/mute": PACKED}
    server.cut.add("/cut")
    server.mute.add("/mute")
    if wrong == "mute":
        monkeypatch.setattr(fetching, "TIMEOUT_SECONDS", 0.1)
    elsewhere = {"no server": "http://127.0.0.1:1/a", "no address": "counts.gz"}
    return elsewhere.get(wrong, f"{server.address}/{wrong}")


def test_a_corrupt_file_is_moved_aside_and_downloaded_again(server: Server, folder: Path) -> None:
    server.contents["/a"] = PACKED
    file = data_file(f"{server.address}/a")
    put(file, OTHER)
    with pytest.warns(UserWarning, match=rf"expected {MD5}, found md5:{OTHER_MD5}\): moved to"):
        assert fetch(file).read_bytes() == PACKED
    aside = f"tumours/counts.gz.corrupt-{OTHER_MD5[:8]}"
    assert names(folder) == ["tumours/counts.gz", aside]
    assert (folder / aside).read_bytes() == OTHER
    assert fetch(file).read_bytes() == PACKED
    assert server.asked == ["/a"]


def test_a_corrupt_file_stays_where_no_good_one_arrives(server: Server, folder: Path) -> None:
    server.contents["/a"] = OTHER
    file = data_file(f"{server.address}/a")
    put(file, CONTENT)
    with pytest.raises(DataUnavailable, match="was left where it is and not used"):
        fetch(file)
    assert names(folder) == ["tumours/counts.gz"]


def test_two_threads_download_the_same_file(server: Server, folder: Path) -> None:
    server.contents["/a"] = PACKED
    file = data_file(f"{server.address}/a")
    threads = [threading.Thread(target=fetch, args=(file,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert state(file) == "at hand"
    assert names(folder) == ["tumours/counts.gz"]


# Where nothing can be downloaded or written


@pytest.mark.parametrize("content", [None, OTHER])
def test_offline_nothing_is_asked_of_any_server(
    server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    monkeypatch.setenv("DEEPMAPPER_OFFLINE", "1")
    server.contents["/a"] = PACKED
    file = data_file(f"{server.address}/a")
    if content is not None:
        put(file, content)
    with pytest.raises(DataUnavailable) as caught:
        fetch(file)
    message = str(caught.value)
    parts = ["DEEPMAPPER_OFFLINE is set", f"{server.address}/a", str(location(file))]
    parts += ["is missing"] if content is None else [MD5, OTHER_MD5, "was left where it is"]
    assert [part for part in parts if part not in message] == []
    assert server.asked == []
    assert names(folder) == ([] if content is None else ["tumours/counts.gz"])


def test_offline_0_means_online(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPMAPPER_OFFLINE", "0")
    server.contents["/a"] = PACKED
    assert fetch(data_file(f"{server.address}/a")).is_file()


@pytest.mark.parametrize("content", [None, OTHER])
def test_a_read_only_folder(
    server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    file = data_file(f"{server.address}/a")
    put(file, content or b"")
    if content is None:
        location(file).unlink()
    make_read_only(location(file).parent, monkeypatch)
    done = "nothing was downloaded" if content is None else "the file could not be moved aside"
    with pytest.raises(DataUnavailable, match=rf"cannot be written \(.*\), so {done}\."):
        fetch(file)
    assert server.asked == []
    assert names(folder) == ([] if content is None else ["tumours/counts.gz"])


def test_a_verified_file_in_a_read_only_folder_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    file = data_file()
    path = put(file, PACKED)
    make_read_only(path.parent, monkeypatch)
    assert fetch(file) == path


def test_a_folder_that_is_a_file(server: Server, folder: Path) -> None:
    folder.write_text("not a folder")
    with pytest.raises(DataUnavailable, match="cannot be written"):
        fetch(data_file(f"{server.address}/a"))
    assert folder.read_text() == "not a folder"


def test_a_target_that_is_a_folder(server: Server, folder: Path) -> None:
    server.contents["/a"] = PACKED
    file = data_file(f"{server.address}/a")
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
