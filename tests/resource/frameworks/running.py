"""The example applications, each in a process of its own on loopback, and one request at them."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from evergrant.testing.token_issuer import TokenIssuer

FOLDER: Final = Path(__file__).parents[3] / "examples" / "resource"
PATIENCE: Final = 60
ASGI: Final = ("fastapi", "starlette", "litestar", "mcp")
WSGI: Final = ("flask", "django", "rest_framework")

_ASGI: Final = """
import socket, sys, uvicorn
from {module} import app
sock = socket.socket()
sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
sock.bind(("127.0.0.1", {port}))
sock.listen(64)
print("listening on", sock.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(app, log_config=None)).run(sockets=[sock])
"""
_WSGI: Final = """
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIServer, WSGIRequestHandler, make_server
from {module} import app
class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
class Handler(WSGIRequestHandler):
    def log_message(self, *_): pass
server = make_server("127.0.0.1", 0, app, Server, Handler)
print("listening on", server.server_port, flush=True)
server.serve_forever()
"""


@contextmanager
def example(name: str, issuer: TokenIssuer, port: int = 0) -> Iterator[str]:
    """The address of the example of one framework, for as long as the block runs."""
    code = (_ASGI if name in ASGI else _WSGI).format(module=f"{name}_app", port=port)
    command = [sys.executable, f"{name}_app.py", "127.0.0.1:0"] if name == "grpc" else [sys.executable, "-c", code]
    environment = {
        **os.environ, "ISSUER": issuer.url, "AUDIENCE": issuer.audience, "CLIENT_ID": issuer.credentials.client_id,
        "CLIENT_SECRET": issuer.credentials.client_secret, "PYTHONPATH": str(FOLDER), "PYTHONWARNINGS": "default",
    }  # fmt: skip
    process = subprocess.Popen(
        command, cwd=FOLDER, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    said: list[str] = []
    draining = threading.Thread(target=lambda: said.extend(process.stderr or ()), daemon=True)
    draining.start()
    try:
        line = process.stdout.readline() if process.stdout else ""
        found = re.search(r"listening on (\d+)", line)
        if found is None:
            process.kill()
            draining.join(PATIENCE)
            raise AssertionError(f"{name} did not start: {''.join(said)}")
        yield f"127.0.0.1:{found[1]}"
    finally:
        process.terminate()
        process.wait(PATIENCE)
        draining.join(PATIENCE)
        if process.stdout:
            process.stdout.close()
        if process.stderr:
            process.stderr.close()


def challenge_of(answer: Any) -> str:
    """The challenges of an answer, several joined as HTTP joins them."""
    return str(answer.headers.get("WWW-Authenticate", ""))
