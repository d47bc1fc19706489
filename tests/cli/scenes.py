"""What has happened before a transcript begins, played by the real issuer on the database of the data directory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from evergrant.assembly import open_kek
from evergrant.clock import FixedClock
from evergrant.config import Config
from evergrant.domain.client import ClientType
from evergrant.entropy import SystemEntropy
from evergrant.protocol.basic import write_basic
from evergrant.store.sqlite import FILE_NAME, SqliteStore
from evergrant.testing.in_process import Browser, Issuer, running

HOUR: Final = 3_600
THIEF: Final = "198.51.100.66"


async def _people(issuer: Issuer) -> None:
    """Ada, and an application she can sign in to."""
    await issuer.person()
    await issuer.client()


async def _alive(issuer: Issuer) -> None:
    """A family that was refreshed ten times, a minute apart."""
    await issuer.person()
    client, secret = await issuer.client()
    token = (await issuer.signed_in(client))["refresh_token"]
    for _ in range(10):
        issuer.clock.advance(60)
        token = (await issuer.refresh(client, secret, token)).json()["refresh_token"]


async def _stolen(issuer: Issuer) -> None:
    """A family whose first token a thief presented an hour after its owner had spent it."""
    await issuer.person()
    client, secret = await issuer.client()
    first = (await issuer.signed_in(client))["refresh_token"]
    issuer.clock.advance(60)
    second = (await issuer.refresh(client, secret, first)).json()["refresh_token"]
    issuer.clock.advance(2)
    await issuer.refresh(client, secret, first)
    issuer.clock.advance(60)
    await issuer.refresh(client, secret, second)
    issuer.clock.advance(HOUR)
    await issuer.refresh(client, secret, first, Browser(issuer.app, network=THIEF, agent="curl/8"))


async def _confidential(issuer: Issuer) -> None:
    """A web application with a secret, and one family of Ada's with it."""
    await issuer.person()
    client, secret = await issuer.client(ClientType.WEB, "Web")
    await issuer.signed_in(client, secret)


async def _receiver(issuer: Issuer) -> None:
    """A service that has set up a stream of security events to be polled."""
    client, secret = await issuer.client(ClientType.SERVICE, "Siem", scopes=())
    body = b'{"description":"Security desk"}'
    headers = {"authorization": write_basic(client.id, secret), "content-length": str(len(body))}
    await issuer.browser().send("POST", "/events/stream", body, headers)


SCENES: Final[dict[str, Callable[[Issuer], Awaitable[None]]]] = {
    "a person and an application": _people,
    "a family that lives": _alive,
    "a family that was stolen": _stolen,
    "a web application with a family": _confidential,
    "a receiver of security events": _receiver,
}


def play(scene: str, folder: Path) -> None:
    """Play a scene that began three hours ago."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    open_kek(Config().replace(store__data=folder), SystemEntropy())
    asyncio.run(_play(scene, folder))


async def _play(scene: str, folder: Path) -> None:
    store = SqliteStore.open(folder / FILE_NAME)
    async with running(folder, store, clock=FixedClock(int(time.time()) - 3 * HOUR)) as issuer:
        await SCENES[scene](issuer)
