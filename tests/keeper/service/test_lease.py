"""Leasing: what is served from memory, what is waited for, what a 401 brings."""

from dataclasses import replace

import pytest

from evergrant.clock import FixedClock
from evergrant.keeper.connection import Health, Origin, Reason
from evergrant.keeper.errors import NeedsReauth, NotUsable, TryLater, UnknownConnection, UnknownProvider
from evergrant.keeper.event import What
from evergrant.keeper.vault.port import Change
from evergrant.testing.chaos import PLAIN
from tests.keeper.cable import Cable
from tests.keeper.living import living, settled


async def events(life) -> list[str]:
    return [one.event.what.value for one in await life.vault.events(connection_id="con_user-42")]


async def test_a_fresh_token_costs_no_look_into_the_vault() -> None:
    async with living() as life:
        await life.connect()
        cable = Cable(life.vault)
        keeper = life.another(vault=cable)
        await keeper.lease("here", "user-42")
        asked = len(cable.calls)
        for _ in range(100):
            await keeper.lease("here", "user-42")
        assert len(cable.calls) == asked


async def test_a_token_that_ended_while_its_use_was_noted_is_not_handed_out() -> None:
    clock = FixedClock()
    async with living(PLAIN, "strict_one_shot", clock=clock) as life:
        await life.connect()
        cable = Cable(life.vault)
        cable.before = lambda verb: clock.advance(3600 * (verb == "note"))
        lease = await life.another(vault=cable).lease("here", "user-42")
        assert cable.calls.count("note") == 1
        assert lease.version == 2
        assert clock.now() < lease.safe_until


async def test_whoever_leases_from_a_vault_that_is_slower_than_its_tokens_is_told_to_come_back() -> None:
    clock = FixedClock()
    async with living(PLAIN, "strict_one_shot", clock=clock) as life:
        await life.connect()
        cable = Cable(life.vault)
        cable.before = lambda verb: clock.advance(3600 * (verb == "touch"))
        with pytest.raises(TryLater, match="takes longer to note"):
            await life.another(vault=cable).lease("here", "user-42")
        assert life.chaos.ledger.second_spends == []


async def test_in_the_advisory_window_the_old_token_is_served_while_a_new_one_is_fetched() -> None:
    clock = FixedClock()
    async with living(PLAIN, clock=clock) as life:
        given = await life.connect(expires_in=200)
        lease = await life.keeper.lease("here", "user-42")
        assert lease.token.reveal() == given.access_token
        await settled(life.keeper)
        assert (await life.keeper.lease("here", "user-42")).version == 2


async def test_in_the_advisory_window_a_failure_is_nobodys_business() -> None:
    clock = FixedClock()
    async with living(PLAIN, clock=clock) as life:
        given = await life.connect(expires_in=200)
        life.chaos.set("unavailable")
        for _ in range(3):
            lease = await life.keeper.lease("here", "user-42")
            assert lease.token.reveal() == given.access_token
            await settled(life.keeper)
            clock.advance(20)
        assert life.chaos.ledger.served == 0


async def test_in_the_mandatory_window_a_failure_is_no_reason_to_withhold_a_token_that_is_still_good() -> None:
    clock = FixedClock()
    async with living(PLAIN, clock=clock) as life:
        given = await life.connect(expires_in=60)
        life.chaos.set("temporarily_unavailable")
        lease = await life.keeper.lease("here", "user-42")
        assert lease.token.reveal() == given.access_token
        assert lease.health is Health.DEGRADED
        clock.advance(60)
        with pytest.raises(TryLater) as told:
            await life.keeper.lease("here", "user-42")
        assert told.value.reason is Reason.PROVIDER_BUSY


async def test_a_401_brings_the_newer_token_if_there_is_one_and_one_refresh_if_not() -> None:
    async with living(PLAIN, "strict_one_shot") as life:
        await life.connect()
        old = await life.keeper.lease("here", "user-42", caller="report")
        newer = await life.keeper.report_unauthorized(old, caller="report")
        assert newer.version == old.version + 1
        again = await life.keeper.report_unauthorized(old, caller="report")
        assert again.version == newer.version
        assert life.chaos.ledger.rotations == 1
        assert What.UNAUTHORIZED in await events(life)


async def test_a_401_on_a_token_that_cannot_be_renewed_asks_for_the_user() -> None:
    async with living(PLAIN) as life:
        await life.connect()
        await life.keeper.lease("here", "user-42")
        life.chaos.withdraw("user-42")
        lease = await life.keeper.lease("here", "user-42")
        with pytest.raises(NeedsReauth):
            await life.keeper.report_unauthorized(lease)
        with pytest.raises(NeedsReauth):
            await life.keeper.lease("here", "user-42")
        assert len(life.chaos.ledger.refreshes) == 1


async def test_a_lifetime_that_nobody_tells_is_learned_from_the_age_at_which_the_api_refuses() -> None:
    clock = FixedClock()
    untold = replace(PLAIN, access_lifetime=None, expires_in_present=False, introspect_url="")
    async with living(untold, "no_expires_in", clock=clock) as life:
        await life.connect(origin=Origin.UNKNOWN, expires_at=clock.now() + 3600)
        lease = await life.keeper.lease("here", "user-42")
        clock.advance(900)
        lease = await life.keeper.report_unauthorized(lease)
        found = await life.vault.load("", "con_user-42")
        record = found.records["main"]
        assert record.origin is Origin.OBSERVED
        assert record.expires_at - record.sent_at == 900
        assert lease.safe_until < clock.now() + 900


@pytest.mark.parametrize("health", [Health.QUARANTINED, Health.REVOKING, Health.REVOKED])
async def test_nothing_is_handed_out_of_a_connection_that_was_stopped(health: Health) -> None:
    async with living() as life:
        await life.connect()
        found = await life.vault.load("", "con_user-42")
        stopped = replace(found.connection, health=health, version=found.connection.version + 1)
        await life.vault.change(Change(stopped, expected=found.connection.version))
        with pytest.raises(NotUsable) as told:
            await life.keeper.lease("here", "user-42")
        assert told.value.health is health


async def test_a_quarantine_by_this_process_is_immediate_and_by_another_within_the_bound() -> None:
    clock = FixedClock()
    async with living(clock=clock, recheck_seconds=1.0) as life:
        await life.connect()
        other = life.another()
        await life.keeper.lease("here", "user-42")
        await other.lease("here", "user-42")
        await life.keeper.quarantine("here", "user-42")
        with pytest.raises(NotUsable):
            await life.keeper.lease("here", "user-42")
        clock.advance(1)
        with pytest.raises(NotUsable):
            await other.lease("here", "user-42")
        await life.keeper.release("here", "user-42")
        assert await life.keeper.lease("here", "user-42")
        assert [one for one in await events(life) if not one.startswith("lease.")] == [What.QUARANTINED, What.RELEASED]


async def test_a_dead_grant_leaves_the_access_token_that_is_still_good() -> None:
    clock = FixedClock()
    async with living(PLAIN, clock=clock) as life:
        given = await life.connect(expires_in=60)
        life.chaos.set("invalid_grant")
        lease = await life.keeper.lease("here", "user-42")
        assert lease.token.reveal() == given.access_token
        assert lease.health is Health.NEEDS_REAUTH
        clock.advance(60)
        with pytest.raises(NeedsReauth):
            await life.keeper.lease("here", "user-42")
        assert len(life.chaos.ledger.refreshes) == 1


async def test_k_24_an_account_of_another_tenant_is_not_there() -> None:
    async with living() as life:
        await life.connect(tenant="one")
        await life.keeper.lease("here", "user-42", tenant="one")
        for tenant in ("", "two", "~"):
            with pytest.raises((UnknownConnection, Exception)) as told:
                await life.keeper.lease("here", "user-42", tenant=tenant)
            assert "user-42 is not connected" in str(told.value) or "own" in str(told.value)


async def test_an_unknown_account_or_client_is_told_what_is_near() -> None:
    async with living() as life:
        await life.connect()
        with pytest.raises(UnknownConnection) as told:
            await life.keeper.lease("here", "user-43")
        assert told.value.near == ("user-42",)
        with pytest.raises((UnknownProvider, UnknownConnection)):
            await life.keeper.lease("hear", "user-42")


async def test_no_token_is_in_a_repr() -> None:
    async with living() as life:
        given = await life.connect()
        lease = await life.keeper.lease("here", "user-42")
        assert given.access_token not in repr(lease)
        assert given.access_token not in str(lease)


async def test_a_token_without_age_is_never_refreshed_by_age() -> None:
    clock = FixedClock()
    async with living(replace(PLAIN, access_lifetime=0), clock=clock) as life:
        given = await life.connect(origin=Origin.NEVER, expires_at=0)
        clock.advance(10**8)
        lease = await life.keeper.lease("here", "user-42")
        assert lease.token.reveal() == given.access_token
        assert lease.safe_until == 0
        assert not life.chaos.ledger.refreshes


async def test_k_20_a_clock_that_is_put_back_does_not_make_a_cached_token_live_longer() -> None:
    clock = FixedClock()
    async with living(clock=clock) as life:
        await life.connect()
        await life.keeper.lease("here", "user-42")
        clock.set(clock.now() - 86_400)
        clock.advance(3600)
        lease = await life.keeper.lease("here", "user-42")
        await settled(life.keeper)
        assert (await life.keeper.lease("here", "user-42")).version == 2, lease


async def test_a_provider_that_refuses_early_refreshes_is_not_asked_early() -> None:
    clock = FixedClock()
    exact = replace(PLAIN, refresh_not_before=570, access_lifetime=600)
    async with living(exact, "early_refusal:seconds=570", clock=clock) as life:
        given = await life.connect()
        record = replace((await life.vault.load("", "con_user-42")).records["main"])
        assert record.refreshed_at == clock.now()
        clock.advance(500)
        assert (await life.keeper.lease("here", "user-42")).token.reveal() == given.access_token
        await settled(life.keeper)
        assert not life.chaos.ledger.refreshes


@pytest.mark.parametrize("kills", [True, False])
async def test_k_14_the_old_token_of_a_lost_grant_is_served_unless_the_spend_ended_it_too(kills: bool) -> None:
    async with living(replace(PLAIN, kills_old_access_token=kills)) as life:
        given = await life.connect(expires_in=1800)
        found = await life.vault.load("", "con_user-42")
        lost = replace(
            found.connection, version=found.connection.version + 1, health=Health.NEEDS_REAUTH, reason=Reason.GRANT_LOST
        )
        await life.vault.change(Change(lost, expected=found.connection.version))
        if kills:
            with pytest.raises(NeedsReauth) as told:
                await life.keeper.lease("here", "user-42")
            assert told.value.reason is Reason.GRANT_LOST
        else:
            assert (await life.keeper.lease("here", "user-42")).token.reveal() == given.access_token
