"""A keeper from outside: an account's token, fresh, from a real provider."""

import pytest

from evergrant.keeper.settings import Settings
from tests.keeper.living import living


async def test_a_token_that_has_run_out_is_refreshed_before_it_is_handed_out() -> None:
    async with living() as life:
        given = await life.connect(expires_in=1)
        lease = await life.keeper.lease("here", "user-42")
        assert lease.token.reveal() != given.access_token
        assert lease.version == 2
        assert lease.safe_until > life.clock.now() + 60
        assert life.chaos.ledger.rotations == 1


async def test_a_fresh_token_is_served_as_it_is() -> None:
    async with living() as life:
        given = await life.connect()
        lease = await life.keeper.lease("here", "user-42")
        assert lease.token.reveal() == given.access_token
        assert lease.headers() == {"Authorization": f"Bearer {given.access_token}"}
        assert await life.keeper.lease("here", "user-42") is lease


def test_a_claim_always_outlives_the_request_and_its_commit() -> None:
    assert Settings().claim_seconds >= Settings().request_seconds + Settings().commit_seconds
    with pytest.raises(ValueError, match="claim_seconds must be at least"):
        Settings(claim_seconds=39.0, request_seconds=30.0, commit_seconds=10.0)
