"""A keeper from outside: an account's token, fresh, from a real provider."""

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
