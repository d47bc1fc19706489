"""Connecting again: the same connection, the same account, the old grant usable until the new one is kept."""

import asyncio
import contextlib

import pytest

from evergrant.domain.secret import Secret
from evergrant.keeper.connection import MAIN, Reason
from evergrant.keeper.errors import BadRequest, CallbackRefused, KeeperError, NotUsable
from evergrant.keeper.event import What
from evergrant.keeper.opening import furnished
from evergrant.keeper.provider.model import Retry, Revoke, RevokeVerb, Rotates
from evergrant.keeper.service.importing import Existing
from tests.keeper.connect.scene import SITE, Health, Scene, asked, stage


async def again(here: Scene, user: str = "ada", *, as_account: str = "ada", **more):
    """Begin and finish once more, signed in at the provider as *as_account*."""
    link = await here.services.connect.begin("plain", "ada", user=user, **more)
    return await here.services.connect.finish(await here.browser(link.url, login_hint=as_account), user)


async def test_a_dead_connection_is_brought_back_under_its_own_id():
    async with stage() as here:
        before = (await here.connect()).connection
        await here.change(before, health=Health.NEEDS_REAUTH, reason=Reason.GRANT_DEAD, failures=3, retry_at=9)
        done = await again(here)
        after = (await here.found(before)).connection
        assert done.reconnected
        assert (after.id, after.health, after.reason) == (before.id, Health.ACTIVE, Reason.NONE)
        assert (after.failures, after.retry_at) == (0, 0)
        assert await here.told() == [What.BEGUN, What.CONNECTED, What.BEGUN, What.RECONNECTED]


async def test_k_25_another_account_at_the_provider_is_refused_and_the_old_grant_stays():
    async with stage() as here:
        connection = (await here.connect()).connection
        tokens = await here.tokens(connection)
        with pytest.raises(CallbackRefused, match="another account") as trouble:
            await again(here, as_account="mallory")
        assert trouble.value.code == "account_changed"
        assert (await here.found(connection)).connection == connection
        assert await here.tokens(connection) == tokens
        assert (await here.found(connection)).intents == {}
        assert What.SUBJECT_REFUSED in await here.told()


async def test_k_25_a_provider_that_does_not_say_who_it_is_this_time_is_refused():
    async with stage() as here:
        connection = (await here.connect()).connection
        async with stage(facts={"userinfo_url": "", "jwks_url": "", "issuer": "", "discovery_url": ""}) as silent:
            kept = await here.found(connection)
            await silent.vault.add(kept.connection)
            link = await silent.services.connect.begin("plain", "ada", scopes=["read"])
            with pytest.raises(CallbackRefused, match="did not say which account"):
                await silent.services.connect.finish(await silent.browser(link.url), "ada")


async def test_another_user_cannot_slip_a_grant_of_their_own_under_a_connection():
    async with stage() as here:
        connection = (await here.connect()).connection
        with pytest.raises(BadRequest, match="another user"):
            await here.services.connect.begin("plain", "ada", user="mallory")
        done = await again(here, "successor", hand_over=True)
        assert (done.connection.id, done.connection.user) == (connection.id, "successor")


async def test_a_reply_without_refresh_token_leaves_the_one_there_is():
    """frappe 26266, cal.com 7764, insomnia 1492 and others set it to nothing instead."""
    async with stage() as here:
        connection = (await here.connect()).connection
        before = await here.tokens(connection)
        here.chaos.set("null_refresh_token:on=exchange")
        done = await again(here)
        after = await here.tokens(connection)
        assert after[0] != before[0]
        assert after[1] == before[1]
        assert done.refreshable
        record = (await here.found(connection)).records[MAIN]
        assert record.fingerprint == here.ground.sealer.fingerprint(before[1])


async def test_a_dead_refresh_token_is_not_carried_into_a_new_grant():
    async with stage(facts={"reconsent_params": {"prompt": "consent"}}) as here:
        connection = (await here.connect()).connection
        await here.change(connection, health=Health.NEEDS_REAUTH, reason=Reason.GRANT_DEAD)
        here.chaos.set("null_refresh_token:on=exchange")
        with pytest.raises(CallbackRefused, match="asked with prompt=consent") as trouble:
            await again(here)
        assert trouble.value.code == "no_refresh_token"
        assert (await here.found(connection)).connection.health is Health.NEEDS_REAUTH


async def test_a_first_connection_without_refresh_token_is_refused_and_the_next_try_forces_consent():
    facts = {"reconsent_params": {"prompt": "consent"}}
    async with stage("null_refresh_token:on=exchange", facts=facts) as here:
        with pytest.raises(CallbackRefused) as trouble:
            await here.connect()
        assert trouble.value.code == "no_refresh_token"
        found = await here.vault.look_up("", "plain", "ada")
        assert (found.connection.health, found.connection.reason) == (Health.PENDING_CONSENT, Reason.NO_REFRESH_TOKEN)
        here.chaos.clear()
        assert asked((await here.services.connect.begin("plain", "ada")).url)["prompt"] == "consent"
        assert (await here.connect()).connection.reason is Reason.NONE


async def test_where_no_refresh_token_is_wanted_or_none_can_be_had_the_connection_says_how_long_it_lasts():
    async with stage("null_refresh_token:on=exchange") as here:
        done = await here.connect(offline=False)
        assert (done.connection.health, done.connection.reason) == (Health.ACTIVE, Reason.NO_REFRESH_TOKEN)
        assert not done.refreshable
        assert "gave no refresh token" in done.advice
        with pytest.raises(CallbackRefused, match="no refresh token"):
            await here.connect("eve", offline=True)


async def test_k_09_what_was_really_granted_is_stored_and_told():
    async with stage() as here:
        connection = (await here.connect(scopes=["read", "write"])).connection
        here.chaos.set("shrunk_scope:on=exchange")
        done = await again(here, scopes=["read", "write", "delete"])
        assert done.connection.asked_scope == ("read", "write", "delete")
        assert done.connection.granted_scope == ("read",)
        assert done.missing == ("write", "delete")
        assert (await here.found(connection)).records[MAIN].scope == ("read",)
        drift = [one.event.detail for one in await here.vault.events() if one.event.what is What.SCOPE_CHANGED]
        assert drift == ["-write"]


async def test_k_12_a_token_type_that_nobody_asked_for_is_refused_and_nothing_of_it_is_kept():
    for kind in ("mac", "DPoP"):
        async with stage() as here:
            connection = (await here.connect()).connection
            tokens = await here.tokens(connection)
            here.chaos.set(f"wrong_token_type:on=exchange,value={kind}")
            with pytest.raises(CallbackRefused, match="cannot be used"):
                await again(here)
            assert await here.tokens(connection) == tokens


async def test_the_replaced_grant_is_revoked_after_the_new_one_is_kept_where_that_spares_the_new_one():
    revoke = Revoke(RevokeVerb.RFC7009, url="https://plain.invalid/revoke", ends_only_itself=True)
    async with stage(facts={"revoke": revoke}) as here:
        connection = (await here.connect()).connection
        await again(here)
        assert list(here.chaos.ledger.ended.values()) == ["revoked"]
        assert list(here.chaos.ledger.ended) == here.chaos.ledger.granted[:1]
        assert (await here.found(connection)).connection.health is Health.ACTIVE


@pytest.mark.parametrize("spares", [False, None])
async def test_the_replaced_grant_is_left_alone_where_revoking_it_could_end_the_new_one(spares):
    revoke = Revoke(RevokeVerb.RFC7009, url="https://plain.invalid/revoke", ends_only_itself=spares)
    async with stage(facts={"revoke": revoke}) as here:
        await here.connect()
        await again(here)
        assert here.chaos.ledger.ended == {}


async def test_a_failed_farewell_is_told_and_the_new_connection_stands():
    revoke = Revoke(RevokeVerb.RFC7009, url="https://plain.invalid/revoke", ends_only_itself=True)
    async with stage(facts={"revoke": revoke}) as here:
        await here.connect()
        here.chaos.set("unavailable:on=revoke")
        assert (await again(here)).connection.health is Health.ACTIVE
        failed = [one.event for one in await here.vault.events() if one.event.what is What.REVOKE_FAILED]
        assert [one.detail for one in failed] == ["the replaced grant: status 503"]


# ---- links


async def test_a_reconnect_link_brings_its_user_back_to_the_same_connection():
    async with stage(reconnect_page=f"{SITE}/reconnect?x=1") as here:
        connection = (await here.connect()).connection
        connection = await here.change(connection, health=Health.NEEDS_REAUTH, reason=Reason.GRANT_DEAD)
        address = here.services.reconnect.link(connection, scopes=["files"])
        assert address.startswith(f"{SITE}/reconnect?x=1&reconnect=")
        link = await here.services.reconnect.begin(address, "ada", return_to="/done")
        assert asked(link.url)["scope"] == "openid read write files"
        done = await here.services.connect.finish(await here.browser(link.url), "ada")
        assert (done.connection.id, done.return_to, done.reconnected) == (connection.id, "/done", True)


async def test_without_a_page_there_is_no_link_and_its_token_serves_an_application_of_its_own():
    async with stage() as here:
        connection = (await here.connect()).connection
        assert here.services.reconnect.link(connection) == ""
        token = here.services.reconnect.token(connection)
        assert (await here.services.reconnect.begin(token, "ada")).connection_id == connection.id


async def refused(here: Scene, link: str, user: str = "ada", tenant: str = "") -> str:
    with pytest.raises(CallbackRefused) as trouble:
        await here.services.reconnect.begin(link, user, tenant=tenant)
    return trouble.value.code


async def test_a_reconnect_link_is_good_once_for_one_user_until_its_end():
    async with stage(reconnect_page=f"{SITE}/reconnect") as here:
        connection = (await here.connect()).connection
        make = here.services.reconnect.link
        link = make(connection)
        assert await refused(here, link, user="mallory") == "other_user"
        assert await refused(here, link, user="") == "other_user"
        await here.services.reconnect.begin(link, "ada")
        assert await refused(here, link) == "unknown_state", "used"
        link = make(connection)
        here.clock.advance(here.ground.settings.reconnect_seconds)
        assert await refused(here, link) == "unknown_state", "over"


async def test_a_reconnect_link_dies_when_the_account_was_connected_again_or_removed():
    async with stage(reconnect_page=f"{SITE}/reconnect") as here:
        connection = (await here.connect()).connection
        link, later = (here.services.reconnect.link(connection) for _ in range(2))
        here.clock.advance(1)
        await again(here)
        assert await refused(here, link) == "unknown_state"
        await here.vault.remove("", connection.id)
        assert await refused(here, later) == "unknown_state"


async def test_k_24_a_reconnect_link_of_another_tenant_is_unknown():
    async with stage() as here:
        connection = (await here.connect(tenant="red")).connection
        token = here.services.reconnect.token(connection)
        assert await refused(here, token, tenant="blue") == "unknown_state"
        assert await refused(here, token) == "unknown_state"


async def test_a_reconnect_link_that_was_changed_is_unknown_and_reads_as_nothing():
    async with stage() as here:
        connection = (await here.connect()).connection
        token = here.services.reconnect.token(connection)
        assert "ada" not in token
        for bad in (token[:-2], token[:-1] + ("A" if token[-1] != "A" else "B"), "", "x", token[::-1], "é", "?" * 9):
            assert await refused(here, bad) == "unknown_state"


async def test_a_link_made_before_a_disconnect_does_not_pass_it():
    async with stage() as here:
        connection = (await here.connect()).connection
        token = here.services.reconnect.token(connection)
        await here.change(connection, health=Health.REVOKING)
        with pytest.raises(NotUsable):
            await here.services.reconnect.begin(token, "ada")


# ---- while refreshes are in trouble


async def test_reconnecting_ends_a_doubt_and_the_lost_token_is_never_sent_again():
    async with stage(facts={"retry": Retry.WINDOW, "grace": 600}) as here:
        rooms = furnished(here.ground)
        connection = (await here.connect()).connection
        here.chaos.set("lost_reply")
        here.clock.advance(3_590)
        with contextlib.suppress(KeeperError):
            await rooms.leases.lease("plain", "ada")
        assert (await here.found(connection)).connection.health is Health.IN_DOUBT
        here.chaos.clear()
        sent = len(here.chaos.ledger.refreshes)
        done = await again(here)
        assert (done.connection.id, done.connection.health) == (connection.id, Health.ACTIVE)
        rooms.leases.forget(connection.id)
        assert (await rooms.leases.lease("plain", "ada")).token.reveal() == (await here.tokens(connection))[0]
        here.clock.advance(3_590)
        assert (await rooms.leases.lease("plain", "ada")).token.reveal() == (await here.tokens(connection))[0]
        assert [seen.second for seen in here.chaos.ledger.refreshes[sent:]] == [False]
        assert (await here.found(connection)).intents == {}
        await rooms.refresher.flights.land(10)


async def test_a_refresh_that_comes_back_after_the_reconnect_overwrites_nothing():
    """The old grant's refresh is held at the provider while its user connects again."""
    async with stage(claim_seconds=41.0) as here:
        rooms = furnished(here.ground)
        connection = (await here.connect()).connection
        here.chaos.set("held_reply:on=refresh", times=1)
        here.clock.advance(3_590)
        late = asyncio.create_task(rooms.leases.lease("plain", "ada"))
        await until(lambda: bool(here.chaos.ledger.refreshes))
        done = await again(here)
        tokens = await here.tokens(done.connection)
        here.chaos.release()
        await asyncio.gather(late, return_exceptions=True)
        await rooms.refresher.flights.land(10)
        assert await here.tokens(connection) == tokens
        rooms.leases.forget(connection.id)
        assert (await rooms.leases.lease("plain", "ada")).token.reveal() == tokens[0]


async def until(holds) -> None:
    for _ in range(10_000):
        if holds():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came to that")


async def test_reconnecting_waits_for_a_refresh_under_way_so_that_its_token_can_be_ended_too():
    async with stage() as here:
        connection = (await here.connect()).connection
        claim = await here.vault.claim(connection.id, MAIN, "refresher", 5)
        await again(here)
        assert here.clock.now() >= claim.until


async def test_a_replaced_token_that_another_connection_holds_is_not_ended():
    revoke = Revoke(RevokeVerb.RFC7009, url="https://plain.invalid/revoke", ends_only_itself=True)
    async with stage(facts={"revoke": revoke, "rotates": Rotates.NEVER}) as here:
        given = here.chaos.grant("ada", "read")
        for account in ("ada", "other"):
            token = Secret(given.refresh_token)
            existing = Existing("plain", account, refresh_token=token, subject="ada", shared=True)
            await here.services.importing.take(existing)
        await again(here)
        assert here.chaos.ledger.ended == {}
