"""What becomes of a connection after its user has allowed it: the same account, the same scope, a way to renew it.

Values in, values out; the records that come back carry no tokens yet, whoever commits seals them in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from evergrant.keeper.connection import Connection, Health, Reason, Record
from evergrant.keeper.decision.health import event, moved
from evergrant.keeper.decision.verdict import Granted, Tokens
from evergrant.keeper.event import Event, What
from evergrant.keeper.provider.model import Provider


@dataclass(frozen=True, slots=True)
class Allowed:
    """An authorization that was answered with tokens. *sent_at*: when the request for them left, seconds."""

    connection: Connection
    records: Mapping[str, Record]
    provider: Provider
    granted: Granted
    subject: str
    label: str
    user: str
    scopes: tuple[str, ...]
    now: int
    sent_at: int
    tags: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    offline: bool | None = None
    anew: bool = True
    """The authorization began after a disconnect, if there was one."""
    hand_over: bool = False
    """Another user than the one who connected it may connect it now."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The connection as it shall be committed. *carried*: records whose refresh token stays the one they had."""

    connection: Connection
    records: Sequence[Record]
    events: tuple[Event, ...]
    carried: frozenset[str] = frozenset()
    missing: tuple[str, ...] = ()
    advice: str = ""
    reconnected: bool = False


@dataclass(frozen=True, slots=True)
class Turned:
    """Nothing of the answer may be kept. *code* as in `CallbackRefused`; *reason* is stored where nothing works yet."""

    code: str
    sentence: str
    reason: Reason = Reason.NONE
    end: bool = False
    """Whether the provider is to be told that what it has just given is not wanted any more."""


Outcome = Standing | Turned


def judge(given: Allowed) -> Outcome:
    """The outcome; pure. A connection that was disconnected begins anew, also with another account."""
    tokens = given.granted.tokens
    health = given.connection.health
    if health in _SHUT or (health is Health.REVOKED and not given.anew):
        left = health is not Health.QUARANTINED
        return Turned("exchange_failed", f"the connection is {health} meanwhile; nothing was changed", end=left)
    unusable = next((one.unusable for one in tokens.values() if one.unusable), "")
    if unusable:
        return Turned("exchange_failed", f"{given.provider.name} gave a token that cannot be used: {unusable}")
    fresh = not given.connection.connected_at or given.connection.health is Health.REVOKED
    if not fresh and given.user != given.connection.user and not given.hand_over:
        return Turned("other_user", "somebody else has connected this account meanwhile; nothing was changed")
    known = "" if fresh else given.connection.subject
    if known and given.subject != known:
        return _other_account(given)
    carried = frozenset(name for name in tokens if tokens[name].refresh is None and _carries(given, name, known))
    lacking = any(tokens[name].refresh is None for name in tokens if name not in carried)
    if lacking and _must_renew(given, tokens):
        return Turned("no_refresh_token", no_refresh_token(given.provider), Reason.NO_REFRESH_TOKEN)
    return _standing(given, carried, fresh=fresh, lacking=lacking)


def needs_refresh_token(connection: Connection, records: Mapping[str, Record], scopes: Sequence[str]) -> bool:
    """Whether only a new refresh token will do: there is none, it is dead, or it was not allowed what is asked now."""
    if not records or connection.health in _OVER or connection.reason is Reason.NO_REFRESH_TOKEN:
        return True
    return any(not living(record) for record in records.values()) or bool(set(scopes) - set(connection.asked_scope))


def living(record: Record) -> bool:
    """Whether the record holds a refresh token that no provider has declared dead."""
    return bool(record.refresh_token) and record.fingerprint not in record.dead


def no_refresh_token(provider: Provider) -> str:
    """What to tell when a provider gave no refresh token, and what helps."""
    said = ", ".join(f"{name}={value}" for name, value in provider.reconsent_params.items())
    cure = f"connect again: it will be asked with {said}" if said else ""
    if provider.refresh_scope:
        cure = cure or f"see that the application may use the scope {provider.refresh_scope}"
    cure = cure or "see whether the application's settings at the provider allow refresh tokens"
    return f"{provider.name} gave no refresh token, so the connection would end within hours; {cure}"


_SHUT: Final = frozenset({Health.REVOKING, Health.QUARANTINED})
_OVER: Final = frozenset({Health.NEEDS_REAUTH, Health.PENDING_CONSENT, Health.REVOKED, Health.IN_DOUBT})


def _other_account(given: Allowed) -> Turned:
    if not given.subject:
        return Turned("exchange_failed", f"{given.provider.name} did not say which account this is; try again")
    return Turned(
        "account_changed",
        f"this is another account at {given.provider.name} than the one that is connected; nothing was changed. "
        "Sign in there with the account that belongs here, or connect this one under a name of its own",
        Reason.ACCOUNT_CHANGED,
    )


def _carries(given: Allowed, name: str, known: str) -> bool:
    """A reply without a refresh token leaves the one we have, if it is surely this account's and allows as much."""
    record = given.records.get(name)
    if record is None or not living(record) or not known or given.connection.health in _OVER:
        return False
    return not set(given.scopes) - set(given.connection.asked_scope)


def _must_renew(given: Allowed, tokens: Mapping[str, Tokens]) -> bool:
    if given.offline is not None:
        return given.offline
    gives = given.provider.refresh_tokens and (given.provider.refresh_scope or given.provider.reconsent_params)
    return bool(gives) and any(one.expires_at for one in tokens.values() if one.refresh is None)


def _standing(given: Allowed, carried: frozenset[str], *, fresh: bool, lacking: bool) -> Standing:
    old = given.connection
    records = [_record(given, name, carried=name in carried) for name in given.granted.tokens]
    scope = dict.fromkeys(one for record in records for one in record.scope)
    after = replace(
        old,
        version=old.version + 1,
        user=given.user,
        subject=given.subject,
        label=given.label or ("" if fresh else old.label),
        tags={**old.tags, **given.tags},
        asked_scope=given.scopes,
        granted_scope=tuple(scope),
        fields={**old.fields, **given.fields, **given.granted.fields},
        connected_at=given.now,
        failures=0,
        retry_at=0,
    )
    lasting = not lacking or not any(record.expires_at for record in records)
    reason = Reason.NONE if lasting else Reason.NO_REFRESH_TOKEN
    what = What.CONNECTED if fresh else What.RECONNECTED
    after, edge = moved(after, Health.ACTIVE, reason, given.now, what=what)
    events = list(edge) or [event(what, after, given.now)]
    if not fresh and set(after.granted_scope) != set(old.granted_scope):
        events.append(event(What.SCOPE_CHANGED, after, given.now, detail=_drift(old, after)))
    told = {given.provider.refresh_scope, "offline_access"}
    missing = tuple(one for one in given.scopes if one not in scope and one not in told)
    advice = "" if lasting else no_refresh_token(given.provider)
    return Standing(after, records, tuple(events), carried, missing, advice, reconnected=not fresh)


def _record(given: Allowed, name: str, *, carried: bool) -> Record:
    tokens = given.granted.tokens[name]
    old = given.records.get(name) or Record(given.connection.id, name)
    return replace(
        old,
        version=old.version + 1,
        previous=b"",
        previous_until=0,
        token_type=tokens.token_type,
        scope=tokens.scope,
        sent_at=given.sent_at,
        expires_at=tokens.expires_at,
        origin=tokens.origin,
        refresh_idle_end=old.refresh_idle_end if carried else tokens.idle_end,
        refresh_hard_end=old.refresh_hard_end if carried else tokens.hard_end,
        refreshed_at=given.now,
        restored_from=old.restored_from if carried else 0,
    )


def _drift(old: Connection, after: Connection) -> str:
    gone = sorted(set(old.granted_scope) - set(after.granted_scope))
    new = sorted(set(after.granted_scope) - set(old.granted_scope))
    return " ".join([*(f"-{one}" for one in gone), *(f"+{one}" for one in new)])[:400]
