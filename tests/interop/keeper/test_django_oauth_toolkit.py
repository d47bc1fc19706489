"""The keeper at django-oauth-toolkit, with rotation, and with a grace period in which a spent token may be repeated.

Hours pass by a file that the server's process and the keepers read; lifetimes are those of every day.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evergrant.keeper.connection import Health
from tests.interop.keeper.foreign import Foreign, foreign
from tests.interop.keeper.story import ACCOUNT, STEP, RotatingServer, connected, opened
from tests.interop.keeper.worker import THERE

pytestmark = pytest.mark.xdist_group("interop-keeper-python")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Foreign]:
    command = [sys.executable, "-m", "tests.interop.keeper.django_server"]
    with foreign(command, tmp_path_factory.mktemp("django"), "/o") as running:
        yield running


class TestDjangoOauthToolkit(RotatingServer):
    """The story that is the same everywhere, and what is this server's own."""

    @pytest.mark.parametrize(
        "facts", [{}, {"rotates": "always", "retry": "window", "grace": 120}], ids=["alone", "facts"]
    )
    async def test_a_lost_reply_is_repeated_in_the_grace_period_and_gets_the_same_successor(
        self, server: Foreign, tmp_path: Path, facts: dict[str, Any]
    ) -> None:
        async with await opened(server, tmp_path / "keeper.db", **facts) as keeper:
            await connected(keeper, server)
            server.advance(STEP)
            before = len(server.witness.refreshes)
            server.witness.lose()
            lease = await keeper.lease(THERE, ACCOUNT)
            lost, repeated = server.witness.refreshes[before:]
            assert lost.lost
            assert (lost.spent, lost.successor) == (repeated.spent, repeated.successor)
            assert server.answers(lease.token.reveal()) == 200
            assert lease.health is Health.ACTIVE
            server.advance(STEP)
            assert (await keeper.lease(THERE, ACCOUNT)).version == lease.version + 1
            assert server.witness.refreshes[-1].spent == lost.successor

    async def test_a_spent_token_after_the_grace_period_is_refused_and_no_keeper_ever_sends_one(
        self, server: Foreign, tmp_path: Path
    ) -> None:
        async with await opened(server, tmp_path / "keeper.db") as keeper:
            await connected(keeper, server)
            before = len(server.witness.refreshes)
            for _ in range(2):
                server.advance(STEP)
                await keeper.lease(THERE, ACCOUNT)
            assert server.witness.spent_twice(before) == []
            old = server.witness.refreshes[before].spent
            assert server.presented(old).json()["error"] == "invalid_grant"
            server.advance(STEP)
            lease = await keeper.lease(THERE, ACCOUNT)
            assert server.answers(lease.token.reveal()) == 200, "this server refuses a spent token, and ends nothing"
