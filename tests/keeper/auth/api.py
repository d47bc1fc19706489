"""An API on loopback that judges tokens, in a thread of its own, and what was sent to it."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Heard:
    """One request as it arrived."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Api:
    """Answers 200 to a token in *good*, 401 to every other; a path in *answers* is answered as it says."""

    good: set[str] = field(default_factory=set)
    answers: dict[str, tuple[int, dict[str, str]]] = field(default_factory=dict)
    heard: list[Heard] = field(default_factory=list)
    url: str = ""
    header: str = "Authorization"
    prefix: str = "Bearer "

    def tokens(self) -> list[str]:
        return [one.headers.get(self.header, "") for one in self.heard]

    def judge(self, heard: Heard) -> tuple[int, dict[str, str]]:
        if heard.path in self.answers:
            return self.answers[heard.path]
        if heard.headers.get(self.header, "").removeprefix(self.prefix) in self.good:
            return 200, {}
        return 401, {"WWW-Authenticate": 'Bearer realm="api", error="invalid_token"'}


@contextmanager
def served(api: Api) -> Iterator[Api]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            if self.headers.get("Transfer-Encoding") == "chunked":
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
            else:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            heard = Heard(self.path, dict(self.headers.items()), body)
            api.heard.append(heard)
            status, headers = api.judge(heard)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": "2"}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"{}")

        do_GET = do_POST = _answer  # noqa: N815 - names of the standard library

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    api.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
