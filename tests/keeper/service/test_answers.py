"""What a refresh does with every kind of answer, on a real provider that gives them."""

import asyncio
from dataclasses import replace

import pytest

from evergrant.clock import FixedClock
from evergrant.domain.secret import Secret
from evergrant.keeper.connection import MAIN, Health, Reason
from evergrant.keeper.errors import KeeperError, NeedsReauth, NotUsable
from evergrant.keeper.event import What
from evergrant.keeper.provider.model import Retry, ReuseEffect, Rotates
from evergrant.keeper.service.sealed import with_tokens
from evergrant.keeper.settings import HOUSE, Client
from evergrant.keeper.vault.port import Change
from evergrant.testing.chaos import MODES, PLAIN
from evergrant.testing.chaos.mode import Kind
from tests.keeper.living import Life, kept, living, settled

WINDOWED = replace(PLAIN, retry=Retry.WINDOW, grace=86_400, rotates=Rotates.ALWAYS)
DEFINITE = {"withdrawn", "invalid_grant", "invalid_client", "interaction_required", "invalid_scope", "wrong_subject"}
PASSING = sorted(name for name, mode in MODES.items() if mode.kind is Kind.FAULT and name not in DEFINITE)
SLOW = {"slow_reply", "held_reply", "late_spend"}


async def events(life: Life) -> list[str]:
    return [one.event.what.value for one in await life.vault.events(connection_id="con_user-42")]


async def served(life: Life) -> None:
    """Ask until there is a token, letting the time pass that each refusal asks for."""
    for _ in range(6):
        try:
            lease = await life.keeper.lease("here", "user-42")
        except NeedsReauth:
            raise
        except KeeperError as error:
            life.clock.advance(max(1, getattr(error, "after", 1)))  # type: ignore[attr-defined]
        else:
            assert lease.version >= 2
            return
    raise AssertionError


@pytest.mark.parametrize("mode", [one for one in PASSING if one not in SLOW])
async def test_keep_inv_3_no_passing_fault_asks_a_user_for_anything(mode: str) -> None:
    """Each fault happens twice; the provider takes a spent token again for a day."""
    clock = FixedClock()
    async with living(WINDOWED, "replay_window:seconds=86400", clock=clock, breaker_after=100) as life:
        await life.connect(expires_in=1)
        life.chaos.set(mode, times=2)
        await served(life)
        await settled(life.keeper)
        assert What.NEEDS_REAUTH not in await events(life)
        assert not life.chaos.ledger.killed
        life.chaos.clear()
        clock.advance(4000)
        await served(life)
        found = await life.vault.load("", "con_user-42")
        assert found is not None
        assert found.connection.health is Health.ACTIVE
        assert not found.intents


@pytest.mark.parametrize("mode", ["slow_reply", "held_reply"])
async def test_a_reply_that_comes_after_the_deadline_is_asked_for_again(mode: str) -> None:
    async with living(WINDOWED, "replay_window:seconds=86400", request_seconds=1.2) as life:
        await life.connect(expires_in=1)
        life.chaos.set(mode, times=1)
        assert (await life.keeper.lease("here", "user-42")).version == 2


async def test_k_17_a_dead_token_is_sent_once_and_told_once() -> None:
    clock = FixedClock()
    async with living(PLAIN, clock=clock) as life:
        await life.connect(expires_in=1)
        life.chaos.withdraw("user-42")
        for _ in range(5):
            with pytest.raises(NeedsReauth) as told:
                await life.keeper.lease("here", "user-42")
            clock.advance(3600)
        assert told.value.reason is Reason.GRANT_DEAD
        assert len(life.chaos.ledger.refreshes) == 1
        assert (await events(life)).count("connection.needs_reauth") == 1
        assert [one.what for one in await life.vault.letters(clock.now())] == ["connection.needs_reauth"]


async def test_a_token_refused_though_nobody_else_spent_it_here_is_told_to_be_unexplained() -> None:
    clock = FixedClock()
    async with living(PLAIN, "strict_one_shot", clock=clock, quarantine=True) as life:
        await life.connect(expires_in=1)
        await life.keeper.lease("here", "user-42")
        clock.advance(4000)
        life.chaos.withdraw("user-42")
        with pytest.raises(KeeperError):
            await life.keeper.lease("here", "user-42")
        found = await life.vault.load("", "con_user-42")
        assert found is not None
        assert found.connection.health is Health.QUARANTINED
        assert found.connection.detail == Reason.GRANT_DEAD_UNEXPLAINED


@pytest.mark.parametrize(("rule", "reason"), [("strict_one_shot", "vault_restored"), ("never_rotates", "grant_dead")])
async def test_a_token_out_of_a_backup_is_refused_because_of_the_backup_where_newer_ones_were_given_out(
    rule: str, reason: str
) -> None:
    clock = FixedClock()
    provider = replace(PLAIN, rotates=Rotates.ALWAYS if rule == "strict_one_shot" else Rotates.NEVER)
    async with living(provider, rule, clock=clock) as life:
        await life.connect(expires_in=1, restored_from=clock.now() - 60)
        life.chaos.withdraw("user-42")
        with pytest.raises(NeedsReauth) as told:
            await life.keeper.lease("here", "user-42")
        assert told.value.reason == reason


async def test_a_token_that_was_refreshed_since_comes_out_of_no_backup() -> None:
    async with living(PLAIN) as life:
        await life.connect(expires_in=1, restored_from=1)
        assert (await life.keeper.lease("here", "user-42")).version == 2
        found = await life.vault.load("", "con_user-42")
        assert found is not None
        assert found.records[MAIN].restored_from == 0


@pytest.mark.parametrize(("end", "reason"), [("refresh_idle_end", "idle_limit"), ("refresh_hard_end", "hard_limit")])
async def test_a_limit_that_has_passed_is_the_reason(end: str, reason: str) -> None:
    clock = FixedClock()
    async with living(PLAIN, clock=clock) as life:
        await life.connect(expires_in=1, **{end: clock.now()})
        life.chaos.withdraw("user-42")
        with pytest.raises(NeedsReauth) as told:
            await life.keeper.lease("here", "user-42")
        assert told.value.reason == reason


async def test_k_08_an_answer_about_another_account_is_thrown_away_whole() -> None:
    clock = FixedClock()
    async with living(WINDOWED, "never_rotates", clock=clock) as life:
        given = life.chaos.grant("user-42", "openid")
        await kept(life.keeper, given, "user-42", clock.now(), expires_in=60, subject="user-42")
        life.chaos.set("wrong_subject")
        lease = await life.keeper.lease("here", "user-42")
        assert lease.token.reveal() == given.access_token
        found = await life.vault.load("", "con_user-42")
        assert found is not None
        assert found.records["main"].version == 1
        assert found.connection.reason is Reason.ACCOUNT_CHANGED
        assert What.SUBJECT_REFUSED in await events(life)


@pytest.mark.parametrize(("mode", "drift"), [("shrunk_scope", "-two"), ("grown_scope", "+")])
async def test_k_09_what_was_really_granted_is_kept_and_told(mode: str, drift: str) -> None:
    async with living(PLAIN) as life:
        given = life.chaos.grant("user-42", "one two")
        await kept(life.keeper, given, "user-42", life.clock.now(), expires_in=1, scope=("one", "two"))
        life.chaos.set(mode)
        lease = await life.keeper.lease("here", "user-42")
        told = [one.event for one in await life.vault.events() if one.event.what is What.SCOPE_CHANGED]
        assert told
        assert drift in told[0].detail
        found = await life.vault.load("", "con_user-42")
        assert found is not None
        assert found.connection.granted_scope == lease.scope != ("one", "two")


async def test_a_scope_that_is_refused_is_asked_without_once() -> None:
    async with living(replace(PLAIN, scope_on_refresh=True)) as life:
        await life.connect(expires_in=1)
        life.chaos.set("invalid_scope", times=1)
        assert (await life.keeper.lease("here", "user-42")).version == 2
        assert len(life.chaos.ledger.refreshes) == 2


async def test_a_refresh_token_that_a_reply_leaves_out_is_carried_on() -> None:
    clock = FixedClock()
    async with living(PLAIN, "never_rotates", clock=clock) as life:
        given = await life.connect(expires_in=1)
        for version in (2, 3, 4):
            assert (await life.keeper.lease("here", "user-42")).version == version
            clock.advance(4000)
        assert life.chaos.ledger.times_sent(given.refresh_token) == 3


async def test_a_suspended_client_pauses_all_its_connections_and_blames_none() -> None:
    clock = FixedClock()
    async with living(PLAIN, clock=clock) as life:
        for account in ("user-42", "user-43"):
            await life.connect(account, expires_in=1)
        other = life.another()
        life.chaos.set("invalid_client")
        for keeper, account in ((life.keeper, "user-42"), (other, "user-43"), (life.keeper, "user-43")):
            with pytest.raises(NotUsable) as told:
                await keeper.lease("here", account)
            assert told.value.health is Health.SUSPENDED_CLIENT
        assert len(life.chaos.ledger.refreshes) == 1
        for account in ("user-42", "user-43"):
            found = await life.vault.load("", f"con_{account}")
            assert found is not None
            assert found.connection.health is Health.ACTIVE
        row = await life.vault.look_up(HOUSE, "here", "")
        assert row is not None
        assert row.connection.health is Health.SUSPENDED_CLIENT
        assert [one.what for one in await life.vault.letters(clock.now())] == ["connection.suspended_client"]


async def test_a_suspended_client_is_tried_again_by_one_refresher_and_restored_when_its_secret_was_changed() -> None:
    clock = FixedClock()
    async with living(PLAIN, clock=clock) as life:
        await life.connect(expires_in=1)
        life.chaos.set("invalid_client")
        with pytest.raises(NotUsable):
            await life.keeper.lease("here", "user-42")
        clock.advance(30)
        with pytest.raises(NotUsable):
            await life.keeper.lease("here", "user-42")
        assert len(life.chaos.ledger.refreshes) == 1
        life.chaos.clear()
        right = Client("here", life.chaos.client_id, Secret(life.chaos.client_secret), scopes=("new",))
        wrong_then_right = replace(life.settings, clients={"here": replace(right, client_id=right.client_id)})
        keeper = life.another(settings=wrong_then_right)
        clock.advance(3700)
        assert (await keeper.lease("here", "user-42")).version == 2
        row = await life.vault.look_up(HOUSE, "here", "")
        assert row is not None
        assert row.connection.health is Health.ACTIVE


async def test_changed_credentials_are_tried_at_once() -> None:
    clock = FixedClock()
    async with living(PLAIN, clock=clock) as life:
        await life.connect(expires_in=1)
        right = life.settings.clients["here"]
        wrong = life.another(settings=replace(life.settings, clients={"here": replace(right, secret=Secret("old"))}))
        with pytest.raises(NotUsable):
            await wrong.lease("here", "user-42")
        clock.advance(6)
        assert (await life.keeper.lease("here", "user-42")).version == 2


async def test_k_18_many_connections_at_a_provider_in_trouble_cost_it_a_few_requests() -> None:
    clock = FixedClock()
    async with living(PLAIN, clock=clock, breaker_after=3, concurrent=1, per_second=10_000) as life:
        for number in range(20):
            await life.connect(f"user-{number}", expires_in=1)
        life.chaos.set("temporarily_unavailable")
        for number in range(20):
            with pytest.raises(KeeperError):
                await life.keeper.lease("here", f"user-{number}")
        assert len(life.chaos.ledger.refreshes) == 3
        clock.advance(3600)
        life.chaos.clear()
        for number in range(20):
            assert (await life.keeper.lease("here", f"user-{number}")).version == 2


async def test_k_18_a_429_is_for_the_whole_client_and_for_as_long_as_it_says() -> None:
    clock = FixedClock()
    async with living(PLAIN, clock=clock) as life:
        for account in ("user-42", "user-43"):
            await life.connect(account, expires_in=1)
        life.chaos.set("too_many_requests:seconds=120", times=1)
        for _ in range(2):
            for account in ("user-42", "user-43"):
                with pytest.raises(KeeperError) as told:
                    await life.keeper.lease("here", account)
                assert 1 <= told.value.after <= 120  # type: ignore[attr-defined]
            clock.advance(50)
        assert len(life.chaos.ledger.refreshes) == 1
        clock.advance(30)
        for account in ("user-42", "user-43"):
            assert (await life.keeper.lease("here", account)).version == 2


async def test_where_a_repetition_would_end_other_connections_it_is_not_made() -> None:
    clock = FixedClock()
    harmful = replace(PLAIN, retry=Retry.CONFIGURABLE, reuse_effect=ReuseEffect.CLIENT_USER_REVOKED)
    async with living(harmful, "client_user_kill", clock=clock) as life:
        sibling = life.chaos.grant("user-42")
        given = await life.connect(expires_in=60)
        life.chaos.set("lost_reply", times=1)
        lease = await life.keeper.lease("here", "user-42")
        assert lease.token.reveal() == given.access_token
        assert lease.health is Health.NEEDS_REAUTH
        clock.advance(100)
        with pytest.raises(NeedsReauth) as told:
            await life.keeper.lease("here", "user-42")
        assert told.value.reason is Reason.GRANT_LOST
        assert sibling.id in life.chaos.ledger.alive
        assert not life.chaos.ledger.second_spends


async def test_k_13_where_nothing_may_be_repeated_the_old_token_is_served_to_its_end() -> None:
    clock = FixedClock()
    async with living(PLAIN, "strict_one_shot", clock=clock) as life:
        given = await life.connect(expires_in=600)
        life.chaos.set("unavailable", times=1)
        with pytest.raises(KeeperError):
            await life.keeper.refresh("here", "user-42")
        found = await life.vault.load("", "con_user-42")
        assert found is not None
        assert found.connection.health is Health.IN_DOUBT
        for _ in range(4):
            clock.advance(100)
            lease = await life.keeper.lease("here", "user-42")
            await settled(life.keeper)
            assert lease.token.reveal() == given.access_token
        assert len(life.chaos.ledger.refreshes) == 1
        clock.advance(150)
        assert (await life.keeper.lease("here", "user-42")).version == 2
        assert not life.chaos.ledger.killed


async def test_a_doubt_that_waits_for_the_end_of_a_token_ends_with_a_401_to_it() -> None:
    clock = FixedClock()
    async with living(PLAIN, "strict_one_shot", clock=clock) as life:
        await life.connect(expires_in=1000)
        life.chaos.set("unavailable", times=1)
        with pytest.raises(KeeperError):
            await life.keeper.refresh("here", "user-42")
        found = await life.vault.load("", "con_user-42")
        assert found is not None
        assert found.connection.retry_at - clock.now() > 800
        lease = await life.keeper.lease("here", "user-42")
        assert (await life.keeper.report_unauthorized(lease)).version == 2


async def test_two_records_of_one_connection_are_refreshed_each_on_its_own() -> None:
    clock = FixedClock()
    async with living("slack", "two_tokens", clock=clock) as life:
        given = life.chaos.grant("user-42")
        await kept(life.keeper, given, "user-42", clock.now(), expires_in=1, name="bot")
        user = given.reply["authed_user"]
        rooms = await life.keeper.rooms()
        found = await life.vault.load("", "con_user-42")
        assert found is not None
        record = replace(found.records["bot"], name="user")
        record = with_tokens(
            rooms.ground.sealer, "", record,
            access=Secret(user["access_token"]), refresh=Secret(user["refresh_token"]),
        )  # fmt: skip
        after = replace(found.connection, version=found.connection.version + 1)
        await life.vault.change(Change(after, expected=found.connection.version, records=[record]))
        bot, person = await asyncio.gather(
            life.keeper.lease("here", "user-42", record="bot"), life.keeper.lease("here", "user-42", record="user")
        )
        assert (bot.version, person.version) == (2, 2)
        assert bot.token.reveal() != person.token.reveal()
        assert life.chaos.ledger.times_sent(user["refresh_token"]) == 1
        assert len(life.chaos.ledger.refreshes) == 2
