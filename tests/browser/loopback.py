"""Small sites on loopback for a real browser: one serves our pages with their headers, others play clients."""

import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl

from evergrant.issuer.pages.csp import headers_for
from evergrant.issuer.pages.view import Page, Pages
from evergrant.web.look.assets import static_file
from evergrant.web.look.csp import form_targets_of, static_headers


class Site:
    """Serves *shown* at /<name>; sends who comes to a path of *onward* on from there; remembers forms in `posted`.

    *targets*: what `form-action` of the pages admits besides the site itself.
    """

    def __init__(
        self,
        shown: Mapping[str, Page] | None = None,
        onward: Mapping[str, str] | None = None,
        targets: tuple[str, ...] = form_targets_of("http://127.0.0.1/callback"),
    ) -> None:
        self.shown = dict(shown or {})
        self.onward = dict(onward or {})
        self.targets = targets
        self.posted: list[list[tuple[str, str]]] = []
        self._drawn = Pages("Evergrant", "https://support.example.com/")
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

    def answer(self, path: str) -> tuple[int, tuple[tuple[bytes, bytes], ...], str, bytes]:
        """Status, headers, content type and body for *path*."""
        name = path.partition("?")[0].removeprefix("/")
        asset = static_file(name.removeprefix("static/"))
        if asset is not None:
            return 200, static_headers(asset.etag), asset.content_type, asset.body
        if name in self.onward:
            return 303, ((b"location", self.onward[name].encode()),), "text/plain", b""
        if name in self.shown:
            page = self.shown[name]
            headers = headers_for(page, self.targets)
            return 200, headers, "text/html; charset=utf-8", self._drawn.render(page).encode()
        return 200, (), "text/plain", b"arrived"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, headers, kind, body = site.answer(self.path)
                self.send_response(status)
                for key, value in headers:
                    self.send_header(key.decode(), value.decode())
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                site.posted.append(parse_qsl(body, keep_blank_values=True))
                self.do_GET()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler
