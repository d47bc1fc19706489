"""Somebody presents refresh tokens of ended families, so many a second, beside the load that is measured.

What lives here: sending and counting. What must not: a figure of the load itself. Neighbour: `load` runs it.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence


async def replay(port: int, path: str, host: str, bodies: Sequence[bytes], per_second: float) -> Counter[str]:
    """Present *bodies* in turn on one connection until cancelled; the statuses that came back."""
    seen: Counter[str] = Counter()
    if not bodies or per_second <= 0:
        return seen
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    start, sent = time.perf_counter(), 0
    try:
        while True:
            await asyncio.sleep(max(0.0, start + sent / per_second - time.perf_counter()))
            body = bodies[sent % len(bodies)]
            writer.write(
                f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                f"Content-Length: {len(body)}\r\n\r\n".encode()
                + body
            )
            sent += 1
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(length)
            seen[head[9:12].decode()] += 1
    except asyncio.CancelledError:
        return seen
    finally:
        writer.close()
