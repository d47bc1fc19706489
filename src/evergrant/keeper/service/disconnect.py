"""Disconnecting in two steps: tokens are no longer handed out, then the provider is told and the tokens are shredded.

What the provider could not be told stays visible as `revoking` and is tried again, for as long as it takes.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from enum import StrEnum
from typing import Final

from evergrant.keeper.connection import Claim, Connection, Health, Reason, Record, Step
from evergrant.keeper.decision.allowed import living
from evergrant.keeper.decision.health import event, moved
from evergrant.keeper.decision.letter import letter, lettered
from evergrant.keeper.errors import BadRequest, KeeperError, NotUsable, TryLater
from evergrant.keeper.event import Event, What
from evergrant.keeper.provider.model import Provider, Revoke, RevokeVerb
from evergrant.keeper.sealing import Unreadable
from evergrant.keeper.service.facts import Facts
from evergrant.keeper.service.finding import Finding
from evergrant.keeper.service.going_away import Pair
from evergrant.keeper.service.ground import Ground, steady
from evergrant.keeper.service.sealed import access_of, refresh_of, with_tokens
from evergrant.keeper.service.telling import Telling
from evergrant.keeper.service.told import Ends, Sibling
from evergrant.keeper.vault.port import Change, Fenced, Found, VaultUnavailable, Wanted

TRIES: Final = 20
WAIT: Final = 0.25
LEAST, MOST = 60, 86_400
SOON: Final = 60
"""An access token with less than so many seconds is renewed before it is used to say farewell."""
PAGE: Final = 500


class Siblings(StrEnum):
    """What becomes of other connections that would end with this one."""

    REFUSE = "refuse"
    """Nothing is done while there are any."""
    SPARE = "spare"
    """Only our copy is shredded; the provider is not told."""
    END = "end"
    """The provider is told, and whatever ends with it ends."""


Freshen = Callable[[Connection], Awaitable[object]]


class Disconnect:
    """*freshen* renews an access token, for providers that are told with one; None where nobody can."""

    def __init__(
        self, ground: Ground, facts: Facts, finding: Finding, telling: Telling, freshen: Freshen | None = None
    ) -> None:
        self._ground = ground
        self._facts = facts
        self._finding = finding
        self._telling = telling
        self._freshen = freshen

    @steady
    async def what_ends(self, client: str, account: str, *, tenant: str = "") -> Ends:
        """What disconnecting would end, for people to read before they do it."""
        return await self._ends(await self._finding.named(client, account, tenant))

    @steady
    async def disconnect(
        self,
        client: str,
        account: str,
        *,
        tenant: str = "",
        siblings: Siblings | str = Siblings.REFUSE,
        by: Reason = Reason.BY_USER,
    ) -> Connection:
        """The connection, revoked, or revoking while the provider could not be told.

        Raises `BadRequest` when others would end with it and nobody said that they may, `UnknownConnection`.
        """
        found = await self._finding.named(client, account, tenant)
        if found.connection.health is Health.REVOKED:
            return found.connection
        ends = await self._ends(found)
        silent = Siblings(siblings) is Siblings.SPARE or ends.elsewhere
        if ends.siblings and Siblings(siblings) is Siblings.REFUSE:
            named = ", ".join(one.account for one in ends.siblings[:5])
            msg = f"{named} would end with {account}; spare them (the provider is not told) or end them too"
            raise BadRequest(msg)
        await self._freshened(found)
        claims = await self._quiet(found)
        try:
            found = await self._marked(found, by, silent=silent)
            return await self._told(found, silent=silent)
        except Fenced:  # somebody else was faster, and has said so to the provider
            return (await self._finding.named(client, account, tenant)).connection
        finally:
            for claim in claims:
                with suppress(VaultUnavailable):  # then it runs out by itself
                    await self._ground.vault.release(claim)

    async def resume(self, *, limit: int = 100) -> int:
        """Try again what is due, of all tenants; how many are revoked now. For the background."""
        done = 0
        for tenant, connection_id in await self._ground.vault.revoking(self._ground.clock.now(), limit=limit):
            found = await self._ground.vault.load(tenant, connection_id)
            if found is None or found.connection.health is not Health.REVOKING:
                continue
            try:
                after = await self._told(found, silent=found.connection.detail == SILENT)
            except (Fenced, KeeperError):
                continue  # it stays revoking, and due
            done += after.health is Health.REVOKED
        return done

    @steady
    async def forget(self, client: str, account: str, *, tenant: str = "") -> None:
        """Take a revoked connection, or one that never stood, away with all that is left of it. Raises `NotUsable`."""
        found = await self._finding.named(client, account, tenant)
        connection = found.connection
        if connection.health not in {Health.REVOKED, Health.PENDING_CONSENT}:
            msg = f"{account} at {client} is {connection.health}; disconnect it first"
            raise NotUsable(msg, connection.health, connection.reason)
        gone = event(What.DELETED, connection, self._ground.clock.now())
        await self._ground.vault.remove(tenant, connection.id, [gone])

    # ---- what would end

    async def _ends(self, found: Found) -> Ends:
        connection = found.connection
        revoke = self._revoke(connection)
        same: dict[str, bool] = {}
        elsewhere = False
        for record in found.records.values():
            for tenant, key, _ in await self._ground.vault.holders(record.fingerprint) if record.fingerprint else []:
                if tenant != connection.tenant:
                    elsewhere = True
                elif key != connection.id:
                    same[key] = True
        if revoke.ends_only_itself is False and connection.subject:
            for key in await self._same_account(connection):
                same.setdefault(key, False)
        siblings = [await self._sibling(connection.tenant, key, sure=sure) for key, sure in sorted(same.items())]
        told = revoke.verb is not RevokeVerb.NONE
        return Ends(connection.id, told, revoke.blast_radius, tuple(one for one in siblings if one), elsewhere)

    async def _same_account(self, connection: Connection) -> list[str]:
        found: list[str] = []
        after = ""
        while True:
            page = await self._ground.vault.search(
                Wanted(connection.tenant, client=connection.client), after=after, limit=PAGE
            )
            found += [
                one.id
                for one in page
                if one.id != connection.id and one.subject == connection.subject and one.health not in _OVER
            ]
            if len(page) < PAGE:
                return found
            after = page[-1].id

    async def _sibling(self, tenant: str, key: str, *, sure: bool) -> Sibling | None:
        found = await self._ground.vault.load(tenant, key)
        return Sibling(key, found.connection.account, sure) if found is not None else None

    # ---- the two steps

    async def _freshened(self, found: Found) -> None:
        """A provider that is told with an access token needs one that lives."""
        revoke = self._revoke(found.connection)
        if self._freshen is None or not ("bearer" in revoke.auth or revoke.verb is RevokeVerb.API_CALL):
            return
        soon = self._ground.clock.now() + SOON
        if any(record.refresh_token and 0 < record.expires_at <= soon for record in found.records.values()):
            try:
                await self._freshen(found.connection)
            except KeeperError:
                return  # then it is told with what there is

    async def _quiet(self, found: Found) -> list[Claim]:
        """Nobody may rotate the token that is about to be revoked: its successor would be lost, and live on."""
        claims = []
        owner = self._ground.draw(16)
        turns = int((self._ground.settings.claim_seconds + 1) / WAIT)
        for name in found.records:
            for _ in range(turns):
                claim = await self._ground.vault.claim(
                    found.connection.id, name, owner, self._ground.settings.claim_seconds
                )
                if claim is not None:
                    claims.append(claim)
                    break
                await self._ground.pause(WAIT)
        return claims

    async def _marked(self, found: Found, by: Reason, *, silent: bool) -> Found:
        for _ in range(TRIES):
            now = self._ground.clock.now()
            again = await self._ground.vault.load(found.connection.tenant, found.connection.id)
            if again is None or again.connection.health is Health.REVOKED:
                return again or found
            risen = replace(again.connection, version=again.connection.version + 1, failures=0, retry_at=now + LEAST)
            after, events = moved(risen, Health.REVOKING, by, now, detail=SILENT if silent else "")
            try:
                await self._ground.vault.change(Change(after, again.connection.version, events=events))
            except Fenced:
                continue
            return replace(again, connection=after)
        msg = f"{found.connection.account} is being changed all the time; nothing was done, try again"
        raise TryLater(msg, 1, Reason.NONE)

    async def _told(self, found: Found, *, silent: bool) -> Connection:
        connection = found.connection
        problems = [] if silent else await self._problems(found)
        if problems:
            return await self._failed(found, problems[0])
        now = self._ground.clock.now()
        risen = replace(connection, version=connection.version + 1, failures=0, retry_at=0)
        after, events = moved(risen, Health.REVOKED, connection.reason, now, detail=connection.detail)
        await self._written(found, after, events, [self._shredded(found, one) for one in found.records.values()])
        await self._forgotten(after)
        return after

    async def _problems(self, found: Found) -> list[str]:
        connection = found.connection
        try:
            ours = self._ground.client(connection.client)
            provider = self._provider(connection)
        except KeeperError as error:
            return [str(error)[:120]]
        problems = []
        now = self._ground.clock.now()
        for record in found.records.values():
            if not living(record) and 0 < record.expires_at <= now:
                continue  # nothing of it works any more
            try:
                pair = Pair(
                    access_of(self._ground.sealer, connection.tenant, record),
                    refresh_of(self._ground.sealer, connection.tenant, record),
                )
            except Unreadable:
                problems.append(Reason.RECORD_UNREADABLE.value)
                continue
            gone, code = await self._telling.tell(ours, provider, pair)
            if not gone:
                problems.append(code)
        return problems

    async def _failed(self, found: Found, problem: str) -> Connection:
        now = self._ground.clock.now()
        old = found.connection
        wait = min(LEAST * 2 ** min(old.failures, 12), MOST)
        after = replace(
            old, version=old.version + 1, failures=old.failures + 1, retry_at=now + wait, detail=problem[:200]
        )
        told = event(What.REVOKE_FAILED, after, now, reason=old.reason.value, detail=problem[:200])
        await self._written(found, after, (told,), [])
        return after

    async def _written(self, found: Found, after: Connection, events: tuple[Event, ...], records: list[Record]) -> None:
        letters = [letter(one, after, "let_" + self._ground.draw(16)) for one in events if lettered(one)]
        await self._ground.vault.change(
            Change(after, found.connection.version, records=records, events=events, letters=letters)
        )

    def _shredded(self, found: Found, record: Record) -> Record:
        """Each envelope holds its own data key, so that dropping it leaves nothing that any key could open."""
        bare = replace(record, version=record.version + 1, expires_at=0, refresh_idle_end=0, refresh_hard_end=0)
        return with_tokens(self._ground.sealer, found.connection.tenant, bare, access=None, refresh=None)

    async def _forgotten(self, connection: Connection) -> None:
        """Replies that were journalled and never committed hold tokens too."""
        found = await self._ground.vault.load(connection.tenant, connection.id)
        for intent in found.intents.values() if found is not None else ():
            closed = replace(intent, step=Step.CLOSED, outcome="revoked", reply=b"", earlier=())
            await self._ground.vault.change(Change(connection, connection.version, intent=closed))

    def _revoke(self, connection: Connection) -> Revoke:
        """How the provider is told; nothing, while its client is not among ours any more."""
        try:
            return self._provider(connection).revoke
        except KeeperError:
            return Revoke()

    def _provider(self, connection: Connection) -> Provider:
        return self._facts.of(self._ground.client(connection.client), connection)


SILENT: Final = "the provider is not told: others hold the same grant"
_OVER: Final = frozenset({Health.REVOKED, Health.PENDING_CONSENT})
