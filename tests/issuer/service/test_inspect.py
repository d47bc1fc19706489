"""What an access token is worth at a process that did not issue it."""

import pytest

from evergrant.assembly import open_kek
from evergrant.clock import FixedClock
from evergrant.config import Config
from evergrant.entropy import SystemEntropy
from evergrant.store.sqlite import FILE_NAME, SqliteStore
from evergrant.testing.in_process import running


@pytest.fixture
async def two(tmp_path):
    """Two processes' worth of issuer on one database."""
    open_kek(Config().replace(store__data=tmp_path), SystemEntropy())
    path, clock = tmp_path / FILE_NAME, FixedClock()
    async with (
        running(tmp_path, SqliteStore.open(path), clock=clock) as one,
        running(tmp_path, SqliteStore.open(path), clock=clock) as other,
    ):
        yield one, other


async def userinfo(issuer, held):
    bearer = {"authorization": f"Bearer {held['access_token']}"}
    return (await issuer.browser().send("GET", "/userinfo", headers=bearer)).status


async def test_the_first_request_a_process_ever_sees_may_be_for_userinfo(two):
    one, other = two
    await one.person()
    client, _ = await one.client()
    held = await one.signed_in(client)

    assert await userinfo(other, held) == 200


async def test_j_14_a_token_signed_with_a_key_made_a_moment_ago_elsewhere_is_known(two):
    one, other = two
    await one.person()
    client, _ = await one.client()
    assert await userinfo(other, await one.signed_in(client)) == 200

    await one.house.keys.replace_at_once(["ES256"])
    held = await one.signed_in(client, browser=one.browser())
    one.clock.advance(1)

    assert await userinfo(other, held) == 200


async def test_a_key_that_was_disowned_elsewhere_is_forgotten_where_nobody_asks_for_tokens(two):
    one, other = two
    await one.person()
    client, _ = await one.client()
    held = await one.signed_in(client)
    assert await userinfo(other, held) == 200

    await one.house.keys.replace_at_once(["ES256"])
    one.clock.advance(1)

    assert await userinfo(other, held) == 401
