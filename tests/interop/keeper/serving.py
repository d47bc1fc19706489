"""For servers in Python that nobody here wrote: what they are told, their clock, and a plain WSGI server to run them.

The clock is for the process as a whole: `time.time` is the machine's plus the seconds in a file, read each time.
"""

import json
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any, NamedTuple
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server


class Told(NamedTuple):
    """What a server is to be."""

    issuer: str
    clock: str
    folder: str
    client_id: str
    client_secret: str
    redirect_uri: str
    name: str
    password: str


def told() -> Told:
    """The line on standard input; from here on time is simulated."""
    found = Told(**json.loads(sys.stdin.readline()))
    machine, clock = time.time, Path(found.clock)
    time.time = lambda: machine() + int(clock.read_text(encoding="ascii"))
    return found


def serve(application: Callable[[dict[str, Any], Any], Iterable[bytes]]) -> None:
    """Serve on a free port of loopback, one thread per request, and say which."""
    server = make_server("127.0.0.1", 0, application, _Threads, _Quiet)
    print(json.dumps({"port": server.server_port}), flush=True)
    server.serve_forever()


class _Threads(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *said: Any) -> None:
        """Nothing: addresses hold codes."""
