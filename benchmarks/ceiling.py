"""A server that does nothing but answer: what the driver itself can reach.

What lives here: one canned answer, sent to whatever arrives. What must not: any work worth measuring.
Neighbour: `rounds` drives it first and prints the result, so that no figure can be the driver's own limit unnoticed.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import uvloop

from benchmarks import processes
from benchmarks.servers import CONNECTIONS, Target

_JWT = ".".join(("e" * 60, "e" * 400, "e" * 86))


def _answer(refresh_token: str) -> bytes:
    body = (
        f'{{"access_token":"{_JWT}","token_type":"Bearer","expires_in":3600,"scope":"openid offline_access api",'
        f'"refresh_token":"{refresh_token}","id_token":"{_JWT}"}}'
    )
    head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()


class Echo(asyncio.Protocol):
    _EVEN, _ODD = _answer("egr_" + "a" * 90), _answer("egr_" + "b" * 90)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._next, self._other = self._EVEN, self._ODD

    def data_received(self, _request: bytes) -> None:
        self._transport.write(self._next)
        self._next, self._other = self._other, self._next


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", port)
    await server.serve_forever()


@contextlib.contextmanager
def serving(workdir: Path, *, families: int = CONNECTIONS) -> Iterator[Target]:
    port = processes.free_port()
    command = [sys.executable, "-m", "benchmarks.ceiling", str(port)]
    log = workdir / "ceiling.log"
    with processes.running(command, log, cwd=Path(__file__).parents[1], env={}) as process:
        processes.wait_for_answer(process, f"http://127.0.0.1:{port}/", log)
        yield Target("ceiling", process.pid, port, "/token", f"127.0.0.1:{port}", log, ["first"] * families)


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
