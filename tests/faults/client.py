"""Honest clients for crash tests: they say what came back, however little, and never lose what they hold.

What lives here: registering clients and beginning families on a data directory no server runs on yet, and one request
at a time over a real socket. What must not: load (`storm`), judgement (`judging`).
"""

import asyncio
import http.client
import json
import os
import time
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode

from evergrant.assembly import open_kek
from evergrant.clock import FixedClock
from evergrant.config import Config
from evergrant.domain import base64url
from evergrant.domain.client import ClientType
from evergrant.domain.policy import Preset
from evergrant.entropy import SystemEntropy
from evergrant.store.sqlite import FILE_NAME, SqliteStore
from evergrant.testing.in_process import ISSUER, pkce, running
from tests.faults.place import Place
from tests.proving import Prover
from tests.secrecy import REGISTRY, record_secret, record_secrets_in

PATIENCE: Final = 30


class Kind(NamedTuple):
    """A way in which clients refresh."""

    name: str
    type: ClientType
    preset: Preset
    rotates: bool = True
    overlap: float = 60.0
    bound: bool = False


PUBLIC: Final = Kind("public", ClientType.SPA, Preset.PUBLIC)
CONFIDENTIAL: Final = Kind("confidential", ClientType.WEB, Preset.CONFIDENTIAL, overlap=86_400.0)
REUSABLE: Final = Kind("reusable", ClientType.WEB, Preset.FAPI2, rotates=False, bound=True)
KINDS: Final = (PUBLIC, CONFIDENTIAL, REUSABLE)


@dataclass
class Holder:
    """One client's family: its credentials and the token it holds."""

    kind: Kind
    client_id: str
    secret: str
    token: str
    person: str
    prover: Prover | None = None

    @property
    def family(self) -> bytes:
        return family_of(self.token)


class Reply(NamedTuple):
    """What came back: status 0 when nothing did, and only part of a body when it was cut off."""

    status: int
    body: bytes = b""
    retry_after: str = ""
    cut: bool = False

    @property
    def token(self) -> str:
        return str(json.loads(self.body)["refresh_token"])

    @property
    def error(self) -> str:
        return str(json.loads(self.body)["error"])


def taken_apart(token: str) -> tuple[bytes, int, bytes]:
    """Family id, generation and secret of a refresh token, its MAC unchecked."""
    raw = base64url.decode(token.removeprefix("egr_"))
    return raw[1:17], int.from_bytes(raw[17:21], "big"), raw[21:53]


def family_of(token: str) -> bytes:
    return taken_apart(token)[0]


def generation_of(token: str) -> int:
    return taken_apart(token)[1]


def remember(answer: str | bytes) -> None:
    """Let the run's secret grep know what the server gave away; outside of a test run there is none."""
    if REGISTRY in os.environ:
        record_secrets_in(answer)


def form_of(holder: Holder, url: str, clock: Path, **fields: str) -> tuple[bytes, dict[str, str]]:
    """A form and headers, authenticated as the client is registered, with a proof of its key if it has one.

    *clock*: the file by which the servers' time is moved, in seconds.
    """
    headers = {"content-type": "application/x-www-form-urlencoded"}
    if holder.prover is not None:
        now = int(time.time()) + int(clock.read_text(encoding="ascii") if clock.exists() else 0)
        headers["dpop"] = holder.prover.proof("POST", url, now)
    if holder.secret:
        pair = f"{quote(holder.client_id)}:{quote(holder.secret)}".encode()
        headers["authorization"] = "Basic " + b64encode(pair).decode()
    else:
        fields["client_id"] = holder.client_id
    return urlencode(fields).encode(), headers


def post(place: Place, path: str, holder: Holder, patience: float = PATIENCE, **fields: str) -> Reply:
    """One request on a connection of its own; whatever came back of the answer."""
    body, headers = form_of(holder, f"http://127.0.0.1:{place.port}{path}", place.folder / "clock", **fields)
    link = http.client.HTTPConnection("127.0.0.1", place.port, timeout=patience)
    try:
        link.request("POST", path, body, headers)
        answer = link.getresponse()
        reply = Reply(answer.status, b"", answer.getheader("retry-after", ""))
        try:
            reply = reply._replace(body=answer.read())
        except http.client.IncompleteRead as error:
            reply = reply._replace(body=error.partial, cut=True)
        except ConnectionError:
            reply = reply._replace(cut=True)
    except (ConnectionError, http.client.HTTPException):
        reply = Reply(0)
    finally:
        link.close()
    remember(reply.body)
    return reply


def refresh(place: Place, holder: Holder, token: str = "", patience: float = PATIENCE) -> Reply:
    """Present a refresh token."""
    return post(place, "/token", holder, patience, grant_type="refresh_token", refresh_token=token or holder.token)


def get(place: Place, path: str, patience: float = PATIENCE) -> Reply:
    link = http.client.HTTPConnection("127.0.0.1", place.port, timeout=patience)
    try:
        link.request("GET", path)
        answer = link.getresponse()
        return Reply(answer.status, answer.read())
    except (ConnectionError, http.client.HTTPException):
        return Reply(0)
    finally:
        link.close()


# ---- before there is a server


class Wanted(NamedTuple):
    """How many families of which kind, spread over how many people."""

    kinds: tuple[Kind, ...]
    each: int = 1
    people: int = 1


def furnish(folder: Path, wanted: Wanted) -> list[Holder]:
    """People, clients and families on a data directory, made by the real issuer in this process."""
    return asyncio.run(_furnish(folder, wanted))


async def _furnish(folder: Path, wanted: Wanted) -> list[Holder]:
    async with _issuer(folder) as issuer:
        people = [f"person{n}@example.com" for n in range(wanted.people)]
        for name in people:
            await issuer.person(name)
        holders = []
        for kind in wanted.kinds:
            client, secret = await issuer.client(kind.type, kind.name, preset=kind.preset, dpop_bound=kind.bound)
            for n in range(wanted.each):
                person = people[n % len(people)]
                browser = issuer.browser(network=f"192.0.2.{n + 1}")
                prover = Prover() if kind.bound else None
                proof = {} if prover is None else {"dpop": prover.proof("POST", f"{ISSUER}/token", issuer.clock.now())}
                reply = await issuer.redeem(client, secret, await issuer.code(browser, client, person), proof)
                holders.append(Holder(kind, client.id, secret, reply.json()["refresh_token"], person, prover))
            _keep(secret)
    return holders


def codes(folder: Path, holder: Holder, count: int) -> list[str]:
    """Authorization codes for a client that is registered, each by a sign-in of its own; no server may run."""

    async def made() -> list[str]:
        async with _issuer(folder) as issuer:
            (client,) = [each for each in await issuer.house.clients.every() if each.id == holder.client_id]
            return [await issuer.code(issuer.browser(), client, holder.person) for _ in range(count)]

    found = asyncio.run(made())
    for code in found:
        _keep(code)
    return found


def _issuer(folder: Path) -> Any:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    open_kek(Config().replace(store__data=folder), SystemEntropy())
    store = SqliteStore.open(folder / FILE_NAME)
    return running(folder, store, clock=FixedClock(int(time.time())))


def _keep(secret: str) -> None:
    if REGISTRY in os.environ and secret:
        record_secret(secret)


def redeem(place: Place, holder: Holder, code: str) -> Reply:
    """Exchange an authorization code."""
    return post(place, "/token", holder, grant_type="authorization_code", code=code, code_verifier=pkce()[0])
