"""Run as a process of its own: ends a user's or a client's families through the product, and says how long it took.

No request of the wire asks for this; operators do, at the command line, whose start would be most of the time. So the
service behind that command is called, on connections that are open already. Reads one line of JSON per end, answers
with one line each.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

from evergrant.assembly import opened
from evergrant.config import load
from evergrant.serving import steady


async def serve() -> None:
    async with opened(load()) as house:
        await asyncio.gather(*(house.store.write(lambda tx: tx.clients.find(1)) for _ in range(4)))  # opens connections
        steady()
        print(json.dumps({"ready": True}), flush=True)
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            asked = json.loads(line)
            start = time.perf_counter()
            if "user" in asked:
                _, _, ended = await house.accounts.disable(asked["user"])
            else:
                _, ended = await house.clients.delete(asked["client"])
            print(json.dumps({"ended": ended, "ms": (time.perf_counter() - start) * 1e3}), flush=True)


if __name__ == "__main__":
    asyncio.run(serve())
