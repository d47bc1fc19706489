"""Many callers, several keepers: one of them spends, everybody is served what it brought."""

import asyncio
from dataclasses import replace

import pytest

from evergrant.clock import FixedClock
from evergrant.keeper.connection import Health
from evergrant.keeper.errors import KeeperError, NeedsReauth, RefreshInProgress, TryLater
from evergrant.keeper.provider.model import Retry
from evergrant.keeper.service import points
from evergrant.keeper.service.points import Point
from evergrant.testing.chaos import PLAIN
from tests.keeper.cable import Cable
from tests.keeper.living import living, settled


async def test_k_15_a_hundred_callers_of_four_keepers_cost_one_refresh() -> None:
    async with living(PLAIN, "strict_one_shot") as life:
        await life.connect(expires_in=1)
        keepers = [life.another() for _ in range(4)]
        leases = await asyncio.gather(*(one.lease("here", "user-42") for one in keepers for _ in range(25)))
        assert len({lease.token.reveal() for lease in leases}) == 1
        assert len(life.chaos.ledger.refreshes) == 1
        assert life.chaos.ledger.most_in_flight == 1


async def test_keep_inv_5_whoever_stops_waiting_stops_nobody_else() -> None:
    async with living(PLAIN, "strict_one_shot") as life:
        await life.connect(expires_in=1)
        life.chaos.set("held_reply")
        first = asyncio.ensure_future(life.keeper.lease("here", "user-42"))
        await life.chaos.ledger.reaches(1)
        second = asyncio.ensure_future(life.keeper.lease("here", "user-42"))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        life.chaos.release()
        assert (await second).version == 2
        assert first.cancelled()
        assert life.chaos.ledger.rotations == 1


async def test_keep_inv_5_a_waiter_is_told_that_it_takes_long_and_the_refresh_goes_on() -> None:
    async with living(PLAIN, "strict_one_shot", wait_seconds=0.05) as life:
        await life.connect(expires_in=1)
        life.chaos.set("held_reply")
        with pytest.raises(RefreshInProgress):
            await life.keeper.lease("here", "user-42")
        await life.chaos.ledger.reaches(1)
        life.chaos.release()
        await settled(life.keeper)
        assert (await life.keeper.lease("here", "user-42")).version == 2
        assert life.chaos.ledger.rotations == 1


async def test_a_keeper_that_cannot_get_the_claim_waits_with_a_bound_and_names_no_credential() -> None:
    slept: list[float] = []

    async def pause(seconds: float) -> None:
        slept.append(seconds)

    async with living(wait_seconds=3.0, request_seconds=1.0) as life:
        await life.connect(expires_in=1)
        await life.vault.claim("con_user-42", "main", "somebody else", 60)
        keeper = life.another(pause=pause)
        with pytest.raises(RefreshInProgress):
            await keeper.lease("here", "user-42")
        assert 3 <= sum(slept) <= 5
        assert not life.chaos.ledger.refreshes


async def test_a_failure_is_shared_for_a_moment_and_then_tried_again() -> None:
    clock = FixedClock()
    async with living(PLAIN, clock=clock, failure_seconds=5.0, backoff_least=1, backoff_most=1) as life:
        await life.connect(expires_in=1)
        life.chaos.set("temporarily_unavailable")
        told = await asyncio.gather(*(life.keeper.lease("here", "user-42") for _ in range(20)), return_exceptions=True)
        assert all(isinstance(one, TryLater) for one in told)
        clock.advance(2)
        with pytest.raises(TryLater):
            await life.keeper.lease("here", "user-42")
        assert len(life.chaos.ledger.refreshes) == 1
        clock.advance(4)
        life.chaos.clear()
        assert (await life.keeper.lease("here", "user-42")).version == 2


async def test_k_16_a_refresher_that_wakes_up_after_another_took_over_overwrites_nothing() -> None:
    """The claim has ended, another keeper has repeated within the provider's window; the first answer comes last."""
    clock = FixedClock()
    windowed = replace(PLAIN, retry=Retry.WINDOW, grace=600)
    async with living(windowed, "previous_window:seconds=600", clock=clock, claim_seconds=45) as life:
        await life.connect(expires_in=1)
        slow = Cable(life.vault)
        sleeper, other = life.another(vault=slow), life.another()
        asleep, awake = asyncio.Event(), asyncio.Event()
        original = life.vault.journal

        async def journal(*given: object) -> None:
            if not asleep.is_set():
                asleep.set()
                await awake.wait()
            await original(*given)

        life.vault.journal = journal  # type: ignore[method-assign, assignment]
        first = asyncio.ensure_future(sleeper.lease("here", "user-42"))
        await asleep.wait()
        clock.advance(46)
        lease = await other.lease("here", "user-42")
        awake.set()
        late = await first
        found = await life.vault.load("", "con_user-42")
        assert found.records["main"].version == 2
        assert late.token.reveal() == lease.token.reveal()
        assert not found.intents
        events = [one.event.what for one in await life.vault.events()]
        assert "refresh.fenced" in events


async def test_k_16_a_late_answer_is_kept_when_the_one_who_took_over_got_nothing() -> None:
    """Whoever took over was refused; then the first answer arrives after all, with the only living token."""
    clock = FixedClock()
    async with living(PLAIN, clock=clock, claim_seconds=45) as life:
        await life.connect(expires_in=1)
        sleeper, other = life.another(), life.another()
        asleep, awake = asyncio.Event(), asyncio.Event()
        original = life.vault.journal

        async def journal(*given: object) -> None:
            if not asleep.is_set():
                asleep.set()
                await awake.wait()
            await original(*given)

        life.vault.journal = journal  # type: ignore[method-assign, assignment]
        first = asyncio.ensure_future(sleeper.lease("here", "user-42"))
        await asleep.wait()
        clock.advance(46)
        life.chaos.set("invalid_grant")
        with pytest.raises(NeedsReauth):
            await other.lease("here", "user-42")
        life.chaos.clear()
        awake.set()
        assert (await first).version == 2
        found = await life.vault.load("", "con_user-42")
        assert found.connection.health is Health.ACTIVE


async def test_invalid_grant_is_believed_only_after_looking_whether_somebody_else_has_rotated() -> None:
    """Somebody who shares the vault, but not our claims, has put newer tokens there while we asked."""
    async with living(PLAIN, "strict_one_shot") as life:
        await life.connect(expires_in=1)
        life.chaos.set("invalid_grant")
        newer = life.chaos.grant("user-42")

        def put(point: Point) -> None:
            if point is Point.ANSWERED:
                from evergrant.domain.secret import Secret
                from evergrant.keeper.service.sealed import with_tokens

                rooms = keeper._rooms
                assert rooms is not None
                record = life.vault._records["con_user-42", "main"]
                now = life.clock.now()
                record = replace(record, version=record.version + 1, sent_at=now, expires_at=now + 3600)
                life.vault._records["con_user-42", "main"] = with_tokens(
                    rooms.ground.sealer, "", record,
                    access=Secret(newer.access_token), refresh=Secret(newer.refresh_token),
                )  # fmt: skip

        keeper = life.another()
        points.listener = put
        try:
            lease = await keeper.lease("here", "user-42")
        finally:
            points.listener = None
        assert lease.token.reveal() == newer.access_token
        found = await life.vault.load("", "con_user-42")
        assert found.connection.health is Health.ACTIVE


async def test_closing_a_keeper_waits_for_the_refresh_that_is_under_way() -> None:
    async with living(PLAIN, "strict_one_shot") as life:
        await life.connect(expires_in=1)
        life.chaos.set("held_reply")
        cable = Cable(life.vault)
        keeper = life.another(vault=cable)
        waiting = asyncio.ensure_future(keeper.lease("here", "user-42"))
        await life.chaos.ledger.reaches(1)
        closing = asyncio.ensure_future(keeper.close())
        await asyncio.sleep(0)
        with pytest.raises(KeeperError):
            await keeper.lease("here", "somebody")
        life.chaos.release()
        await closing
        assert (await waiting).version == 2
        assert cable.calls[-1] == "close"
