"""Disconnecting: no more leases at once, the provider told, the tokens shredded, and no failure forgotten."""

import asyncio
from dataclasses import replace

import pytest

from evergrant.domain.secret import Secret
from evergrant.keeper.connection import Reason
from evergrant.keeper.errors import BadRequest, CallbackRefused, NotUsable, UnknownConnection
from evergrant.keeper.event import What
from evergrant.keeper.provider.model import Revoke, RevokeVerb, Rotates
from evergrant.keeper.service.connecting import Connecting
from evergrant.keeper.service.disconnect import Siblings
from evergrant.keeper.service.importing import Existing
from tests.keeper.connect.scene import Health, Scene, stage

AT_PROVIDER = "https://plain.invalid/revoke"


async def emptied(here: Scene, connection) -> bool:
    records = (await here.found(connection)).records.values()
    return all(
        (one.access_token, one.refresh_token, one.previous, one.fingerprint) == (b"", b"", b"", "") for one in records
    )


async def test_a_disconnected_account_is_ended_at_the_provider_and_shredded_here():
    async with stage() as here:
        connection = (await here.connect()).connection
        after = await here.services.disconnect.disconnect("plain", "ada")
        assert (after.health, after.reason) == (Health.REVOKED, Reason.BY_USER)
        assert list(here.chaos.ledger.ended.values()) == ["revoked"]
        assert await emptied(here, connection)
        assert (await here.told())[-2:] == [What.REVOKING, What.REVOKED]
        assert [letter.what for letter in await here.vault.letters(here.clock.now())] == [What.CONNECTED, What.REVOKED]


async def test_disconnecting_twice_is_disconnecting_once():
    async with stage() as here:
        await here.connect()
        first = await here.services.disconnect.disconnect("plain", "ada")
        assert await here.services.disconnect.disconnect("plain", "ada") == first


async def test_a_disconnected_account_can_be_connected_anew_even_as_another_one():
    async with stage() as here:
        first = (await here.connect()).connection
        await here.services.disconnect.disconnect("plain", "ada")
        link = await here.services.connect.begin("plain", "ada", user="bob")
        done = await here.services.connect.finish(await here.browser(link.url, login_hint="eve"), "bob")
        assert (done.connection.id, done.connection.subject, done.connection.user) == (first.id, "eve", "bob")
        assert done.connection.health is Health.ACTIVE
        assert not done.reconnected


async def test_a_provider_in_trouble_is_asked_again_with_pauses_and_then_later_and_it_stays_visible():
    async with stage("unavailable:on=revoke") as here:
        connection = (await here.connect()).connection
        here.waited.clear()
        after = await here.services.disconnect.disconnect("plain", "ada")
        assert (after.health, after.reason, after.detail) == (Health.REVOKING, Reason.BY_USER, "status 503")
        assert here.waited == [1.0, 2.0]
        assert (await here.told())[-1] is What.REVOKE_FAILED
        assert not await emptied(here, connection), "what is still needed is not thrown away"
        assert await here.services.disconnect.resume() == 0, "not due yet"
        for _ in range(3):
            here.clock.set(((await here.found(connection)).connection).retry_at)
            assert await here.services.disconnect.resume() == 0
        waits = (await here.found(connection)).connection.retry_at - here.clock.now()
        assert waits > 200
        here.chaos.clear()
        here.clock.set((await here.found(connection)).connection.retry_at)
        assert await here.services.disconnect.resume() == 1
        assert (await here.found(connection)).connection.health is Health.REVOKED
        assert await emptied(here, connection)


async def test_a_provider_that_is_away_leaves_it_revoking_too():
    async with stage() as here:
        await here.connect()
        await here.chaos.stop()
        assert (await here.services.disconnect.disconnect("plain", "ada")).detail == "unreachable"


async def test_a_grant_that_has_ended_already_is_gone_and_no_failure():
    async with stage() as here:
        await here.connect()
        here.chaos.withdraw("ada")
        assert (await here.services.disconnect.disconnect("plain", "ada")).health is Health.REVOKED


@pytest.mark.parametrize(
    "revoke",
    [
        Revoke(RevokeVerb.DELETE, "DELETE", AT_PROVIDER + "/{token}", auth="none"),
        Revoke(RevokeVerb.DELETE, "DELETE", AT_PROVIDER, "access_token", "basic", {"access_token": "{token}"}),
        Revoke(RevokeVerb.JSON, "POST", AT_PROVIDER, "refresh_token", "basic", {"token": "{token}"}),
        Revoke(RevokeVerb.API_CALL, "POST", AT_PROVIDER, "access_token", "bearer"),
        Revoke(RevokeVerb.RFC7009, "POST", AT_PROVIDER, "access_token"),
    ],
    ids=["delete-path", "delete-body", "json", "api-call", "rfc7009-access"],
)
async def test_every_verb_of_the_providers_data_ends_the_grant(revoke):
    async with stage(facts={"revoke": revoke}) as here:
        await here.connect()
        after = await here.services.disconnect.disconnect("plain", "ada")
        assert after.health is Health.REVOKED, after.detail
        assert list(here.chaos.ledger.ended.values()) == ["revoked"]


async def test_a_grant_of_which_nothing_works_any_more_is_over_without_telling_anybody():
    """Told with an access token that has run out, a provider says 401 for ever."""
    bearer = Revoke(RevokeVerb.API_CALL, "POST", AT_PROVIDER, "access_token", "bearer")
    async with stage("invalid_client:on=revoke", facts={"revoke": bearer}) as here:
        connection = (await here.connect()).connection
        record = (await here.found(connection)).records["main"]
        here.clock.advance(4_000)
        assert (await here.services.disconnect.disconnect("plain", "ada")).health is Health.REVOKING
        here.vault._records[connection.id, "main"] = replace(record, dead=(record.fingerprint,))
        here.clock.advance(4_000)
        assert await here.services.disconnect.resume() == 1


async def test_a_provider_without_a_way_to_be_told_is_left_alone_and_our_copy_is_shredded():
    async with stage(facts={"revoke": Revoke()}) as here:
        connection = (await here.connect()).connection
        assert not (await here.services.disconnect.what_ends("plain", "ada")).told_provider
        assert (await here.services.disconnect.disconnect("plain", "ada")).health is Health.REVOKED
        assert here.chaos.ledger.ended == {}
        assert await emptied(here, connection)


async def test_what_an_api_call_needs_is_renewed_first():
    async with stage(
        facts={"revoke": Revoke(RevokeVerb.API_CALL, "POST", AT_PROVIDER, "access_token", "bearer")}
    ) as here:
        connection = (await here.connect()).connection
        here.clock.advance(4_000)
        renewed = []

        async def freshen(one):
            renewed.append(one.id)

        here.services.disconnect._freshen = freshen
        await here.services.disconnect.disconnect("plain", "ada")
        assert renewed == [connection.id]


# ---- others that would end with it


async def shared(here: Scene) -> str:
    given = here.chaos.grant("ada", "read")
    for account in ("ada", "eve"):
        token = Secret(given.refresh_token)
        one = Existing("plain", account, refresh_token=token, access_token=Secret(given.access_token), shared=True)
        await here.services.importing.take(one)
    return given.id


async def test_connections_that_share_a_refresh_token_are_told_before_and_never_broken_in_silence():
    async with stage(facts={"rotates": Rotates.NEVER}) as here:
        await shared(here)
        ends = await here.services.disconnect.what_ends("plain", "ada")
        assert [(one.account, one.sure) for one in ends.siblings] == [("eve", True)]
        with pytest.raises(BadRequest, match="eve would end with ada"):
            await here.services.disconnect.disconnect("plain", "ada")
        assert here.chaos.ledger.ended == {}
        named = await here.services.finding.named("plain", "ada")
        assert named.connection.health is Health.ACTIVE


async def test_siblings_are_spared_by_not_telling_the_provider_or_ended_when_that_is_said():
    async with stage(facts={"rotates": Rotates.NEVER}) as here:
        grant = await shared(here)
        after = await here.services.disconnect.disconnect("plain", "ada", siblings=Siblings.SPARE)
        assert after.health is Health.REVOKED
        assert here.chaos.ledger.ended == {}
        assert (await here.services.finding.named("plain", "eve")).connection.health is Health.ACTIVE
        await here.services.disconnect.disconnect("plain", "eve")
        assert list(here.chaos.ledger.ended) == [grant]


async def test_connections_of_the_same_account_are_told_where_the_provider_ends_everything_at_once():
    revoke = Revoke(RevokeVerb.RFC7009, url=AT_PROVIDER, blast_radius="everything", ends_only_itself=False)
    async with stage(facts={"revoke": revoke}) as here:
        await here.connect("work", user="u")
        link = await here.services.connect.begin("plain", "home", user="u")
        await here.services.connect.finish(await here.browser(link.url), "u")
        ends = await here.services.disconnect.what_ends("plain", "work")
        assert (ends.blast_radius, [(one.account, one.sure) for one in ends.siblings]) == (
            "everything",
            [("home", False)],
        )
        after = await here.services.disconnect.disconnect("plain", "work", siblings="end")
        assert after.health is Health.REVOKED


async def test_k_24_a_grant_that_another_tenant_holds_is_spared_and_nothing_is_told_about_them():
    async with stage(facts={"rotates": Rotates.NEVER}) as here:
        given = here.chaos.grant("ada", "read")
        for tenant in ("red", "blue"):
            one = Existing("plain", "ada", refresh_token=Secret(given.refresh_token), shared=True)
            await here.services.importing.take(one, tenant=tenant)
        ends = await here.services.disconnect.what_ends("plain", "ada", tenant="red")
        assert (ends.siblings, ends.elsewhere) == ((), True)
        after = await here.services.disconnect.disconnect("plain", "ada", tenant="red")
        assert after.health is Health.REVOKED
        assert here.chaos.ledger.ended == {}
        other = await here.services.finding.named("plain", "ada", "blue")
        assert other.connection.health is Health.ACTIVE


# ---- at the same time


async def test_a_refresh_under_way_is_waited_for_so_that_the_newest_token_is_what_is_revoked():
    async with stage() as here:
        connection = (await here.connect()).connection
        claim = await here.vault.claim(connection.id, "main", "refresher", 3)
        await here.services.disconnect.disconnect("plain", "ada")
        assert here.clock.now() >= claim.until
        assert here.waited


async def test_a_process_that_dies_after_marking_leaves_it_to_the_background():
    async with stage("held_reply:on=revoke") as here:
        connection = (await here.connect()).connection
        task = asyncio.create_task(here.services.disconnect.disconnect("plain", "ada"))
        for _ in range(10_000):
            if (await here.found(connection)).connection.health is Health.REVOKING:
                break
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        here.chaos.clear()
        here.chaos.release()
        here.clock.advance(61)
        assert await here.services.disconnect.resume() == 1
        assert (await here.found(connection)).connection.health is Health.REVOKED


# ---- forgetting


async def test_what_is_revoked_can_be_forgotten_and_nothing_else():
    async with stage() as here:
        connection = (await here.connect()).connection
        with pytest.raises(NotUsable, match="disconnect it first"):
            await here.services.disconnect.forget("plain", "ada")
        await here.services.disconnect.disconnect("plain", "ada")
        await here.services.disconnect.forget("plain", "ada")
        assert await here.vault.load("", connection.id) is None
        assert (await here.told())[-1] is What.DELETED


async def test_k_24_nobody_disconnects_or_forgets_for_another_tenant():
    async with stage() as here:
        connection = (await here.connect(tenant="red")).connection
        for verb in ("disconnect", "forget", "what_ends"):
            with pytest.raises(UnknownConnection):
                await getattr(here.services.disconnect, verb)("plain", "ada", tenant="blue")
        assert (await here.found(connection)).connection == connection


@pytest.mark.parametrize("connected", [True, False], ids=["standing", "first-time"])
async def test_whoever_disconnects_while_somebody_is_away_is_not_connected_again_by_the_late_callback(connected):
    async with stage() as here:
        if connected:
            await here.connect()
        link = await here.services.connect.begin("plain", "ada")
        callback = await here.browser(link.url)
        if not connected:
            connection = (await here.services.finding.named("plain", "ada")).connection
            await here.change(connection, health=Health.REVOKED)
        else:
            connection = await here.services.disconnect.disconnect("plain", "ada")
        with pytest.raises(CallbackRefused, match="revoked meanwhile"):
            await here.services.connect.finish(callback, "ada")
        found = await here.found(connection)
        assert (found.connection.health, found.intents) == (Health.REVOKED, {})
        assert await emptied(here, connection)
        assert set(here.chaos.ledger.ended) == set(here.chaos.ledger.granted), "what came late was ended too"
        assert (await here.connect()).connection.health is Health.ACTIVE


async def test_an_account_of_a_client_that_is_not_ours_any_more_stays_revoking_until_it_is_or_is_let_go():
    async with stage() as here:
        connection = (await here.connect()).connection
        bare = Connecting(replace(here.ground, settings=replace(here.ground.settings, clients={})))
        after = await bare.disconnect.disconnect("plain", "ada")
        assert after.health is Health.REVOKING
        assert "no client is named plain" in after.detail
        assert not await emptied(here, connection)
        after = await bare.disconnect.disconnect("plain", "ada", siblings=Siblings.SPARE)
        assert after.health is Health.REVOKED
        assert await emptied(here, connection)


async def test_two_who_disconnect_at_once_both_find_it_done():
    async with stage() as here:
        await here.connect()
        done = await asyncio.gather(*(here.services.disconnect.disconnect("plain", "ada") for _ in range(3)))
        assert {one.health for one in done} == {Health.REVOKED}
        assert (await here.told()).count(What.REVOKED) == 1
