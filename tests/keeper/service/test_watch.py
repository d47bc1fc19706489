"""Watching: who takes what, and what is out of the ordinary."""

import pytest

from evergrant.clock import FixedClock
from evergrant.keeper.connection import Origin, Record
from evergrant.keeper.decision.misuse import Rate, hasty, unusual, young
from evergrant.keeper.event import What
from tests.keeper.living import Life, living


async def told(life: Life, what: What) -> list[tuple[str, str]]:
    return [
        (one.event.caller, one.event.detail) for one in await life.vault.events(limit=1000) if one.event.what is what
    ]


async def test_a_caller_is_noted_once_and_a_second_one_is_unusual() -> None:
    async with living() as life:
        await life.connect()
        for caller in ("report", "report", "export"):
            await life.keeper.lease("here", "user-42", caller=caller)
        other = life.another()
        await other.lease("here", "user-42", caller="report")
        assert await told(life, What.LEASED) == [("report", ""), ("export", "")]
        assert await told(life, What.LEASE_UNUSUAL) == [("export", "new_caller")]


async def test_a_rate_far_above_the_usual_is_told_once() -> None:
    clock = FixedClock()
    async with living(clock=clock, unusual_rate=50) as life:
        await life.connect()
        for _ in range(3):
            for _ in range(200):
                await life.keeper.lease("here", "user-42", caller="report")
            clock.advance(60)
        await life.keeper.lease("here", "user-42", caller="report")
        rooms = await life.keeper.rooms()
        await rooms.watch.flush()
        assert (await told(life, What.LEASE_UNUSUAL)).count(("report", "rate")) == 1
        assert (await life.vault.load("", "con_user-42")).records["main"].used_at


async def test_young_tokens_that_an_api_refuses_are_told() -> None:
    async with living() as life:
        await life.connect()
        lease = await life.keeper.lease("here", "user-42", caller="report")
        for _ in range(3):
            lease = await life.keeper.report_unauthorized(lease, caller="report")
        assert ("report", "young_tokens_refused") in await told(life, What.LEASE_UNUSUAL)
        assert await told(life, What.UNAUTHORIZED) == [("report", "young_token")] * 3


async def test_refreshes_that_no_lifetime_explains_are_told() -> None:
    async with living() as life:
        await life.connect()
        for _ in range(6):
            await life.keeper.refresh("here", "user-42")
        assert ("", "refreshed_far_too_often") in await told(life, What.LEASE_UNUSUAL)


@pytest.mark.parametrize(("taken", "tells"), [([700], [True]), ([700, 700, 10, 700], [True, False, False, True])])
def test_an_episode_is_told_once(taken: list[int], tells: list[bool]) -> None:
    rate, said = Rate(), []
    for count in taken:
        rate, tell = unusual(rate, count, 600)
        said.append(tell)
    assert said == tells


def test_a_caller_that_was_always_busy_is_usual() -> None:
    rate = Rate(usual=1000.0, minutes=100)
    assert not unusual(rate, 1500, 600)[1]
    assert unusual(rate, 5000, 600)[1]


def test_young_and_hasty_are_parts_of_the_lifetime() -> None:
    record = Record("con_1", sent_at=1000, expires_at=2000, origin=Origin.PROVIDER)
    assert [young(record, now) for now in (1000, 1499, 1500)] == [True, True, False]
    assert [hasty(record, now) for now in (1000, 1199, 1200)] == [True, True, False]
    assert not young(Record("con_1", sent_at=1000, origin=Origin.NEVER), 1001)
