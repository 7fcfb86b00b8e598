"""A server of our own for the tests of datasets."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest


class Server:
    """Serve the files of a folder; send half of those in `cut`, never answer those in `mute`.

    Like some hosts, it calls .gz an encoding to clients that accept one, and they unpack it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cut: set[str] = set()
        self.mute: set[str] = set()
        self.asked: list[str] = []
        self.closing = threading.Event()
        answer = self._answer
        handler = {"do_GET": lambda request: answer(request), "log_message": lambda *_: None}
        self.http = ThreadingHTTPServer(
            ("127.0.0.1", 0), type("Handler", (BaseHTTPRequestHandler,), handler)
        )
        self.address = f"http://127.0.0.1:{self.http.server_port}/"

    def put(self, name: str, content: bytes) -> str:
        """The address of the content."""
        (self.folder / name).write_bytes(content)
        return self.address + name

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        name = request.path[1:]
        self.asked.append(name)
        if name in self.mute:
            self.closing.wait(10)
        if not (self.folder / name).is_file():
            request.send_error(404)
            return
        content = (self.folder / name).read_bytes()
        request.send_response(200)
        request.send_header("Content-Length", str(len(content)))
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            request.send_header("Content-Encoding", "gzip")
        request.end_headers()
        request.wfile.write(content[: len(content) // 2] if name in self.cut else content)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server of tmp_path/mirror, an empty data folder tmp_path/data, and downloads allowed."""
    (tmp_path / "mirror").mkdir()
    monkeypatch.setenv("DEEPMAPPER_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("DEEPMAPPER_OFFLINE")
    server = Server(tmp_path / "mirror")
    # The default of half a second is how long each shutdown takes.
    thread = threading.Thread(target=server.http.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.closing.set()
    server.http.shutdown()
    thread.join()
    server.http.server_close()
