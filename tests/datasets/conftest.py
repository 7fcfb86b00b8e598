"""A local HTTP server for the tests of datasets."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest


class Server:
    """Serve the files of a folder, but half of those in `cut` and none in `mute`.

    Like some hosts, it declares gzip as the content encoding if the client accepts it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cut: set[str] = set()
        self.mute: set[str] = set()
        self.requests: list[str] = []
        self.closing = threading.Event()
        answer = self._answer
        handler = {"do_GET": lambda request: answer(request), "log_message": lambda *_: None}
        self.http = ThreadingHTTPServer(
            ("127.0.0.1", 0), type("Handler", (BaseHTTPRequestHandler,), handler)
        )
        self.address = f"http://127.0.0.1:{self.http.server_port}/"

    def put(self, name: str, content: bytes) -> str:
        """Store the content and return its address."""
        (self.folder / name).write_bytes(content)
        return self.address + name

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        name = request.path[1:]
        self.requests.append(name)
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
    """Serve tmp_path/mirror, with tmp_path/data as the data folder."""
    (tmp_path / "mirror").mkdir()
    monkeypatch.setenv("DEEPMAPPER_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("DEEPMAPPER_OFFLINE")
    server = Server(tmp_path / "mirror")
    # A shutdown takes as long as this interval, half a second by default.
    thread = threading.Thread(target=server.http.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.closing.set()
    server.http.shutdown()
    thread.join()
    server.http.server_close()
