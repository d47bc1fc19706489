"""`python -m tests.faults.keeper.lessee`: a process that leases tokens over and over and writes down what it was given.

What it does is told as JSON on its command line. With `kill_at` it kills itself at that point of a refresh.
"""

import asyncio
import json
import os
import signal
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from evergrant.domain.secret import Secret
from evergrant.keeper.errors import KeeperError
from evergrant.keeper.keeper import Keeper
from evergrant.keeper.provider.catalog import Catalog
from evergrant.keeper.provider.model import Provider, Retry, ReuseEffect, Rotates
from evergrant.keeper.service import points
from evergrant.keeper.settings import Client, Settings
from evergrant.testing.chaos import PLAIN
from evergrant.testing.chaos.addresses import moved

FACTS: dict[str, Provider] = {
    "strict": PLAIN,
    "destructive": replace(PLAIN, reuse_effect=ReuseEffect.CLIENT_USER_REVOKED),
    "window": replace(PLAIN, retry=Retry.WINDOW, grace=600),
    "until_used": replace(PLAIN, retry=Retry.UNTIL_SUCCESSOR_USED, grace=86_400),
    "safe": replace(PLAIN, retry=Retry.SAFE, rotates=Rotates.NEVER, reuse_effect=ReuseEffect.REJECTED),
}
SETTINGS = Settings(
    claim_seconds=4.0, request_seconds=2.0, connect_seconds=1.0, commit_seconds=1.0, wait_seconds=6.0,
    failure_seconds=0.2, backoff_least=1, backoff_most=2, recheck_seconds=0.1, per_second=500.0, breaker_after=1_000,
    background_seconds=1, unusual_rate=1_000_000,
)  # fmt: skip


# A provider that is slow because the machine is must not look like one that has lost an answer.
PATIENT = replace(
    SETTINGS, claim_seconds=20.0, request_seconds=12.0, connect_seconds=6.0, commit_seconds=6.0, wait_seconds=30.0
)


def keeper_of(told: dict[str, Any]) -> Keeper:
    """A keeper as *told*: vault, facts, origin, client_id, secret, and the file of the key where it is not beside."""
    catalog = Catalog()
    catalog.add(replace(moved(FACTS[told["facts"]], told["origin"]), id="here"))
    client = Client("here", told["client_id"], Secret(told["secret"]))
    key = Path(told["key"]) if told.get("key") else None
    return Keeper.open(
        told["vault"], key=key, clients=[client], catalog=catalog, settings=PATIENT if told.get("patient") else SETTINGS
    )


def fingerprint(token: str) -> str:
    """What a token is called in what is written down."""
    return sha256(token.encode()).hexdigest()[:16]


def say(**what: Any) -> None:
    print(json.dumps(what), flush=True)


async def live(keeper: Keeper, account: str, stop: asyncio.Event) -> None:
    """Lease one account's token until told to stop."""
    while not stop.is_set():
        try:
            lease = await keeper.lease("here", account)
            say(account=account, version=lease.version, token=fingerprint(lease.token.reveal()))
        except KeeperError as error:
            say(account=account, error=type(error).__name__, reason=getattr(error, "reason", ""))
        await asyncio.sleep(0.02)


async def main(told: dict[str, Any]) -> None:
    if told.get("kill_at"):
        place = points.Point(told["kill_at"])

        def die(point: points.Point) -> None:
            if point is place:
                os.kill(os.getpid(), signal.SIGKILL)

        points.listener = die
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with keeper_of(told) as keeper:
        background = asyncio.create_task(keeper.run()) if told.get("background") else None
        say(ready=True)
        await asyncio.gather(*(live(keeper, account, stop) for account in told["accounts"]))
        if background is not None:
            background.cancel()


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
