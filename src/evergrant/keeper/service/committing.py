"""Committing an authorization that was allowed: judged against the vault as it is then, in one transaction."""

from contextlib import suppress
from dataclasses import replace
from typing import Final

from evergrant.domain.secret import Secret
from evergrant.keeper.connection import Connection, Intent, Reason, Record, Step
from evergrant.keeper.decision.allowed import Allowed, Standing, Turned, judge
from evergrant.keeper.decision.health import event
from evergrant.keeper.decision.letter import letter, lettered
from evergrant.keeper.decision.verdict import Granted
from evergrant.keeper.errors import CallbackRefused, RefreshInProgress
from evergrant.keeper.event import Event, Letter, What
from evergrant.keeper.provider.model import Provider
from evergrant.keeper.sealing import Unreadable
from evergrant.keeper.service.going_away import Pair
from evergrant.keeper.service.ground import Ground
from evergrant.keeper.service.identity import Named
from evergrant.keeper.service.replied import Journalled
from evergrant.keeper.service.sealed import key_of, refresh_of, with_tokens
from evergrant.keeper.service.telling import Telling
from evergrant.keeper.service.told import Connected
from evergrant.keeper.vault.port import Change, Fenced, Found, Missing

TRIES: Final = 20
WAITS: Final = 120
WAIT: Final = 0.25


class Committing:
    """Judges, seals, writes; and says farewell to the authorization that was replaced."""

    def __init__(self, ground: Ground, telling: Telling) -> None:
        self._ground = ground
        self._telling = telling

    async def commit(
        self, kept: Journalled, provider: Provider, granted: Granted, named: Named, intent: Intent
    ) -> Connected:
        """The connection that stands. Raises `CallbackRefused`; then nothing of the answer was kept."""
        await self._quiet(kept)
        for _ in range(TRIES):
            found = await self._found(kept)
            outcome = judge(self._allowed(kept, provider, granted, named, found))
            if isinstance(outcome, Turned):
                await self._turned(found, outcome)
                if outcome.end:
                    await self._unwanted(kept, provider, granted)
                raise CallbackRefused(outcome.sentence, outcome.code)
            replaced = self._replaced(found, outcome, granted)
            try:
                await self._ground.vault.change(self._change(found, outcome, granted, intent, kept.given.proof_key))
            except Fenced:
                continue
            except Missing:
                msg = "the connection was deleted meanwhile"
                raise CallbackRefused(msg, "exchange_failed") from None
            await self._farewell(kept, provider, outcome, replaced)
            return Connected(
                connection=outcome.connection,
                return_to=kept.given.return_to,
                reconnected=outcome.reconnected,
                missing=outcome.missing,
                refreshable=not outcome.advice,
                advice=outcome.advice,
            )
        msg = "the connection is being changed by others all the time; the answer is kept and finished later"
        raise RefreshInProgress(msg, 1, Reason.NONE)

    async def _quiet(self, kept: Journalled) -> None:
        """Wait until nobody refreshes the old grant: its rotated token would be lost, and could not be revoked."""
        for _ in range(WAITS):
            found = await self._found(kept)
            if not set(found.records) & set(found.claims):
                return
            await self._ground.pause(WAIT)

    async def _found(self, kept: Journalled) -> Found:
        found = await self._ground.vault.load(kept.given.tenant, kept.given.connection_id)
        if found is None:
            msg = "the connection was deleted meanwhile"
            raise CallbackRefused(msg, "exchange_failed")
        return found

    def _allowed(self, kept: Journalled, provider: Provider, granted: Granted, named: Named, found: Found) -> Allowed:
        given = kept.given
        return Allowed(
            connection=found.connection,
            records=found.records,
            provider=provider,
            granted=granted,
            subject=named.subject,
            label=named.label,
            user=given.user,
            scopes=given.scopes,
            now=self._ground.clock.now(),
            sent_at=kept.answer.sent_at,
            tags=given.tags,
            fields={**given.values, **kept.kept},
            offline=given.offline,
            anew=given.anew,
            hand_over=given.hand_over,
        )

    def _change(
        self, found: Found, outcome: Standing, granted: Granted, intent: Intent, key: Secret | None
    ) -> Change:  # fmt: skip
        return Change(
            connection=outcome.connection,
            expected=found.connection.version,
            records=[self._with_tokens(found, record, outcome, granted, key) for record in outcome.records],
            intent=replace(intent, step=Step.CLOSED, outcome="connected", reply=b"", earlier=()),
            events=outcome.events,
            letters=self._letters(outcome.connection, outcome.events),
        )

    def _with_tokens(
        self, found: Found, record: Record, outcome: Standing, granted: Granted, key: Secret | None
    ) -> Record:  # fmt: skip
        sealer, tenant = self._ground.sealer, found.connection.tenant
        tokens = granted.tokens[record.name]
        carried = record.name in outcome.carried
        refresh = refresh_of(sealer, tenant, found.records[record.name]) if carried else tokens.refresh
        if carried:  # the old refresh token is bound to the old key, if to any
            key = key_of(sealer, tenant, found.records[record.name])
        return with_tokens(sealer, tenant, record, access=tokens.access, refresh=refresh, key=key)

    def _letters(self, connection: Connection, events: tuple[Event, ...]) -> list[Letter]:
        return [letter(one, connection, "let_" + self._ground.draw(16)) for one in events if lettered(one)]

    async def _turned(self, found: Found, turned: Turned) -> None:
        """Say so in the audit trail; where nothing works yet, the next attempt needs to know why this one failed."""
        connection = found.connection
        now = self._ground.clock.now()
        if turned.reason is Reason.ACCOUNT_CHANGED:
            told = event(What.SUBJECT_REFUSED, connection, now, reason=turned.reason.value)
            await self._ground.vault.note([told])
        if turned.reason is Reason.NO_REFRESH_TOKEN and not found.records:
            after = replace(connection, reason=turned.reason)
            with suppress(Fenced):  # whoever changed it knows better
                await self._ground.vault.change(Change(after, connection.version))

    async def _unwanted(self, kept: Journalled, provider: Provider, granted: Granted) -> None:
        """Whoever disconnected while the provider was asked wants nothing to be left there."""
        ours = self._ground.client(kept.given.client)
        for tokens in granted.tokens.values():
            await self._telling.tell(ours, provider, Pair(tokens.access, tokens.refresh))

    def _replaced(self, found: Found, outcome: Standing, granted: Granted) -> list[tuple[str, Pair]]:
        """The refresh tokens that nobody holds after the commit, with their fingerprints."""
        sealer = self._ground.sealer
        new = {sealer.fingerprint(one.refresh.reveal()) for one in granted.tokens.values() if one.refresh is not None}
        gone = []
        for record in outcome.records:
            old = found.records.get(record.name)
            if old is None or record.name in outcome.carried or old.fingerprint in {"", *new, *old.dead}:
                continue
            try:
                gone.append((old.fingerprint, Pair(None, refresh_of(sealer, found.connection.tenant, old))))
            except Unreadable:
                continue  # what cannot be opened cannot be revoked either
        return gone

    async def _farewell(
        self, kept: Journalled, provider: Provider, outcome: Standing, replaced: list[tuple[str, Pair]]
    ) -> None:
        """Revoke the replaced authorization, where that spares the new one; failing is told and changes nothing."""
        if not provider.revoke.ends_only_itself:
            return
        ours = self._ground.client(kept.given.client)
        for fingerprint, pair in replaced:
            if await self._ground.vault.holders(fingerprint):
                continue
            gone, code = await self._telling.tell(ours, provider, pair)
            if not gone:
                now = self._ground.clock.now()
                failed = event(What.REVOKE_FAILED, outcome.connection, now, detail=f"the replaced grant: {code}")
                await self._ground.vault.note([failed])
