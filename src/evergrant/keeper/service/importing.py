"""Taking over tokens that exist already: sealed, and not spent by that.

A refresh token that two connections hold is refreshed by both, and where it rotates each refresh kills the other's. So
one that is held already is refused, unless the provider never rotates and the caller says that it is meant.
"""

import json
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from evergrant.domain.secret import Secret
from evergrant.keeper.connection import MAIN, Connection, Health, Origin, Reason, Record
from evergrant.keeper.decision.health import event, moved
from evergrant.keeper.errors import AlreadyConnected, BadRequest, KeeperError
from evergrant.keeper.event import What
from evergrant.keeper.keyring import Keyring
from evergrant.keeper.provider.model import Provider, Rotates
from evergrant.keeper.service import rows
from evergrant.keeper.service.exporting import OWN, opened
from evergrant.keeper.service.facts import Facts
from evergrant.keeper.service.finding import check_names
from evergrant.keeper.service.ground import Ground, steady
from evergrant.keeper.service.sealed import with_tokens
from evergrant.keeper.service.told import Line, Report
from evergrant.keeper.vault.port import Change, Fenced, Found

ASSUMED: Final = 3_600
"""Seconds an access token is taken to live that came without an end and without a refresh token."""
LONGEST_TOKEN: Final = 16_384
LONGEST_LINE: Final = 131_072
LONGEST_NAME: Final = 100
MILLISECONDS: Final = 100_000_000_000
"""An instant as large as this is in milliseconds."""


@dataclass(frozen=True, slots=True)
class Existing:
    """Tokens of one account as somebody else kept them. *expires_at* in seconds since the epoch, 0: nobody knows."""

    client: str
    account: str
    user: str = ""
    access_token: Secret | None = None
    refresh_token: Secret | None = None
    expires_at: int = 0
    scope: tuple[str, ...] = ()
    subject: str = ""
    label: str = ""
    record: str = MAIN
    tags: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    shared: bool = False
    """That another connection holds the same refresh token is meant."""


class Importing:
    """One by one, or line by line; no provider is asked anything."""

    def __init__(self, ground: Ground, facts: Facts) -> None:
        self._ground = ground
        self._facts = facts

    @steady
    async def take(self, existing: Existing, *, tenant: str = "") -> Connection:
        """The connection that holds these tokens now. Raises `AlreadyConnected`, `BadRequest`, `UnknownProvider`."""
        user = existing.user or existing.account
        check_names(tenant=tenant, account=existing.account, user=user, tags=existing.tags)
        _check_tokens(existing)
        ours = self._ground.client(existing.client)
        found = await rows.found(self._ground, ours, existing.account, user, tenant)
        gaps = self._facts.base(ours, found.connection).placeholders
        values = {name: value for name, value in existing.fields.items() if name in gaps}
        provider = self._facts.of(ours, found.connection, values)
        self._check_place(found, existing, provider)
        await self._check_duplicates(found.connection, existing, provider)
        found = await rows.kept(self._ground, found)
        return await self._written(found, existing, provider, user)

    async def lines(self, text: Iterable[str | bytes], *, tenant: str = "", key: Keyring | None = None) -> Report:
        """A JSON object per line, with the members of `Existing`; what became of each. One bad line stops no other.

        *key* opens lines that `Exporting.sealed` has written.
        """
        told = [line async for line in self.each(text, tenant=tenant, key=key)]
        counts: dict[str, int] = {}
        for line in told:
            counts[line.outcome] = counts.get(line.outcome, 0) + 1
        return Report(tuple(told), counts)

    async def each(
        self, text: Iterable[str | bytes], *, tenant: str = "", key: Keyring | None = None
    ) -> AsyncIterator[Line]:
        """The same, one report at a time. Empty lines are skipped and counted in the numbers."""
        for number, line in enumerate(text, start=1):
            if not line.strip():
                continue
            account = ""
            try:
                existing = existing_of(opened(read_line(line), key, self._ground))
                account = existing.account
                connection = await self.take(existing, tenant=tenant)
            except AlreadyConnected as error:
                outcome = "duplicate" if isinstance(error, HeldElsewhere) else "exists"
                yield Line(number, outcome, account, problem=str(error))
            except (KeeperError, ValueError) as error:
                yield Line(number, "refused", account, problem=str(error))
            else:
                yield Line(number, "imported", account, connection.id)

    def _check_place(self, found: Found, existing: Existing, provider: Provider) -> None:
        if existing.record not in {record.name for record in provider.records}:
            known = ", ".join(record.name for record in provider.records)
            msg = f"{provider.id} has no tokens named {existing.record[:40]}; it has {known}"
            raise BadRequest(msg)
        alive = found.connection.health not in {Health.PENDING_CONSENT, Health.REVOKED}
        if alive and existing.record in found.records:
            msg = f"{existing.account} is connected at {existing.client} already; disconnect it first"
            raise AlreadyConnected(msg)

    async def _check_duplicates(self, connection: Connection, existing: Existing, provider: Provider) -> None:
        if existing.refresh_token is None:
            return
        fingerprint = self._ground.sealer.fingerprint(existing.refresh_token.reveal())
        others = [one for one in await self._ground.vault.holders(fingerprint) if one[1] != connection.id]
        if not others or (existing.shared and provider.rotates is Rotates.NEVER):
            return
        mine = [key for tenant, key, _ in others if tenant == connection.tenant]
        where = f"connection {mine[0]} holds" if mine else "somebody else holds"
        why = (
            "" if provider.rotates is Rotates.NEVER else f", and at {provider.name} two holders end each other's grant"
        )
        msg = f"{where} the refresh token of {existing.account} already{why}"
        raise HeldElsewhere(msg)

    async def _written(self, found: Found, existing: Existing, provider: Provider, user: str) -> Connection:
        now = self._ground.clock.now()
        old = found.connection
        after = replace(
            old,
            version=old.version + 1,
            user=user,
            subject=existing.subject,
            label=existing.label,
            tags={**old.tags, **existing.tags},
            asked_scope=existing.scope,
            granted_scope=tuple(dict.fromkeys([*(old.granted_scope if found.records else ()), *existing.scope])),
            fields={**old.fields, **existing.fields},
            connected_at=now,
        )
        reason = Reason.NONE if existing.refresh_token else Reason.NO_REFRESH_TOKEN
        after, edge = moved(after, Health.ACTIVE, reason, now, what=What.IMPORTED)
        events = edge or (event(What.IMPORTED, after, now, detail=existing.record),)
        record = self._record(found, existing, provider, now)
        try:
            await self._ground.vault.change(Change(after, old.version, records=[record], events=events))
        except Fenced:
            msg = f"{existing.account} is being connected at the same moment; nothing was imported"
            raise AlreadyConnected(msg) from None
        return after

    def _record(self, found: Found, existing: Existing, provider: Provider, now: int) -> Record:
        old = found.records.get(existing.record) or Record(found.connection.id, existing.record)
        end, origin = _end(existing, provider, now)
        record = replace(
            old,
            version=old.version + 1,
            scope=existing.scope,
            sent_at=now,
            expires_at=end,
            origin=origin,
            refresh_idle_end=now + provider.refresh_idle if provider.refresh_idle else 0,
            refresh_hard_end=0,
            refreshed_at=0,
            restored_from=0,
        )
        return with_tokens(
            self._ground.sealer,
            found.connection.tenant,
            record,
            access=existing.access_token,
            refresh=existing.refresh_token,
        )


class HeldElsewhere(AlreadyConnected):
    """Another connection holds the same refresh token."""


def _end(existing: Existing, provider: Provider, now: int) -> tuple[int, Origin]:
    """What nobody knows counts as over where it can be renewed: better one refresh than a dead token handed out."""
    if existing.expires_at:
        return existing.expires_at, Origin.PROVIDER
    if provider.access_lifetime == 0 and existing.access_token is not None:
        return 0, Origin.NEVER
    return (now, Origin.UNKNOWN) if existing.refresh_token is not None else (now + ASSUMED, Origin.UNKNOWN)


def _check_tokens(existing: Existing) -> None:
    if existing.access_token is None and existing.refresh_token is None:
        msg = "there is neither an access_token nor a refresh_token"
        raise BadRequest(msg)
    for name in ("access_token", "refresh_token"):
        token: Secret | None = getattr(existing, name)
        if token is None:
            continue
        text = token.reveal()
        if not text or len(text) > LONGEST_TOKEN or not text.isascii() or not text.isprintable() or " " in text:
            msg = f"the {name} is no token: plain ASCII without spaces, at most {LONGEST_TOKEN} characters"
            raise BadRequest(msg)
    if any(name[:1] == OWN or len(name) > LONGEST_NAME for name in existing.fields):
        msg = f"a field has a name of at most {LONGEST_NAME} characters that does not begin with {OWN}"
        raise BadRequest(msg)
    if existing.expires_at >= MILLISECONDS or existing.expires_at < 0:
        msg = "expires_at is an instant in seconds since the epoch"
        raise BadRequest(msg)


_TEXTS: Final = ("client", "account", "user", "subject", "label", "record")
_TOKENS: Final = ("access_token", "refresh_token")
_TABLES: Final = ("tags", "fields")
_KNOWN: Final = frozenset({*_TEXTS, *_TOKENS, *_TABLES, "expires_at", "scope", "shared"})


def read_line(line: str | bytes) -> dict[str, Any]:
    """The members of one line of a bulk file. Raises `BadRequest`."""
    if len(line) > LONGEST_LINE:
        msg = f"the line is longer than {LONGEST_LINE} characters"
        raise BadRequest(msg)
    try:
        members = json.loads(line)
    except (ValueError, RecursionError):
        msg = "the line is not JSON"
        raise BadRequest(msg) from None
    if not isinstance(members, dict):
        msg = "the line is not a JSON object"
        raise BadRequest(msg)
    return members


def existing_of(members: Mapping[str, Any]) -> Existing:
    """The tokens that a line speaks of. Raises `BadRequest` naming the member, and never showing its value."""
    unknown = sorted(set(members) - _KNOWN)
    if unknown:
        msg = f"unknown member {ascii(unknown[0])[:60]}; known are {', '.join(sorted(_KNOWN))}"
        raise BadRequest(msg)
    return Existing(**_read(members))


def _read(members: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in members.items():
        if value is None:
            continue
        if name in _TEXTS or name in _TOKENS:
            _must(isinstance(value, str), name, "text")
            found[name] = Secret(value) if name in _TOKENS else value
        elif name in _TABLES:
            _must(
                isinstance(value, dict) and all(isinstance(one, str) for one in value.values()), name, "texts by name"
            )
            found[name] = value
        elif name == "expires_at":
            _must(isinstance(value, int) and not isinstance(value, bool), name, "a whole number of seconds")
            found[name] = value
        elif name == "shared":
            _must(isinstance(value, bool), name, "true or false")
            found[name] = value
        else:
            found[name] = _scope(value)
    for name in ("client", "account"):
        _must(bool(found.get(name)), name, "text, and needed")
    return found


def _scope(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(value.split())
    _must(isinstance(value, list) and all(isinstance(one, str) for one in value), "scope", "text or a list of texts")
    return tuple(value) if isinstance(value, list) else ()


def _must(good: bool, name: str, expected: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not good:
        msg = f"{name} must be {expected}"
        raise BadRequest(msg)
