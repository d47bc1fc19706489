"""A receiver of logout tokens and security events on loopback: it keeps what it was sent and answers as it is told.

What lives here: HTTP, and checking a token as somebody else's library does. What must not: assertions of one row.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import jwt


@dataclass
class Receiver:
    """*answers* are the statuses of the next answers, then 200; *slow* seconds pass before each."""

    address: str
    answers: list[int] = field(default_factory=list)
    slow: float = 0.0
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def tokens(self) -> list[str]:
        """What was sent, as tokens."""
        found = []
        for headers, body in self.got:
            form = headers["content-type"] == "application/x-www-form-urlencoded"
            found.append(parse_qs(body.decode())["logout_token"][0] if form else body.decode())
        return found


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver for as long as the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            receiver.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            if receiver.slow:
                receiver.released.wait(receiver.slow)
            self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver = Receiver(f"http://127.0.0.1:{server.server_port}/hook")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


def checked(token: str, keys: dict[str, Any], audience: str, issuer: str, typ: str) -> dict[str, Any]:
    """The claims, as PyJWT finds them under the issuer's published keys; times are the caller's to judge."""
    header = jwt.get_unverified_header(token)
    assert header["typ"] == typ
    key = next(jwt.PyJWK(one) for one in keys["keys"] if one["kid"] == header["kid"])
    options = {"verify_exp": False, "verify_iat": False, "require": ["iss", "aud", "iat", "jti"]}
    return jwt.decode(token, key, [header["alg"]], audience=audience, issuer=issuer, options=options)


def body_of(members: dict[str, Any]) -> bytes:
    """JSON."""
    return json.dumps(members).encode()
