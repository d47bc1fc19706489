"""`python -m tests.interop.keeper.worker`: a process with a keeper of its own on a vault that others use, too.

It is told what to be as JSON on its command line, and what to do by lines on its standard input: `lease N` leases N
times at once. It answers each with a line of JSON, in which a token is named by its fingerprint.
"""

import asyncio
import json
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

from evergrant.clock import Clock, FileClock
from evergrant.domain.secret import Secret
from evergrant.keeper.errors import KeeperError
from evergrant.keeper.keeper import Keeper
from evergrant.keeper.provider.catalog import Catalog
from evergrant.keeper.provider.discovery import discover
from evergrant.keeper.service.lease import Lease
from evergrant.keeper.settings import Client, Settings
from evergrant.keeper.wire.fetch import Fetcher, Reach

THERE = "there"


async def keeper_of(told: dict[str, Any], clock: Clock | None = None) -> Keeper:
    """A keeper whose provider is known by the address of its issuer alone."""
    return Keeper.open(told["vault"], **await opening(told, clock))


async def opening(told: dict[str, Any], clock: Clock | None = None) -> dict[str, Any]:
    """What such a keeper is opened with."""
    catalog = Catalog()
    catalog.add(await discover(told["issuer"], Fetcher(Reach(loopback=True)), provider_id=THERE))
    client = Client(
        THERE, told["client_id"], Secret(told["secret"]) if told["secret"] else None, told["redirect_uri"],
        told["overrides"], tuple(told["scopes"]), private_key=Secret(told["key"]) if told["key"] else None,
    )  # fmt: skip
    settings = Settings(reconnect_page="https://app.example/reconnect", failure_seconds=0.0, recheck_seconds=0.0)
    clock = clock or FileClock(Path(told["clock"]))
    return {"clients": [client], "catalog": catalog, "settings": settings, "clock": clock}


def fingerprint(token: str) -> str:
    """What a token is called in what is written down."""
    return sha256(token.encode()).hexdigest()[:16]


async def leased(keeper: Keeper, account: str, times: int) -> list[dict[str, Any]]:
    async def once() -> dict[str, Any]:
        try:
            lease: Lease = await keeper.lease(THERE, account)
        except KeeperError as error:
            return {"error": f"{type(error).__name__}: {error}"}
        return {"version": lease.version, "token": fingerprint(lease.token.reveal())}

    return await asyncio.gather(*(once() for _ in range(times)))


async def main(told: dict[str, Any]) -> None:
    async with await keeper_of(told) as keeper:
        print(json.dumps({"ready": True}), flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(await leased(keeper, told["account"], int(line.split()[1]))), flush=True)


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
