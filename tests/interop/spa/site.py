"""Serves the application from an origin of its own: its files, its settings, and oidc-client-ts as it was installed."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

from tests import tools

HERE: Final = Path(__file__).parent
LIBRARY: Final = "oidc-client-ts/dist/browser/oidc-client-ts.min.js"
TYPES: Final = {".html": "text/html; charset=utf-8", ".mjs": "text/javascript", ".js": "text/javascript"}


class Site:
    """The application at `origin`; *settings* are what its authors would have written into it."""

    def __init__(self) -> None:
        self.settings: dict[str, Any] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.origin = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, path: str) -> tuple[str, bytes]:
        if path == "/settings.json":
            return "application/json", json.dumps(self.settings).encode()
        if path == "/oidc-client-ts.js":
            return TYPES[".js"], (tools.NODE_PACKAGES / LIBRARY).read_bytes()
        file = HERE / "app.mjs" if path == "/app.mjs" else HERE / "index.html"
        return TYPES[file.suffix], file.read_bytes()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                kind, body = site._answer(urlsplit(self.path).path)
                self.send_response(200)
                self.send_header("content-type", kind)
                self.send_header("cache-control", "no-store")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler
