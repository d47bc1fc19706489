"""What every server that rotates refresh tokens must see of the keeper: connect, lease, renew for hours, disconnect.

What lives here: the part of the story that is the same everywhere; each server's own tests are beside this file.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from evergrant.clock import FileClock
from evergrant.keeper.connection import Health, Reason
from evergrant.keeper.errors import NeedsReauth, NotUsable
from evergrant.keeper.keeper import Keeper
from evergrant.keeper.service.told import Connected
from tests.interop.keeper.foreign import Foreign
from tests.interop.keeper.worker import THERE, keeper_of
from tests.meta.claims import ROOT

ACCOUNT: Final = "user-42"
LIFETIME: Final = 3_600
STEP: Final = 3_550
"""So long after a refresh the old token may not be handed out any more, and has not ended yet."""
HOURS: Final = 12
PROCESSES: Final = 2
AT_ONCE: Final = 8
PATIENCE: Final = 60


def told(server: Foreign, vault: Path, **overrides: Any) -> dict[str, Any]:
    """What a keeper is told of *server*; *overrides* are facts that its discovery document does not have."""
    return {
        "issuer": server.issuer, "client_id": server.client_id, "secret": server.client_secret,
        "key": server.private_key, "redirect_uri": server.redirect_uri, "scopes": server.scopes,
        "overrides": overrides, "clock": str(server.clock), "vault": str(vault), "account": ACCOUNT,
    }  # fmt: skip


async def opened(server: Foreign, vault: Path, **overrides: Any) -> Keeper:
    return await keeper_of(told(server, vault, **overrides), FileClock(server.clock))


async def connected(keeper: Keeper, server: Foreign) -> Connected:
    """Connect as a person does, in a browser of their own."""
    link = await keeper.begin(THERE, ACCOUNT)
    return await keeper.finish(await asyncio.to_thread(server.goes, link.url), ACCOUNT)


class Worker:
    """A process with a keeper."""

    def __init__(self, what: Mapping[str, Any]) -> None:
        command = [sys.executable, "-m", "tests.interop.keeper.worker", json.dumps(what)]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def lease(self, times: int) -> None:
        """Ask it to lease; what it got is `heard`."""
        self._process.stdin.write(f"lease {times}\n")
        self._process.stdin.flush()

    def heard(self) -> Any:
        line = self._process.stdout.readline()
        assert line, self._process.stderr.read()
        return json.loads(line)

    def stop(self) -> None:
        _, errors = self._process.communicate(timeout=PATIENCE)
        assert (self._process.returncode, errors) == (0, "")


@contextmanager
def workers(what: Mapping[str, Any], count: int = PROCESSES) -> Iterator[list[Worker]]:
    started = [Worker(what) for _ in range(count)]
    for one in started:
        one.heard()
    yield started
    for one in started:
        one.stop()


class RotatingServer:
    """For a module with a fixture `server`. Its access tokens live an hour; time is simulated."""

    async def test_is_found_by_its_address_alone_connected_and_renewed_for_hours(
        self, server: Foreign, tmp_path: Path
    ) -> None:
        before = len(server.witness.refreshes)
        async with await opened(server, tmp_path / "keeper.db") as keeper:
            done = await connected(keeper, server)
            assert done.connection.health is Health.ACTIVE
            assert done.refreshable
            assert done.connection.subject
            lease = await keeper.lease(THERE, ACCOUNT)
            assert server.answers(lease.token.reveal()) == 200
            for hour in range(HOURS):
                server.advance(STEP)
                newer = await keeper.lease(THERE, ACCOUNT)
                assert newer.version == lease.version + 1, f"in hour {hour}"
                assert newer.token.reveal() != lease.token.reveal()
                assert server.answers(newer.token.reveal()) == 200
                lease = newer
        refreshes = server.witness.refreshes[before:]
        assert len(refreshes) == HOURS, "one refresh per rotation"
        assert len({one.successor for one in refreshes}) == HOURS, "this server does not rotate"

    async def test_keep_inv_1_processes_on_one_vault_spend_every_refresh_token_once(
        self, server: Foreign, tmp_path: Path
    ) -> None:
        vault = tmp_path / "keeper.db"
        async with await opened(server, vault) as keeper:
            await connected(keeper, server)
        before = len(server.witness.refreshes)
        with workers(told(server, vault)) as processes:
            versions = []
            for _ in range(HOURS // 2):
                server.advance(STEP)
                for one in processes:
                    one.lease(AT_ONCE)
                got = [lease for one in processes for lease in one.heard()]
                assert len({json.dumps(lease, sort_keys=True) for lease in got}) == 1, got
                versions.append(got[0]["version"])
        assert versions == list(range(versions[0], versions[0] + HOURS // 2))
        assert len(server.witness.refreshes) - before == HOURS // 2
        assert server.witness.spent_twice(before) == []

    async def test_disconnect_ends_it_at_the_server(self, server: Foreign, tmp_path: Path) -> None:
        async with await opened(server, tmp_path / "keeper.db") as keeper:
            await connected(keeper, server)
            server.advance(STEP)
            lease = await keeper.lease(THERE, ACCOUNT)
            held = server.witness.refreshes[-1].successor
            assert server.active(lease.token.reveal())
            ends = await keeper.what_ends(THERE, ACCOUNT)
            assert ends.told_provider
            gone = await keeper.disconnect(THERE, ACCOUNT)
            assert gone.health is Health.REVOKED
            with pytest.raises(NotUsable):
                await keeper.lease(THERE, ACCOUNT)
        assert not server.active(lease.token.reveal())
        refused = server.presented(held)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")

    async def test_whoever_was_logged_out_is_told_how_to_come_back_and_keeps_their_connection(
        self, server: Foreign, tmp_path: Path
    ) -> None:
        async with await opened(server, tmp_path / "keeper.db") as keeper:
            first = await connected(keeper, server)
            server.advance(STEP)
            await keeper.lease(THERE, ACCOUNT)
            self.withdrawn(server)
            server.advance(LIFETIME)
            with pytest.raises(NeedsReauth) as caught:
                await keeper.lease(THERE, ACCOUNT)
            assert caught.value.reason is Reason.GRANT_DEAD
            again = await reconnected(keeper, server, caught.value.reconnect)
            assert (again.connection.id, again.reconnected) == (first.connection.id, True)
            lease = await keeper.lease(THERE, ACCOUNT)
            assert server.answers(lease.token.reveal()) == 200

    def withdrawn(self, server: Foreign) -> None:
        """The user takes back at the server what they have allowed: here, by what ends the last grant (RFC 7009)."""
        server.revoke(server.witness.refreshes[-1].successor)


async def reconnected(keeper: Keeper, server: Foreign, link: str) -> Connected:
    """Follow a reconnect link as its user."""
    back = await keeper.reconnect(link, ACCOUNT)
    return await keeper.finish(await asyncio.to_thread(server.goes, back.url), ACCOUNT)
