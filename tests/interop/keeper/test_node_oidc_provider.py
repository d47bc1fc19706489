"""The keeper at node-oidc-provider, with rotation, where a spent refresh token ends the whole grant.

Hours pass by a file that the server's process and the keepers read: its `Date` is overridden, its lifetimes are those
of every day (an hour, two weeks).
"""

import asyncio
import base64
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from evergrant.keeper.connection import Health, Reason
from evergrant.keeper.errors import NeedsReauth, TryLater
from evergrant.keeper.keeper import Keeper
from tests import tools
from tests.interop.keeper.foreign import Foreign, foreign
from tests.interop.keeper.story import ACCOUNT, LIFETIME, STEP, RotatingServer, connected, opened
from tests.interop.keeper.worker import THERE

pytestmark = [pytest.mark.needs("node-packages"), pytest.mark.xdist_group("interop-keeper-node")]

FACTS: Final = {"rotates": "always", "retry": "no", "reuse_effect": "family_revoked"}
"""What node-oidc-provider does, as an operator would write it down; no discovery document says so."""


KEY: Final = ec.generate_private_key(ec.SECP256R1())
WITH_A_KEY: Final = "the-keeper-with-a-key"
PEM: Final = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()


def copied(vault: Path) -> Path:
    """Another vault that holds the same, with the same key."""
    folder = vault.parent / "copy"
    folder.mkdir()
    for file in vault.parent.glob(f"{vault.name}*"):
        shutil.copy(file, folder / file.name)
    return folder / vault.name


def public_jwk() -> dict[str, str]:
    """What of the key is registered at the server, which names the client by it (RFC 7517)."""
    numbers = KEY.public_key().public_numbers()
    x, y = (base64.urlsafe_b64encode(one.to_bytes(32)).rstrip(b"=").decode() for one in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y, "alg": "ES256", "use": "sig", "kid": WITH_A_KEY}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Foreign]:
    script = tools.NODE_PACKAGES.parent / "oidc_provider.mjs"
    with foreign([str(tools.node()), str(script)], tmp_path_factory.mktemp("node"), key=public_jwk()) as running:
        yield running


class TestNodeOidcProvider(RotatingServer):
    """The story that is the same everywhere, and what is this server's own."""

    async def test_a_stolen_token_spent_by_somebody_else_ends_the_grant_and_the_keeper_says_that_it_was_not_us(
        self, server: Foreign, tmp_path: Path
    ) -> None:
        async with await opened(server, tmp_path / "keeper.db", **FACTS) as keeper:
            await connected(keeper, server)
            for _ in range(2):
                server.advance(STEP)
                lease = await keeper.lease(THERE, ACCOUNT)
            assert server.presented(server.witness.refreshes[-1].spent).json()["error"] == "invalid_grant"
            assert server.answers(lease.token.reveal()) == 401, "reuse ends the access tokens of the grant, too"
            with pytest.raises(NeedsReauth) as caught:
                await keeper.report_unauthorized(lease)
            assert caught.value.reason is Reason.GRANT_DEAD_UNEXPLAINED
            assert caught.value.reconnect.startswith("https://app.example/reconnect?")

    async def test_a_lost_reply_is_not_asked_for_again_while_the_old_token_works(
        self, server: Foreign, tmp_path: Path
    ) -> None:
        async with await opened(server, tmp_path / "keeper.db", **FACTS) as keeper:
            await connected(keeper, server)
            lease = await keeper.lease(THERE, ACCOUNT)
            before = len(server.witness.refreshes)
            server.witness.lose()
            with pytest.raises(TryLater):
                await keeper.refresh(THERE, ACCOUNT)
            assert server.witness.refreshes[-1].lost
            server.advance(LIFETIME // 2)
            held = await keeper.lease(THERE, ACCOUNT)
            assert held.token.reveal() == lease.token.reveal()
            assert server.answers(held.token.reveal()) == 200
            assert held.health is Health.IN_DOUBT
            assert len(server.witness.refreshes) == before + 1
            server.advance(LIFETIME // 2)
            await self._asked_once_more(keeper, server, before)

    async def test_where_nothing_is_known_of_repeating_a_lost_reply_is_asked_for_once_more_and_not_again(
        self, server: Foreign, tmp_path: Path
    ) -> None:
        async with await opened(server, tmp_path / "keeper.db") as keeper:
            await connected(keeper, server)
            before = len(server.witness.refreshes)
            server.advance(LIFETIME)
            server.witness.lose()
            await self._asked_once_more(keeper, server, before)

    async def _asked_once_more(self, keeper: Keeper, server: Foreign, before: int) -> None:
        """With nothing left to lose the doubt is ended, and the user is asked for the right reason."""
        for _ in range(2):
            with pytest.raises(NeedsReauth) as caught:
                await keeper.lease(THERE, ACCOUNT)
            assert caught.value.reason is Reason.GRANT_LOST
        first, second = server.witness.refreshes[before:]
        assert first.spent == second.spent
        assert (first.status, second.error) == (200, "invalid_grant")

    async def test_two_keepers_on_copies_of_one_vault_end_the_grant_and_both_say_so(
        self, server: Foreign, tmp_path: Path
    ) -> None:
        """What a restored backup beside the living vault does; it shows that this server forgives nothing."""
        async with await opened(server, tmp_path / "keeper.db", **FACTS) as keeper:
            await connected(keeper, server)
            await keeper.refresh(THERE, ACCOUNT)
        copy = await asyncio.to_thread(copied, tmp_path / "keeper.db")
        before = len(server.witness.refreshes)
        server.advance(LIFETIME)
        async with await opened(server, tmp_path / "keeper.db", **FACTS) as keeper:
            await keeper.lease(THERE, ACCOUNT)
        async with await opened(server, copy, **FACTS) as stray:
            with pytest.raises(NeedsReauth) as caught:
                await stray.lease(THERE, ACCOUNT)
            assert caught.value.reason is Reason.GRANT_DEAD_UNEXPLAINED
        assert len(server.witness.spent_twice(before)) == 1
        server.advance(LIFETIME)
        async with await opened(server, tmp_path / "keeper.db", **FACTS) as keeper:
            with pytest.raises(NeedsReauth) as caught:
                await keeper.lease(THERE, ACCOUNT)
            assert caught.value.reason is Reason.GRANT_DEAD_UNEXPLAINED

    async def test_a_client_that_proves_itself_with_a_key_is_renewed_and_disconnected(
        self, server: Foreign, tmp_path: Path
    ) -> None:
        with_a_key = replace(server, client_id=WITH_A_KEY, client_secret="", private_key=PEM)
        async with await opened(with_a_key, tmp_path / "keeper.db") as keeper:
            await connected(keeper, with_a_key)
            for version in (2, 3):
                server.advance(STEP)
                lease = await keeper.lease(THERE, ACCOUNT)
                assert (lease.version, server.answers(lease.token.reveal())) == (version, 200)
            await keeper.disconnect(THERE, ACCOUNT)
            assert server.answers(lease.token.reveal()) == 401
