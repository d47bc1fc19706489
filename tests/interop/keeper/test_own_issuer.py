"""The keeper at this project's own issuer, `evergrant serve` in a process of its own, by its address alone.

Each kind of client with its preset. Hours pass by the one file that the server's process and the keepers read.
"""

import asyncio
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx2
import pytest
import requests

from evergrant.clock import FileClock
from evergrant.keeper.connection import Health, Reason
from evergrant.keeper.errors import BadRequest, NeedsReauth
from evergrant.keeper.service.lease import Lease
from evergrant.keeper.sync import Keeper as SyncKeeper
from tests.interop.keeper.foreign import CALLBACK, Foreign
from tests.interop.keeper.story import ACCOUNT, HOURS, STEP, RotatingServer, connected, opened, reconnected, told
from tests.interop.keeper.witness import Witness
from tests.interop.keeper.worker import THERE, opening
from tests.interop.person import Person
from tests.interop.server import SETTINGS, Registered, Server, forked

pytestmark = pytest.mark.xdist_group("interop-keeper-issuer")

LOOPBACK: Final = "http://127.0.0.1/callback"
SCOPES: Final = ("openid", "offline_access")


@dataclass
class Own(Foreign):
    """The issuer as one client of it meets it, and one person who uses that client."""

    person: Person | None = field(default=None, repr=False)

    def goes(self, url: str) -> str:
        return self.person.goes(url)

    def active(self, token: str) -> bool:
        return self.answers(token) == 200  # a public client may not introspect

    def withdraw(self) -> None:
        """The user withdraws their consent on the account page."""
        browser = self.person.session
        page = browser.get(f"{self.issuer}/account", timeout=30).text
        form = re.search(r'<form\b[^>]*action="/account/grant/withdraw".*?</form>', page, re.DOTALL)
        tags = [dict(re.findall(r'([\w-]+)="([^"]*)"', tag)) for tag in re.findall(r"<input\b[^>]*>", form[0])]
        fields = {one["name"]: unescape(one["value"]) for one in tags}
        done = browser.post(f"{self.issuer}/account/grant/withdraw", data=fields, timeout=30)
        assert done.url.endswith("/account?done=grant"), done.url


Known = Callable[..., Own]


def proved(server: Own, lease: Lease) -> int:
    """The status of the userinfo endpoint for a lease that proves its key, with a nonce once it was asked for one."""
    url = f"{server.issuer}/userinfo"
    answer = requests.get(url, headers=lease.headers("GET", url), timeout=30)
    if lease.heard(url, {name.lower(): value for name, value in answer.headers.items()}):
        answer = requests.get(url, headers=lease.headers("GET", url), timeout=30)
    return answer.status_code


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Known]:
    """Registers a client and a person at the one server there is."""
    with Witness() as witness:
        folder = tmp_path_factory.mktemp("issuer")
        with Server(folder, f'[server]\nissuer = "{witness.url}"\n[tokens]\ndpop_nonce = true\n{SETTINGS}') as server:
            witness.port = urlsplit(server.listening).port

            def register(kind: str, preset: str, redirect_uri: str = CALLBACK, *more: str) -> Own:
                scopes = [word for scope in SCOPES for word in ("--scope", scope)]
                name = f"{kind} {preset} {urlsplit(redirect_uri).hostname}"
                options = (*scopes, "--preset", preset, "--access-lifetime", "1h", *more)
                client: Registered = server.add_client(name, kind, *options, redirect_uri=redirect_uri)
                user = f"{kind}.{preset}.{client.id.lower()[-6:]}@example.com"
                server.add_person(user)
                person = Person(witness.url, user)
                return Own(
                    witness.url, witness, server.clock_file, client_id=client.id, client_secret=client.secret,
                    redirect_uri=redirect_uri, person=person,
                )  # fmt: skip

            yield register
            assert forked(server.events()) == []


@pytest.fixture(scope="module", params=[("spa", "public"), ("spa", "mcp"), ("web", "confidential")], ids="-".join)
def server(known: Known, request: pytest.FixtureRequest) -> Own:
    return known(*request.param)


class TestOwnIssuer(RotatingServer):
    """The story that is the same everywhere, for each preset that rotates, and what is this server's own."""

    async def test_a_lost_reply_is_repeated_and_gets_the_same_successor(self, server: Own, tmp_path: Path) -> None:
        async with await opened(server, tmp_path / "keeper.db") as keeper:
            await connected(keeper, server)
            server.advance(STEP)
            before = len(server.witness.refreshes)
            server.witness.lose()
            lease = await keeper.lease(THERE, ACCOUNT)
            lost, repeated = server.witness.refreshes[before:]
            assert lost.lost
            assert (lost.spent, lost.successor) == (repeated.spent, repeated.successor)
            assert (lease.health, server.answers(lease.token.reveal())) == (Health.ACTIVE, 200)

    async def test_consent_withdrawn_on_the_account_page_is_told_with_a_link_and_the_connection_keeps_its_id(
        self, server: Own, tmp_path: Path
    ) -> None:
        async with await opened(server, tmp_path / "keeper.db") as keeper:
            first = await connected(keeper, server)
            lease = await keeper.lease(THERE, ACCOUNT)
            server.withdraw()
            assert server.answers(lease.token.reveal()) == 401
            with pytest.raises(NeedsReauth) as caught:
                await keeper.report_unauthorized(lease)
            assert caught.value.reason is Reason.GRANT_DEAD
            again = await reconnected(keeper, server, caught.value.reconnect)
            assert (again.connection.id, again.reconnected) == (first.connection.id, True)
            newer = await keeper.lease(THERE, ACCOUNT)
            assert newer.version > lease.version
            assert server.answers(newer.token.reveal()) == 200
            server.advance(STEP)
            assert server.answers((await keeper.lease(THERE, ACCOUNT)).token.reveal()) == 200


async def test_a_confidential_client_may_repeat_a_lost_reply_hours_later(known: Known, tmp_path: Path) -> None:
    server = known("web", "confidential", "https://later.example/callback")
    facts = {"rotates": "always", "retry": "until_successor_used", "grace": 86_400, "reuse_effect": "family_revoked"}
    async with await opened(server, tmp_path / "keeper.db", **facts) as keeper:
        await connected(keeper, server)
        server.advance(STEP)
        before = len(server.witness.refreshes)
        server.witness.lose(2)
        await keeper.lease(THERE, ACCOUNT)  # the old token is good for a few seconds more
        server.advance(5 * 3_600)
        lease = await keeper.lease(THERE, ACCOUNT)
        assert server.answers(lease.token.reveal()) == 200
        assert lease.health is Health.ACTIVE
        refreshes = server.witness.refreshes[before:]
        assert len(refreshes) == 3
        assert len({one.successor for one in refreshes}) == 1


async def test_fapi2_keeps_its_refresh_token_and_is_renewed_for_hours(known: Known, tmp_path: Path) -> None:
    """Each access token bound to the connection's key, with a nonce of the server in every proof."""
    server = known("web", "fapi2", "https://fapi.example/callback", "--dpop")
    async with await opened(server, tmp_path / "keeper.db", dpop="required") as keeper:
        await connected(keeper, server)
        before = len(server.witness.refreshes)
        seen = set()
        for _ in range(HOURS):
            server.advance(STEP)
            lease = await keeper.lease(THERE, ACCOUNT)
            assert proved(server, lease) == 200
            assert server.answers(lease.token.reveal()) == 401, "a bound token is no bearer token"
            seen.add(lease.token.reveal())
        server.advance(STEP)
        assert proved(server, lease) == 200  # the newest nonce is here now, so that it is no challenge that gets lost
        server.witness.lose()
        assert proved(server, await keeper.lease(THERE, ACCOUNT)) == 200
        asked = server.witness.refreshes[before:]
        refreshes = [one for one in asked if one.status == 200]
        assert len(asked) > len(refreshes), "the server asked for a nonce now and then"
        assert len(seen) == HOURS
        assert len(refreshes) == HOURS + 2
        assert len({one.spent for one in refreshes}) == 1


async def test_a_public_client_keeps_a_bound_refresh_token_alive_and_the_token_alone_is_worth_nothing(
    known: Known, tmp_path: Path
) -> None:
    server = known("spa", "public", "https://bound.example/callback", "--dpop")
    facts = {"rotates": "always", "retry": "until_successor_used", "grace": 86_400, "dpop": "required"}
    async with await opened(server, tmp_path / "keeper.db", **facts) as keeper:
        await connected(keeper, server)
        lease = await keeper.lease(THERE, ACCOUNT)
        server.advance(STEP)
        assert proved(server, lease) == 200
        before = len(server.witness.refreshes)
        server.witness.lose(2)
        await keeper.lease(THERE, ACCOUNT)
        server.advance(5 * 3_600)
        lease = await keeper.lease(THERE, ACCOUNT)
        assert proved(server, lease) == 200
        lost = [one for one in server.witness.refreshes[before:] if one.status == 200]
        assert len({one.successor for one in lost}) == 1
        stolen = lost[-1].successor
        assert stolen
        said = server.presented(stolen)
        assert (said.status_code, said.json()["error"]) == (400, "invalid_dpop_proof")
        server.advance(STEP)
        assert proved(server, await keeper.lease(THERE, ACCOUNT)) == 200


async def test_the_doors_for_http_clients_prove_every_request_and_follow_the_nonce(
    known: Known, tmp_path: Path
) -> None:
    server = known("web", "confidential", "https://doors.example/callback", "--dpop")
    url = f"{server.issuer}/userinfo"
    async with await opened(server, tmp_path / "keeper.db", dpop="required") as keeper:
        await connected(keeper, server)
        async with httpx2.AsyncClient(auth=keeper.auth(THERE, account=ACCOUNT)) as client:
            for _ in range(3):
                answer = await client.get(url)
                assert (answer.status_code, answer.json()["sub"]) == (200, answer.json()["sub"])
                server.advance(150)  # every nonce has run out
        with pytest.raises(BadRequest):
            (await keeper.lease(THERE, ACCOUNT)).headers()

    what = told(server, tmp_path / "keeper.db", dpop="required")
    given = await opening(what, FileClock(server.clock))

    def blocking() -> list[int]:
        with SyncKeeper.open(what["vault"], **given) as keeper:
            auth = keeper.auth_requests(THERE, account=ACCOUNT)
            statuses = []
            for _ in range(2):
                statuses.append(requests.get(url, auth=auth, timeout=30).status_code)
                server.advance(150)
            return statuses

    assert await asyncio.to_thread(blocking) == [200, 200]


@pytest.mark.parametrize("preset", ["public", "mcp"])
async def test_an_installed_application_connects_over_loopback_and_is_renewed(
    known: Known, tmp_path: Path, preset: str
) -> None:
    server = known("native", preset, LOOPBACK)
    async with await opened(server, tmp_path / "keeper.db") as keeper:
        walks: list[asyncio.Task[str]] = []

        def walk(url: str) -> str:
            return requests.get(server.goes(url), timeout=30).text

        done = await keeper.connect_here(
            THERE, ACCOUNT, lambda url: walks.append(asyncio.create_task(asyncio.to_thread(walk, url)))
        )
        assert done.refreshable
        assert "<h1" in await walks[0]
        versions = []
        for _ in range(3):
            server.advance(STEP)
            lease = await keeper.lease(THERE, ACCOUNT)
            assert server.answers(lease.token.reveal()) == 200
            versions.append(lease.version)
        assert versions == [2, 3, 4]
