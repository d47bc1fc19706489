"""The keeper at an authorization server made with Authlib, where a refresh ends the whole old pair at once.

Hours pass by a file that the server's process and the keepers read.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evergrant.keeper.connection import Health, Reason
from evergrant.keeper.errors import NeedsReauth
from tests.interop.keeper.foreign import Foreign, foreign
from tests.interop.keeper.story import ACCOUNT, RotatingServer, connected, opened, reconnected
from tests.interop.keeper.worker import THERE

pytestmark = pytest.mark.xdist_group("interop-keeper-python")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Foreign]:
    command = [sys.executable, "-m", "tests.interop.keeper.authlib_server"]
    with foreign(command, tmp_path_factory.mktemp("authlib"), scopes=("profile",)) as running:
        yield running


class TestAuthlibServer(RotatingServer):
    """The story that is the same everywhere, and what is this server's own."""

    async def test_a_request_that_never_arrived_is_known_by_the_old_token_and_sent_again(
        self, server: Foreign, tmp_path: Path
    ) -> None:
        async with await opened(server, tmp_path / "keeper.db", **facts(server)) as keeper:
            await connected(keeper, server)
            before = len(server.witness.refreshes)
            server.witness.swallow()
            await keeper.refresh(THERE, ACCOUNT)
            lease = await keeper.lease(THERE, ACCOUNT)
            assert (lease.version, lease.health) == (2, Health.ACTIVE)
            assert server.answers(lease.token.reveal()) == 200
            swallowed, sent = server.witness.refreshes[before:]
            assert (swallowed.status, swallowed.spent) == (0, sent.spent)

    async def test_a_lost_reply_is_known_by_the_dead_old_token_and_the_user_is_asked_at_once(
        self, server: Foreign, tmp_path: Path
    ) -> None:
        async with await opened(server, tmp_path / "keeper.db", **facts(server)) as keeper:
            first = await connected(keeper, server)
            old = await keeper.lease(THERE, ACCOUNT)
            server.witness.lose()
            with pytest.raises(NeedsReauth) as caught:
                await keeper.report_unauthorized(old)
            assert caught.value.reason is Reason.GRANT_LOST
            assert server.answers(old.token.reveal()) == 401
            again = await reconnected(keeper, server, caught.value.reconnect)
            assert again.connection.id == first.connection.id
            lease = await keeper.lease(THERE, ACCOUNT)
            assert server.answers(lease.token.reveal()) == 200


def facts(server: Foreign) -> dict[str, Any]:
    """What this server does, as an operator would write it down; its document does not say so."""
    return {
        "rotates": "always", "retry": "no", "reuse_effect": "rejected", "kills_old_access_token": True,
        "probe_url": f"{server.issuer}/me",
    }  # fmt: skip
