"""From an authorization that was allowed to a connection that stands: one spend, journalled, judged, committed.

A code is worth one exchange (RFC 6749 section 4.1.2). So the exchange is noted before it is made, and its reply is
journalled, sealed, with all that it is judged by, before anybody reads it: a crash afterwards loses no grant.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from evergrant.keeper.connection import Claim, Intent, Step
from evergrant.keeper.decision.answer import read
from evergrant.keeper.decision.verdict import Busy, ClientRefused, Dead, Granted, Verdict
from evergrant.keeper.errors import CallbackRefused
from evergrant.keeper.exchange import Answer, Asked, Lost, NotSent
from evergrant.keeper.provider.model import Provider
from evergrant.keeper.sealing import Unreadable
from evergrant.keeper.service import proving, replied
from evergrant.keeper.service.committing import Committing
from evergrant.keeper.service.facts import Facts
from evergrant.keeper.service.ground import Ground
from evergrant.keeper.service.identity import Identity
from evergrant.keeper.service.replied import Journalled
from evergrant.keeper.service.requested import Requested
from evergrant.keeper.service.told import Connected
from evergrant.keeper.vault.port import Change, Fenced, Found, Missing, VaultUnavailable

NAME: Final = "authorization"
"""The name under which the exchange of a code is claimed and intended; no token record has it."""
SENDS: Final = 3
"""A request that surely did not reach the provider is sent at most this often in all."""
CLOSINGS: Final = 40
JOURNALLINGS: Final = 12
"""About twenty seconds; then the commit is tried all the same."""
WAIT: Final = 0.25


class Landing:
    """One per keeper."""

    def __init__(self, ground: Ground, facts: Facts, committing: Committing) -> None:
        self._ground = ground
        self._facts = facts
        self._committing = committing
        self._identity = Identity(ground)
        self._owner = ground.draw(16)
        self._under_way: set[asyncio.Task[Connected]] = set()

    async def exchange(self, asked: Asked, spent: str, given: Requested, kept: Mapping[str, str]) -> Connected:
        """Spend the code *spent* with the request *asked*, once.

        Raises `CallbackRefused` (exchange_failed, account_changed, no_refresh_token); what worked before works on.
        """
        return await self._unbroken(self._exchanged(asked, spent, given, kept))

    async def land(self, answer: Answer, spent: str, given: Requested) -> Connected:
        """The same for an answer that is here already: that of the last poll for a device."""
        return await self._unbroken(self._taken_in(answer, spent, given))

    async def rest(self, seconds: float) -> None:
        """Wait until everything that was begun has ended, at most *seconds*."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=seconds)

    async def _unbroken(self, work: Coroutine[Any, Any, Connected]) -> Connected:
        """Go on when the caller has gone: a browser that closes must not cost a grant that it was given."""
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: "asyncio.Task[Connected]") -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # whoever asked was told; if they have gone, nobody is left to tell

    async def _exchanged(self, asked: Asked, spent: str, given: Requested, kept: Mapping[str, str]) -> Connected:
        claim = await self._claimed(given)
        try:
            intent = await self._noted(claim, spent)
            answer = await self._sent(asked, given)
            return await self._journalled_and_landed(Journalled(given, dict(kept), answer), intent)
        finally:
            await self._release(claim)

    async def _taken_in(self, answer: Answer, spent: str, given: Requested) -> Connected:
        claim = await self._claimed(given)
        try:
            intent = await self._noted(claim, spent)
            return await self._journalled_and_landed(Journalled(given, {}, answer), intent)
        finally:
            await self._release(claim)

    async def recover(self, tenant: str, connection_id: str) -> bool:
        """End what a crash left between an exchange and its commit; whether the connection stands thereby.

        A journalled reply is judged and committed. A code without a reply may have been spent, and is never sent
        again (RFC 6749 section 10.5): the user is asked once more.
        """
        claim = await self._ground.vault.claim(connection_id, NAME, self._owner, self._ground.settings.claim_seconds)
        if claim is None:
            return False
        try:
            found = await self._ground.vault.load(tenant, connection_id)
            intent = found.intents.get(NAME) if found is not None else None
            return found is not None and intent is not None and await self._recovered(found, intent)
        finally:
            await self._release(claim)

    async def _release(self, claim: Claim) -> None:
        with suppress(VaultUnavailable):  # then it runs out by itself
            await self._ground.vault.release(claim)

    async def _recovered(self, found: Found, intent: Intent) -> bool:
        if intent.step is not Step.ANSWERED:
            await self._close(found, intent, "lost")
            return False
        try:
            kept = replied.opened(intent, found.connection.tenant, self._ground.sealer)
        except Unreadable:
            return False  # a key may be missing for now
        try:
            await self._landed(kept, intent)
        except CallbackRefused:
            return False
        return True

    async def _claimed(self, given: Requested) -> Claim:
        """The right to finish this connection, after whatever was left open before. Waits for another who finishes."""
        seconds = self._ground.settings.claim_seconds
        for _ in range(int((seconds + 1) / WAIT)):
            try:
                claim = await self._ground.vault.claim(given.connection_id, NAME, self._ground.draw(16), seconds)
            except Missing:
                msg = "the connection was deleted meanwhile; start again"
                raise CallbackRefused(msg, "unknown_state") from None
            if claim is not None:
                await self._tidied(given)
                return claim
            await self._ground.pause(WAIT)
        msg = "somebody is finishing the same connection; look whether it stands, or start again"
        raise CallbackRefused(msg, "exchange_failed")

    async def _tidied(self, given: Requested) -> None:
        found = await self._ground.vault.load(given.tenant, given.connection_id)
        if found is None or NAME not in found.intents:
            return
        if not await self._recovered(found, found.intents[NAME]):
            await self._end(given, "overtaken")

    async def _noted(self, claim: Claim, spent: str) -> Intent:
        now = self._ground.clock.now()
        intent = Intent(
            id="int_" + self._ground.draw(16),
            connection_id=claim.connection_id,
            name=NAME,
            record_version=0,
            fingerprint=self._ground.sealer.fingerprint(spent),
            fence=claim.fence,
            written_at=now,
            deadline=now + int(self._ground.settings.request_seconds),
            retry="no",
        )
        try:
            await self._ground.vault.intend(claim, intent, 0)
        except Fenced:
            msg = "this took too long; nothing was sent, start again"
            raise CallbackRefused(msg, "exchange_failed") from None
        return intent

    async def _sent(self, asked: Asked, given: Requested) -> Answer:
        for turn in range(SENDS):
            try:
                return await proving.send(
                    self._ground, asked, given.proof_key, lambda: self._ground.settings.request_seconds
                )
            except NotSent:
                if turn + 1 < SENDS:
                    await self._ground.pause(WAIT * (turn + 1))
            except Lost:
                break
        await self._end(given, "lost")
        msg = "the provider could not be reached to finish; nothing was changed, start again"
        raise CallbackRefused(msg, "exchange_failed")

    async def _journalled_and_landed(self, kept: Journalled, intent: Intent) -> Connected:
        now = self._ground.clock.now()
        sealed = replied.sealed(kept, intent, self._ground.sealer)
        await self._journal(intent, sealed, now)
        return await self._landed(kept, replace(intent, step=Step.ANSWERED, reply=sealed, answered_at=now))

    async def _journal(self, intent: Intent, sealed: bytes, now: int) -> None:
        """Journal, and try for a while: the code is spent, so that this reply is all there is of the grant."""
        for turn in range(JOURNALLINGS):
            try:
                await self._ground.vault.journal(intent.id, sealed, now)
            except VaultUnavailable:
                await self._ground.pause(WAIT * (turn + 1))
            else:
                return

    async def _landed(self, kept: Journalled, intent: Intent) -> Connected:
        given = kept.given
        try:
            provider, granted = await self._granted(kept)
            ours = self._ground.client(given.client)
            named = await self._identity.of(provider, ours, kept.answer, granted, given)
            return await self._committing.commit(kept, provider, granted, named, intent)
        except CallbackRefused:
            await self._end(given, "refused")
            raise

    async def _granted(self, kept: Journalled) -> tuple[Provider, Granted]:
        given = kept.given
        found = await self._ground.vault.load(given.tenant, given.connection_id)
        if found is None:
            msg = "the connection was deleted meanwhile"
            raise CallbackRefused(msg, "exchange_failed")
        ours = self._ground.client(given.client)
        provider = self._facts.of(ours, found.connection, given.values, kept.kept)
        names = [record.name for record in provider.records]
        verdict = read(provider, kept.answer, records=names, asked=given.scopes)
        if not isinstance(verdict, Granted):
            raise CallbackRefused(_sentence(provider, verdict), "exchange_failed")
        return provider, verdict

    async def _end(self, given: Requested, outcome: str) -> None:
        found = await self._ground.vault.load(given.tenant, given.connection_id)
        if found is not None and NAME in found.intents:
            await self._close(found, found.intents[NAME], outcome)

    async def _close(self, found: Found, intent: Intent, outcome: str) -> None:
        """Close the intent and forget its reply; a rival's change in between is read again."""
        closed = replace(intent, step=Step.CLOSED, outcome=outcome, reply=b"", earlier=())
        for _ in range(CLOSINGS):
            connection = found.connection
            try:
                # The version stays: a refresh that is under way loses nothing by this.
                await self._ground.vault.change(Change(connection, connection.version, intent=closed))
            except Fenced:
                again = await self._ground.vault.load(connection.tenant, connection.id)
                if again is None:
                    return
                found = again
            else:
                return


def _sentence(provider: Provider, verdict: Verdict) -> str:
    told = {
        Dead: "did not take the code: it is too old, or was used before; start again",
        ClientRefused: "refuses this application's client id or secret; the operator has to look at them",
        Busy: "is busy; start again in a while",
    }
    return (
        f"{provider.name} {told.get(type(verdict), 'gave no usable answer; start again')} ({verdict.code})"
        if not isinstance(verdict, Granted)
        else ""
    )
