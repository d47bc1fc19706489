"""Committing what a spend brought: compared, fenced, all in one transaction, and tried for as long as it takes.

Before every try the vault is read again: if another refresher has moved the record on, its result is the newer one and
ours is not written. If ours still is the newer one, it is written under a new claim, however late it comes.
"""

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from evergrant.domain.secret import Secret
from evergrant.keeper.connection import Intent, Record, Step
from evergrant.keeper.decision.health import event
from evergrant.keeper.decision.letter import letter, lettered
from evergrant.keeper.decision.outcome import Case, Ending, Settled, settle
from evergrant.keeper.decision.verdict import Granted
from evergrant.keeper.decision.window import pause
from evergrant.keeper.event import What
from evergrant.keeper.provider.model import Provider
from evergrant.keeper.service import points, sealed
from evergrant.keeper.service.ground import Ground
from evergrant.keeper.service.hold import Hold
from evergrant.keeper.vault.port import Change, Fenced, Found, Missing, VaultUnavailable

LONGEST_PAUSE: Final = 5


@dataclass(frozen=True, slots=True)
class Doubted:
    """How a spend ended for good in this turn, and the connection as it is committed. *ending* None: moved on."""

    found: Found
    ending: Ending | None


class Committer:
    """Writes endings."""

    def __init__(self, ground: Ground, owner: str) -> None:
        self._ground = ground
        self._owner = owner

    async def commit(self, hold: Hold, provider: Provider, intent: Intent, ending: Ending) -> Doubted:
        """Write *ending* and give the claim up. Raises `Missing` when the connection is gone."""
        tries = 0
        while True:
            try:
                found = await self._read(hold, intent)
                record = found.records[intent.name]
                if record.version != intent.record_version or record.fingerprint != intent.fingerprint:
                    return await self._late(hold, found, intent, ending)
                points.reached(points.Point.COMMITTING)
                change = self._change(hold, found, provider, intent, ending)
                await self._ground.vault.change(change)
                hold.over = True
                points.reached(points.Point.COMMITTED)
                return Doubted(_after(found, change), ending)
            except Fenced:
                hold = await self._again(hold, intent)
            except VaultUnavailable:
                pass
            tries += 1
            await self._ground.pause(pause(tries, 1, LONGEST_PAUSE, 0.5) if tries > 1 else 0.01)

    async def close(self, hold: Hold, intent: Intent, why: str) -> Doubted:
        """Close an intent whose question has been answered otherwise, and give the claim up."""
        while True:
            found = await self._read(hold, intent)
            mine = found.intents.get(intent.name)
            if mine is None or mine.id != intent.id:
                return Doubted(found, None)
            after = replace(found.connection, version=found.connection.version + 1)
            closed = replace(mine, step=Step.CLOSED, outcome=why)
            change = Change(after, expected=found.connection.version, claim=hold.claim, intent=closed, release=True)
            try:
                await self._ground.vault.change(change)
            except Fenced:
                hold = await self._again(hold, intent)
                await self._ground.pause(0.01)
            else:
                hold.over = True
                return Doubted(_after(found, change), None)

    async def _read(self, hold: Hold, intent: Intent) -> Found:
        found = await self._ground.vault.load(hold.tenant, intent.connection_id)
        if found is None or intent.name not in found.records:
            msg = f"there is no connection {intent.connection_id} any more"
            raise Missing(msg)
        return found

    async def _again(self, hold: Hold, intent: Intent) -> Hold:
        """A claim that is good: ours, or a new one when another refresher's has ended."""
        try:
            await hold.renew()
        except Fenced:
            with suppress(VaultUnavailable):
                fresh = await Hold.take(self._ground, self._owner, hold.tenant, intent.connection_id, intent.name)
                return fresh or hold
        except VaultUnavailable:
            return hold
        return hold

    async def _late(self, hold: Hold, found: Found, intent: Intent, ending: Ending) -> Doubted:
        """The record has moved on: close what is still open of ours, and say so when tokens of ours are dropped."""
        if self._is_ours(found.records[intent.name], intent, ending):
            return Doubted(found, ending)
        after = replace(found.connection, version=found.connection.version + 1)
        now = self._ground.clock.now()
        events = [event(What.FENCED, after, now, detail=intent.id)] if isinstance(ending, Granted) else []
        open_still = found.intents.get(intent.name)
        mine = open_still if open_still is not None and open_still.id == intent.id else None
        if mine is not None or events:
            closed = replace(mine, step=Step.CLOSED, outcome="moved_on") if mine is not None else None
            change = Change(
                after, expected=found.connection.version, claim=hold.claim if mine else None, intent=closed,
                release=mine is not None, events=events,
            )  # fmt: skip
            await self._ground.vault.change(change)
            hold.over = hold.over or mine is not None
            return Doubted(_after(found, change), None)
        return Doubted(found, None)

    def _is_ours(self, record: Record, intent: Intent, ending: Ending) -> bool:
        """Whether the record holds what *ending* brought: a commit that was told to have failed, and had not."""
        if not isinstance(ending, Granted) or record.version != intent.record_version + 1:
            return False
        refresh = ending.tokens[record.name].refresh
        return refresh is not None and self._ground.sealer.fingerprint(refresh.reveal()) == record.fingerprint

    def _change(self, hold: Hold, found: Found, provider: Provider, intent: Intent, ending: Ending) -> Change:
        record = found.records[intent.name]
        current = found.intents.get(intent.name)
        if current is None or current.id != intent.id:
            current = intent
        settled = settle(self._case(found, record, provider, current, ending), ending)
        closed = replace(current, step=Step.CLOSED, outcome=settled.outcome) if settled.outcome else current
        return Change(
            settled.connection,
            expected=found.connection.version,
            records=[self._sealed(hold.tenant, record, settled)],
            claim=hold.claim,
            intent=closed,
            release=True,
            events=settled.events,
            letters=[letter(one, settled.connection, self._letter_id()) for one in settled.events if lettered(one)],
        )

    def _case(self, found: Found, record: Record, provider: Provider, intent: Intent, ending: Ending) -> Case:
        settings = self._ground.settings
        fingerprint = ""
        if isinstance(ending, Granted) and ending.tokens[record.name].refresh is not None:
            fingerprint = self._ground.sealer.fingerprint(_text(ending.tokens[record.name].refresh))
        return Case(
            connection=found.connection,
            record=record,
            records=found.records,
            provider=provider,
            intent=intent,
            now=self._ground.clock.now(),
            lot=int.from_bytes(self._ground.entropy.draw(4), "big") / 2**32,
            least=settings.backoff_least,
            most=settings.backoff_most,
            fingerprint=fingerprint,
            certain=not self._ground.clock.suspect,
        )

    def _sealed(self, tenant: str, old: Record, settled: Settled) -> Record:
        """The record to write: new tokens sealed at its new version, or untouched."""
        tokens = settled.tokens
        if tokens is None:
            return settled.record
        sealer = self._ground.sealer
        before = sealed.refresh_of(sealer, tenant, old)
        return sealed.with_tokens(
            sealer,
            tenant,
            settled.record,
            access=sealed.access_of(sealer, tenant, old) if settled.keep_access else tokens.access,
            refresh=tokens.refresh or before,
            previous=before if settled.previous_until else None,
            previous_until=settled.previous_until,
            key=sealed.key_of(sealer, tenant, old),
        )

    def _letter_id(self) -> str:
        return f"evt_{self._ground.draw(12)}"


def _after(found: Found, change: Change) -> Found:
    """The connection as *change* has left it."""
    records = {**found.records, **{record.name: record for record in change.records}}
    intents = dict(found.intents)
    if change.intent is not None:
        intents[change.intent.name] = change.intent
    still = {name: intent for name, intent in intents.items() if intent.step is not Step.CLOSED}
    return replace(found, connection=change.connection, records=records, intents=still)


def _text(secret: Secret | None) -> str:
    return secret.reveal() if secret is not None else ""
