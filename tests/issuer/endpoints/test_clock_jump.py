"""What a wrong clock does to honest clients: nothing (attack O-09)."""

from pathlib import Path

import pytest

from evergrant.domain.event import What
from evergrant.domain.reason import Reason
from evergrant.issuer.service.housekeeping import Done, Housekeeper
from evergrant.testing.in_process import Issuer
from tests.issuing import events, hold, is_oauth_error, unchanged

DAY = 86_400


async def test_o_09_a_clock_that_jumped_ahead_expires_nobody_and_recovers(both: Issuer, tmp_path: Path) -> None:
    held = await hold(both)
    right = both.clock.now()
    both.clock.set(right + 400 * DAY)

    with unchanged(both, tmp_path):
        reply = await held.present(held.refresh)
        is_oauth_error(reply, "temporarily_unavailable", 503)
        assert int(reply.header("retry-after")) > 0

    assert [event.reason for event in await events(both, What.FAMILY_REFUSED)] == ["clock_suspect"]
    both.clock.set(right)
    await held.turn()
    assert (await held.family()).ended is None


@pytest.mark.parametrize("jump", [61, 300, 3_600, 7 * DAY])
async def test_o_09_a_retry_after_a_jump_gets_the_successor_and_is_no_theft(both: Issuer, jump: int) -> None:
    held = await hold(both)
    first = held.refresh
    await held.turn()
    both.clock.set(both.clock.now() + jump)
    both.clock.advance(60)
    assert (await held.present(first)).json()["refresh_token"] == held.refresh


@pytest.mark.parametrize("slow", [61, 300, 3_600, 7 * DAY])
async def test_o_09_a_retry_once_a_slow_clock_is_put_right_is_no_theft_either(both: Issuer, slow: int) -> None:
    held = await hold(both)
    both.clock.set(both.clock.now() - slow)
    first = held.refresh
    await held.turn()
    both.clock.set(both.clock.now() + slow)
    assert (await held.present(first)).json()["refresh_token"] == held.refresh


async def test_o_09_a_jump_makes_the_overlap_no_longer_than_it_was(both: Issuer, tmp_path: Path) -> None:
    held = await hold(both)
    first = held.refresh
    await held.turn()
    both.clock.advance(61)
    both.clock.set(both.clock.now() + 7 * DAY)
    with unchanged(both, tmp_path):
        is_oauth_error(await held.present(first), "temporarily_unavailable", 503)
    both.clock.advance(600)
    is_oauth_error(await held.present(first), "invalid_grant")
    ended = (await held.family()).ended
    assert ended is not None
    assert ended.reason is Reason.REUSE


async def test_o_09_a_small_jump_erases_no_successor_before_its_time(both: Issuer) -> None:
    held = await hold(both)
    first = held.refresh
    await held.turn()
    both.clock.set(both.clock.now() + 200)
    keeper = Housekeeper(both.house.store, both.clock, name="x", batch=100, interval=10, retention=DAY)
    assert (await keeper.round()).erased == 0
    assert (await held.present(first)).json()["refresh_token"] == held.refresh
    both.clock.advance(61)
    assert (await keeper.round()).erased == 1


async def test_o_09_a_family_that_is_young_enough_is_served_all_the_while(both: Issuer) -> None:
    held = await hold(both)
    both.clock.set(both.clock.now() + DAY)
    await held.turn()
    both.clock.set(both.clock.now() - DAY)
    await held.turn()
    assert (await held.family()).head.generation == 2


async def test_o_09_refreshing_while_the_clock_stands_in_the_past_shortens_nothing(both: Issuer) -> None:
    """The keys are younger than that moment, too; they go on signing."""
    held = await hold(both)
    right, end = both.clock.now(), (await held.family()).head.idle_end
    both.clock.set(right - 365 * DAY)
    await held.turn()
    assert (await held.family()).head.idle_end == end
    both.clock.set(right)
    await held.turn()


async def test_o_09_ten_minutes_later_the_clock_is_believed_again(both: Issuer) -> None:
    held = await hold(both)
    both.clock.set(both.clock.now() + 400 * DAY)
    both.clock.advance(599)
    is_oauth_error(await held.present(held.refresh), "temporarily_unavailable", 503)
    both.clock.advance(1)
    is_oauth_error(await held.present(held.refresh), "invalid_grant")
    family = await held.family()
    assert family.ended is not None
    assert family.ended.reason is Reason.ABSOLUTE


async def test_o_09_housekeeping_rests_while_the_clock_is_suspect(both: Issuer, tmp_path: Path) -> None:
    held = await hold(both)
    await held.turn()
    family_id = (await held.family()).id
    keeper = Housekeeper(both.house.store, both.clock, name="x", batch=100, interval=10, retention=DAY)
    right = both.clock.now()
    both.clock.set(right + 800 * DAY)
    with unchanged(both, tmp_path):
        assert await keeper.round() == Done()
    both.clock.set(right)
    both.clock.advance(600)
    await keeper.round()
    await held.turn()
    both.clock.advance(800 * DAY)
    await keeper.round()
    assert await both.house.store.read(lambda tx: tx.families.get(family_id)) is None
