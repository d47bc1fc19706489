"""What stands at a server's address, between it and everybody: notes what is spent, and loses replies on request.

Every request is handed on as it came. Whatever tokens a server gives are recorded, so that the run ends with a search
for them in everything the keeper has stored and printed.
"""

import http.client
import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, NamedTuple, Self
from urllib.parse import parse_qs

from tests.secrecy import record_secret, record_secrets_in

REFRESH: Final = "refresh_token"
HOST: Final = "127.0.0.1"
_OF_ONE_HOP: Final = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding"})


class Refresh(NamedTuple):
    """One refresh as the server answered it. *lost*: its answer went no further, or with status 0 itself."""

    spent: str
    status: int
    error: str
    successor: str
    lost: bool


class Witness:
    """Listens at `url`; *port* of the server behind it is told when it is known."""

    def __init__(self) -> None:
        self.port = 0
        self.refreshes: list[Refresh] = []
        self._to_lose = self._to_swallow = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer((HOST, 0), _Passing)
        self._server.witness = self  # type: ignore[attr-defined]
        self.url = f"http://{HOST}:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def lose(self, replies: int = 1) -> None:
        """The next replies to a refresh are lost after the server has given them."""
        with self._lock:
            self._to_lose += replies

    def swallow(self, requests: int = 1) -> None:
        """The next requests for a refresh are lost on their way, and never reach the server."""
        with self._lock:
            self._to_swallow += requests

    def spent_twice(self, since: int = 0) -> list[str]:
        """Refresh tokens that were sent more than once, by their first characters; *since* so many refreshes."""
        counted = Counter(one.spent for one in self.refreshes[since:])
        return [f"{token[:6]}…" for token, times in counted.items() if times > 1]

    def swallows(self, sent: bytes) -> bool:
        """Whether this request goes no further."""
        form = _form(sent)
        with self._lock:
            swallowed = form.get("grant_type") == REFRESH and self._to_swallow > 0
            self._to_swallow -= swallowed
            if swallowed:
                self.refreshes.append(Refresh(form.get("refresh_token", ""), 0, "", "", lost=True))
        return swallowed

    def saw(self, sent: bytes, status: int, body: bytes) -> bool:
        """Write down an exchange; whether its reply is to be lost."""
        form, said = _form(sent), _tokens(body)
        record_secrets_in(body)
        for member in ("access_token", "refresh_token"):
            if isinstance(said.get(member), str):
                record_secret(said[member])
        if form.get("grant_type") != REFRESH:
            return False
        with self._lock:
            lost = self._to_lose > 0
            self._to_lose -= lost
            spent, successor = form.get("refresh_token", ""), said.get("refresh_token", "")
            self.refreshes.append(Refresh(spent, status, said.get("error", ""), successor, lost))
        return lost


class _Passing(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._pass_on()

    def do_POST(self) -> None:
        self._pass_on()

    def _pass_on(self) -> None:
        witness: Witness = self.server.witness  # type: ignore[attr-defined]
        sent = self.rfile.read(int(self.headers.get("content-length") or 0))
        if witness.swallows(sent):
            self.close_connection = True
            return
        behind = http.client.HTTPConnection(HOST, witness.port, timeout=30)
        try:
            behind.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in _OF_ONE_HOP:
                    behind.putheader(name, value)
            behind.putheader("Content-Length", str(len(sent)))
            behind.putheader("Connection", "close")
            behind.endheaders(sent)
            answer = behind.getresponse()
            body = answer.read()
        finally:
            behind.close()
        if witness.saw(sent, answer.status, body):
            self.close_connection = True
            return
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _OF_ONE_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *said: Any) -> None:
        """Nothing: addresses hold codes."""


def _form(sent: bytes) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(sent.decode("utf-8", "replace")).items()}


def _tokens(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
