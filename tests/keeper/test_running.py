"""The background refresher: what falls due, what was left open, and what users are told in time."""

import asyncio
from dataclasses import replace

import pytest

from evergrant.clock import FixedClock
from evergrant.keeper.connection import Health
from evergrant.keeper.errors import KeeperError
from evergrant.keeper.event import What
from evergrant.keeper.provider.model import Retry
from evergrant.keeper.service.points import Point
from evergrant.testing.chaos import PLAIN
from tests.keeper.cable import Cable, Killed, Killing
from tests.keeper.living import living


async def test_what_falls_due_is_refreshed_and_nothing_else() -> None:
    clock = FixedClock()
    async with living(PLAIN, "strict_one_shot", clock=clock) as life:
        await life.connect("soon", expires_in=60)
        await life.connect("later", expires_in=3000)
        rooms = await life.keeper.rooms()
        done = await rooms.running.round()
        assert (done.refreshed, done.failed) == (1, 0)
        assert (await life.vault.load("", "con_soon")).records["main"].version == 2
        assert (await life.vault.load("", "con_later")).records["main"].version == 1
        assert (await rooms.running.round()).refreshed == 0


async def test_keep_inv_1_several_refreshers_on_one_vault_spend_each_token_once() -> None:
    clock = FixedClock()
    async with living(PLAIN, "strict_one_shot", clock=clock, per_second=10_000) as life:
        for number in range(30):
            await life.connect(f"user-{number}", expires_in=60)
        keepers = [life.another() for _ in range(4)]
        rooms = [await one.rooms() for one in keepers]
        await asyncio.gather(*(one.running.round() for one in rooms))
        assert life.chaos.ledger.rotations == 30
        assert len(life.chaos.ledger.refreshes) == 30
        assert not life.chaos.ledger.killed


async def test_k_14_a_refresh_that_a_crash_cut_off_is_finished_by_whoever_runs_next() -> None:
    clock = FixedClock()
    windowed = replace(PLAIN, retry=Retry.WINDOW, grace=600)
    async with living(windowed, "replay_window:seconds=600", clock=clock, claim_seconds=45) as life:
        await life.connect(expires_in=1)
        cable = Cable(life.vault)
        other = life.another(vault=cable)
        with Killing(Point.JOURNALLED, cable), pytest.raises((Killed, KeeperError)):
            await other.lease("here", "user-42")
        rooms = await life.keeper.rooms()
        assert (await rooms.running.round()).recovered == 0
        clock.advance(46)
        assert (await rooms.running.round()).recovered == 1
        found = await life.vault.load("", "con_user-42")
        assert found.records["main"].version == 2
        assert len(life.chaos.ledger.refreshes) == 1


async def test_a_doubt_is_ended_in_the_background_when_its_time_has_come() -> None:
    clock = FixedClock()
    async with living(PLAIN, "strict_one_shot", clock=clock) as life:
        await life.connect(expires_in=600)
        life.chaos.set("unavailable", times=1)
        with pytest.raises(KeeperError):
            await life.keeper.refresh("here", "user-42")
        rooms = await life.keeper.rooms()
        for _ in range(20):
            clock.advance(60)
            await rooms.running.round()
        found = await life.vault.load("", "con_user-42")
        assert found.connection.health is Health.ACTIVE
        assert found.records["main"].version == 2
        assert life.chaos.ledger.rotations == 1
        assert not life.chaos.ledger.second_spends


async def test_an_outage_of_a_day_costs_no_user_anything_and_the_provider_little() -> None:
    clock = FixedClock()
    async with living(PLAIN, "strict_one_shot", clock=clock) as life:
        await life.connect(expires_in=60)
        life.chaos.set("unavailable")
        rooms = await life.keeper.rooms()
        for _ in range(24 * 12):
            await rooms.running.round()
            clock.advance(300)
        asked = len(life.chaos.ledger.refreshes)
        life.chaos.clear()
        clock.advance(life.settings.backoff_most)
        lease = await life.keeper.lease("here", "user-42")
        assert lease.version == 2
        events = [one.event.what for one in await life.vault.events(limit=10_000)]
        assert What.NEEDS_REAUTH not in events
        assert asked < 200


async def test_consent_that_runs_out_is_told_once_for_each_threshold() -> None:
    clock = FixedClock()
    async with living(PLAIN, clock=clock, hard_limit_notice=(7 * 86_400, 86_400)) as life:
        await life.connect(expires_in=60, refresh_hard_end=clock.now() + 8 * 86_400)
        rooms, other = await life.keeper.rooms(), await life.another().rooms()
        for _ in range(8 * 24 - 1):
            await rooms.running.round()
            await other.running.round()
            clock.advance(3600)
        told = [one for one in await life.vault.events(limit=10_000) if one.event.what is What.HARD_LIMIT_NEAR]
        assert len(told) == 2
        letters = [one for one in await life.vault.letters(clock.now()) if one.what == What.HARD_LIMIT_NEAR]
        assert len(letters) == 2


async def test_a_vault_in_trouble_ends_a_round_and_not_the_loop() -> None:
    async with living(PLAIN, background_seconds=0) as life:
        await life.connect(expires_in=60)
        cable = Cable(life.vault)
        cable.failing["open_intents"] = 3
        keeper = life.another(vault=cable)
        running = asyncio.ensure_future(keeper.run())
        await life.chaos.ledger.reaches(1)
        await keeper.close()
        await running
        assert cable.calls.count("open_intents") >= 4


async def test_letters_are_handed_to_whoever_delivers_them() -> None:
    handed: list[int] = []

    async def deliver() -> None:
        handed.append(1)

    async with living() as life:
        rooms = await life.keeper.rooms()
        rooms.running.outbox = deliver
        await rooms.running.round()
        assert handed == [1]
