"""Ending doubts: what the decision says about an open intent is done here, under the claim, in one turn.

A turn sends the same refresh token again once at most. A doubt that stays one is committed as such, with the moment of
the next try, and the connection's access token goes on being served for as long as it is good.
"""

from collections.abc import Awaitable
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Protocol

from evergrant.keeper.connection import Intent, Reason, Step
from evergrant.keeper.decision.doubt import Probed, Resolution, Way, resolve
from evergrant.keeper.decision.health import event
from evergrant.keeper.decision.outcome import Ending, GaveUp, Missing
from evergrant.keeper.decision.verdict import ScopeRefused, Unknown
from evergrant.keeper.event import What
from evergrant.keeper.service.commit import Committer, Doubted
from evergrant.keeper.service.ground import Ground
from evergrant.keeper.service.hold import Hold
from evergrant.keeper.service.spend import Spender
from evergrant.keeper.vault.port import Change, Fenced

if TYPE_CHECKING:
    from evergrant.keeper.service.refresh import Spot

MOST_STEPS: Final = 6
STILL_IN_DOUBT: Final = "nobody knows whether the refresh token was spent"


class Spend(Protocol):
    """One request under a written intent."""

    def __call__(self, hold: Hold, spot: "Spot", intent: Intent, *, with_scope: bool = True) -> Awaitable[Ending]: ...


class Recoverer:
    """Brings an intent to an end that can be committed."""

    def __init__(self, ground: Ground, spender: Spender, committer: Committer) -> None:
        self._ground = ground
        self._spender = spender
        self._committer = committer

    async def settle(self, hold: Hold, spot: "Spot", intent: Intent, ending: Ending | None, spend: Spend) -> Doubted:
        """Commit *ending*, or resolve the doubt that it is (None: found open) and commit how that ends."""
        if isinstance(ending, ScopeRefused):
            intent = await self._reopen(hold, intent, replays=intent.replays)
            ending = await spend(hold, spot, intent, with_scope=False)
        if ending is not None and not _doubtful(ending):
            return await self._committer.commit(hold, spot.provider, intent, ending)
        return await self._resolved(hold, spot, intent, ending, spend)

    async def renewed(self, hold: Hold, intent: Intent) -> Intent:
        """An intent of ours under which nothing was sent, with a new deadline and under this claim."""
        return await self._reopen(hold, intent, replays=intent.replays)

    async def _resolved(self, hold: Hold, spot: "Spot", intent: Intent, ending: Ending | None, spend: Spend) -> Doubted:
        probed, repeated, until = Probed.NOT_ASKED, False, 0
        for _ in range(MOST_STEPS):
            read = self._spender.reading(hold.tenant, spot.provider, spot.record, intent) if ending is None else None
            way = self._way(spot, intent, readable=read is not None, probed=probed)
            if way.way is Way.PROBE:
                probed = await self._spender.probe(spot.provider, spot.connection, spot.record)
            elif way.way is Way.REPLAY and not repeated:
                repeated = True
                intent = await self._reopen(hold, intent, replays=intent.replays + 1)
                ending = await spend(hold, spot, intent)
                if not _doubtful(ending):
                    return await self._committer.commit(hold, spot.provider, intent, ending)
            elif way.way is Way.COMMIT and read is not None:
                return await self._committer.commit(hold, spot.provider, intent, read)
            elif way.way is Way.GIVE_UP:
                return await self._committer.commit(hold, spot.provider, intent, GaveUp(way.reason, way.why))
            elif way.way is Way.CLOSE:
                return await self._committer.close(hold, intent, way.why)
            else:
                until = way.until
                break
        why = STILL_IN_DOUBT if ending is None else told(ending)
        return await self._committer.commit(hold, spot.provider, intent, Missing(why, until))

    def _way(self, spot: "Spot", intent: Intent, *, readable: bool, probed: Probed) -> Resolution:
        now = self._ground.clock.now()
        return resolve(intent, spot.record, spot.provider, now, readable=readable, probed=probed)

    async def _reopen(self, hold: Hold, intent: Intent, *, replays: int) -> Intent:
        """Note that the same token is about to be sent once more. If that fails, it is not sent."""
        await hold.renew()
        found = await self._ground.vault.load(hold.tenant, intent.connection_id)
        if found is None or intent.name not in found.intents or found.intents[intent.name].id != intent.id:
            msg = f"the intent of {intent.connection_id} has ended meanwhile"
            raise Fenced(msg)
        stored = found.intents[intent.name]
        again = replace(
            stored,
            step=Step.OPEN,
            replays=replays,
            fence=hold.claim.fence,
            deadline=self._ground.clock.now() + int(self._ground.settings.request_seconds),
        )
        after = replace(found.connection, version=found.connection.version + 1)
        told = event(What.REPLAYED, after, self._ground.clock.now(), reason=Reason.REFRESH_IN_DOUBT.value)
        events = [told] if replays > intent.replays else []
        change = Change(after, expected=found.connection.version, claim=hold.claim, intent=again, events=events)
        await self._ground.vault.change(change)
        return again


def _doubtful(ending: Ending) -> bool:
    return isinstance(ending, Missing) or (isinstance(ending, Unknown) and ending.spent)


def told(ending: Ending) -> str:
    """What a doubtful ending said."""
    if isinstance(ending, Missing):
        return ending.detail
    return ending.code if isinstance(ending, Unknown) else STILL_IN_DOUBT
