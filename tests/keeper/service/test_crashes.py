"""A process dies at each numbered moment of a refresh; another one on the same vault goes on."""

from dataclasses import replace

import pytest

from evergrant.clock import FixedClock
from evergrant.keeper.connection import Health, Reason
from evergrant.keeper.errors import KeeperError, NeedsReauth
from evergrant.keeper.provider.model import Retry, ReuseEffect, Rotates
from evergrant.keeper.service.points import Point
from evergrant.testing.chaos import PLAIN
from tests.keeper.cable import Cable, Killed, Killing
from tests.keeper.living import Life, living

WINDOW = replace(PLAIN, retry=Retry.WINDOW, grace=120, rotates=Rotates.ALWAYS)
SAFE = replace(PLAIN, retry=Retry.SAFE, rotates=Rotates.NEVER, reuse_effect=ReuseEffect.REJECTED)
STRICT = PLAIN
MODES = {"window": "replay_window:seconds=120", "safe": "never_rotates", "strict": "strict_one_shot"}
PROVIDERS = {"window": WINDOW, "safe": SAFE, "strict": STRICT}


async def killed_at(life: Life, point: Point) -> None:
    """A keeper of another process asks for the token and is killed on the way."""
    cable = Cable(life.vault)
    other = life.another(vault=cable)
    with Killing(point, cable) as killing, pytest.raises((Killed, KeeperError)):
        await other.lease("here", "user-42")
    assert killing.fired


@pytest.mark.parametrize("point", Point)
@pytest.mark.parametrize("kind", ["window", "safe"])
async def test_keep_inv_2_a_crash_at_any_point_loses_no_grant_where_a_reply_may_be_repeated(
    kind: str, point: Point
) -> None:
    clock = FixedClock()
    async with living(PROVIDERS[kind], MODES[kind], clock=clock, claim_seconds=45) as life:
        given = await life.connect(expires_in=1)
        await killed_at(life, point)
        clock.advance(46)
        lease = await life.keeper.lease("here", "user-42")
        assert lease.token.reveal() != given.access_token
        found = await life.vault.load("", "con_user-42")
        assert found.connection.health is Health.ACTIVE
        assert not found.intents
        assert not life.chaos.ledger.killed
        clock.advance(4000)
        again = await life.keeper.lease("here", "user-42")
        assert again.version > lease.version


@pytest.mark.parametrize("point", [Point.CLAIMED, Point.JOURNALLED, Point.COMMITTING, Point.COMMITTED, Point.SERVING])
async def test_keep_inv_2_a_committed_or_journalled_rotation_survives_where_nothing_may_be_repeated(
    point: Point,
) -> None:
    clock = FixedClock()
    async with living(STRICT, "strict_one_shot", clock=clock, claim_seconds=45) as life:
        await life.connect(expires_in=1)
        await killed_at(life, point)
        clock.advance(46)
        await life.keeper.lease("here", "user-42")
        assert not life.chaos.ledger.killed
        assert not life.chaos.ledger.second_spends
        assert life.chaos.ledger.rotations == 1


@pytest.mark.parametrize("point", [Point.SENT, Point.ANSWERED])
async def test_k_14_where_the_reply_is_lost_for_good_the_user_is_asked_once_and_told_why(point: Point) -> None:
    clock = FixedClock()
    async with living(STRICT, "strict_one_shot", clock=clock, claim_seconds=45) as life:
        await life.connect(expires_in=1)
        await killed_at(life, point)
        await life.chaos.ledger.reaches(1)
        clock.advance(46)
        with pytest.raises(NeedsReauth) as told:
            await life.keeper.lease("here", "user-42")
        assert told.value.reason is Reason.GRANT_LOST
        sent = len(life.chaos.ledger.refreshes)
        for _ in range(3):
            clock.advance(600)
            with pytest.raises(NeedsReauth):
                await life.keeper.lease("here", "user-42")
        assert len(life.chaos.ledger.refreshes) == sent
        events = [one.event.what for one in await life.vault.events()]
        assert events.count("connection.needs_reauth") == 1


async def test_the_points_come_in_their_order() -> None:
    async with living() as life:
        await life.connect(expires_in=1)
        cable = Cable(life.vault)
        other = life.another(vault=cable)
        with Killing(Point.SERVING, cable) as killing, pytest.raises((Killed, KeeperError)):
            await other.lease("here", "user-42")
        assert killing.seen == list(Point)
