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
from evergrant.keys.local import FILE_NAME as KEY_NAME
from evergrant.store.postgres.store import PostgresStore
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
    """Whether it proves a key with every request (RFC 9449)."""


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


def form_of(place: Place, path: str, holder: Holder, nonce: str = "", **fields: str) -> tuple[bytes, dict[str, str]]:
    """A form and headers for an endpoint, authenticated and proved as the client is registered."""
    headers = {"content-type": "application/x-www-form-urlencoded"}
    if holder.prover:
        said = {"nonce": nonce} if nonce else {}
        headers["dpop"] = holder.prover.proof("POST", place.issuer + path, place.now, **said)
    if holder.secret:
        pair = f"{quote(holder.client_id)}:{quote(holder.secret)}".encode()
        headers["authorization"] = "Basic " + b64encode(pair).decode()
    else:
        fields["client_id"] = holder.client_id
    return urlencode(fields).encode(), headers


def post(place: Place, path: str, holder: Holder, patience: float = PATIENCE, **fields: str) -> Reply:
    """One request on a connection of its own; whatever came back of the answer.

    A server whose clock is another one than ours hands out a nonce instead; then once more, with that.
    """
    reply, nonce = _posted(place, path, form_of(place, path, holder, **fields), patience)
    if nonce and b'"use_dpop_nonce"' in reply.body:
        reply, _ = _posted(place, path, form_of(place, path, holder, nonce, **fields), patience)
    return reply


def _posted(place: Place, path: str, form: tuple[bytes, dict[str, str]], patience: float) -> tuple[Reply, str]:
    body, headers = form
    nonce = ""
    link = http.client.HTTPConnection("127.0.0.1", place.port, timeout=patience)
    try:
        link.request("POST", path, body, headers)
        answer = link.getresponse()
        nonce = answer.getheader("dpop-nonce", "")
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
    return reply, nonce


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
    browsers: int = 255
    """How many browsers sign in for each kind; with fewer than families, one signs in once for several."""


def furnish(folder: Path, wanted: Wanted, store: str = "") -> list[Holder]:
    """People, clients and families on a data directory, made by the real issuer in this process; *store* is a URL."""
    return asyncio.run(_furnish(folder, wanted, store))


async def _furnish(folder: Path, wanted: Wanted, store: str) -> list[Holder]:
    async with _issuer(folder, store) as issuer:
        people = [f"person{n}@example.com" for n in range(wanted.people)]
        for name in people:
            await issuer.person(name)
        holders = []
        for kind in wanted.kinds:
            client, secret = await issuer.client(kind.type, kind.name, preset=kind.preset, dpop_bound=kind.bound)
            browsers = [issuer.browser(network=f"192.0.2.{n + 1}") for n in range(wanted.browsers)]
            for n in range(wanted.each):
                browser = browsers[n % len(browsers)]
                person = people[n % len(browsers) % len(people)]
                prover = Prover() if kind.bound else None
                proof = {"dpop": prover.proof("POST", f"{ISSUER}/token", issuer.clock.now())} if prover else None
                reply = await issuer.redeem(client, secret, await issuer.code(browser, client, person), proof)
                holders.append(Holder(kind, client.id, secret, reply.json()["refresh_token"], person, prover))
            _keep(secret)
    return holders


def codes(folder: Path, holder: Holder, count: int, store: str = "") -> list[str]:
    """Authorization codes for a client that is registered, each by a sign-in of its own; no server may run."""

    async def made() -> list[str]:
        async with _issuer(folder, store) as issuer:
            (client,) = [each for each in await issuer.house.clients.every() if each.id == holder.client_id]
            return [await issuer.code(issuer.browser(), client, holder.person) for _ in range(count)]

    found = asyncio.run(made())
    for code in found:
        _keep(code)
    return found


def _issuer(folder: Path, url: str) -> Any:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    open_kek(Config().replace(store__data=folder), SystemEntropy())
    store = PostgresStore.open(url) if url else SqliteStore.open(folder / FILE_NAME)
    config = Config().replace(keys__key_encryption_key_file=folder / KEY_NAME)
    return running(folder, store, config, FixedClock(int(time.time())))


def _keep(secret: str) -> None:
    if REGISTRY in os.environ and secret:
        record_secret(secret)


def redeem(place: Place, holder: Holder, code: str) -> Reply:
    """Exchange an authorization code."""
    return post(place, "/token", holder, grant_type="authorization_code", code=code, code_verifier=pkce()[0])
